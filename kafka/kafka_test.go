package kafka

import (
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// certificate is a certificate for 127.0.0.1, and a file with it.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s.TLS.Certificates[0], file
}

// ping connects with the options.
func ping(t *testing.T, o *Options, d config.Dialect) error {
	t.Helper()
	if err := o.CheckClient(d); err != nil {
		t.Fatal(err)
	}
	c, err := o.Config(d, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(c.Options, kgo.RequestRetries(0))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	return cl.Ping(t.Context())
}

func TestConnectionsUseTLSAsConfigured(t *testing.T) {
	cert, ca := certificate(t)
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	off := false
	for name, tt := range map[string]struct {
		dialect config.Dialect
		set     func(*Options)
		wrong   string // "": the connection can be made
	}{
		"rdkafka":              {config.FluentBit, func(o *Options) { o.SecurityProtocol, o.CALocation = "ssl", ca }, ""},
		"tls":                  {config.FluentBit, func(o *Options) { o.TLS, o.CAFile = true, ca }, ""},
		"folder":               {config.FluentBit, func(o *Options) { o.SecurityProtocol, o.CALocation = "ssl", filepath.Dir(ca) }, ""},
		"unknown authority":    {config.FluentBit, func(o *Options) { o.SecurityProtocol = "ssl" }, "verifying the certificate"},
		"verification off":     {config.FluentBit, func(o *Options) { o.SecurityProtocol, o.VerifyCert = "ssl", &off }, ""},
		"Fluentd":              {config.Fluentd, func(o *Options) { o.SSLCACert = []string{ca} }, ""},
		"Fluentd, system's CA": {config.Fluentd, func(o *Options) { o.SSLSystemCA = true }, "verifying the certificate"},
	} {
		o := &Options{Brokers: c.ListenAddrs(), ClientID: "test"}
		o.Verify = true
		tt.set(o)
		err := ping(t, o, tt.dialect)
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s: got %v, want %q", name, err, tt.wrong)
		}
	}
}

func TestTheRegionIsThatOfTheCluster(t *testing.T) {
	for want, o := range map[string]*Options{
		"eu-west-1":    {MSKClusterARN: "arn:aws:kafka:eu-west-1:123456789012:cluster/demo/abc", Brokers: []string{"x:9098"}},
		"us-east-2":    {Brokers: []string{"b-1.demo.abc.c2.kafka.us-east-2.amazonaws.com:9098"}},
		"ap-south-1":   {Brokers: []string{"boot-abc.c1.kafka-serverless.ap-south-1.amazonaws.com:9098"}},
		"eu-central-1": {SASL: SASL{IAMRegion: "eu-central-1"}},
		"":             {Brokers: []string{"kafka:9092"}, MSKClusterARN: "demo"},
	} {
		if got := o.region(config.Fluentd); got != want {
			t.Errorf("got the region %q, want %q", got, want)
		}
	}
}

func TestPropertiesOfLibrdkafkaAreOptions(t *testing.T) {
	o := &Options{}
	unknown, err := SetProperties(o, `{"security.protocol":"SASL_SSL","sasl.mechanisms":"scram-sha-256","sasl.username":"ann","sasl.password":"pw","socket.timeout.ms":5000,"enable.ssl.certificate.verification":false,"none":1,"a.b":"c"}`)
	if err != nil || strings.Join(unknown, " ") != "a.b none" {
		t.Errorf("got %v and %v", unknown, err)
	}
	if o.SecurityProtocol != "sasl_ssl" || o.SASLMechanism != "SCRAM-SHA-256" || o.SASLUsername != "ann" || o.SASLPassword != "pw" ||
		o.SocketTimeout != 5000 || o.VerifyCert == nil || *o.VerifyCert || !o.usesTLS(config.Fluentd) {
		t.Errorf("got %+v", o.RdKafka)
	}
	if name, user, pass := o.signIn(config.Fluentd); name != "SCRAM-SHA-256" || user != "ann" || pass != "pw" {
		t.Errorf("got %s %s %s", name, user, pass)
	}
	for _, bad := range []string{"x", "[]", `{"security.protocol":"x"}`, `{"socket.timeout.ms":"x"}`, `{"enable.ssl.certificate.verification":3}`} {
		if _, err := SetProperties(&Options{}, bad); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
}

func TestBrokersAreChecked(t *testing.T) {
	for brokers, ok := range map[string]bool{
		"kafka": true, "kafka:9092": true, "a:1, b:2": true, "[::1]:9092": true, "::1": true, "": false, ",": false, "a:b": false, "a:0": false, "a:70000": false, "http://a:9092": false,
	} {
		o := &Options{Brokers: strings.Split(brokers, ",")}
		if err := o.CheckClient(config.FluentBit); (err == nil) != ok {
			t.Errorf("%q: got %v", brokers, err)
		}
	}
}
