// Package kafka is the client of Kafka's protocol that the input and the destination share: the options for brokers, SASL and
// TLS in both dialects, librdkafka's properties (rdkafka.*), and connections with these. The client is franz-go.
package kafka

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/dial"
)

// Options are the options of the client. The options structs of the input and the destination embed them.
type Options struct {
	Brokers  []string `fluentbit:"brokers" fluentd:"brokers" default.fluentd:"localhost:9092" identity:"true" help:"brokers to ask for the cluster first, each host or host:port, separated by commas"`
	ClientID string   `fluentbit:"client_id" fluentd:"client_id" default.fluentbit:"fluent-bit" default.fluentd:"fluentd" help:"name of this client, in the brokers' logs and quotas"`

	MSKIAM        bool   `fluentbit:"aws_msk_iam" help:"authenticate with AWS credentials (Amazon MSK, SASL mechanism AWS_MSK_IAM), over TLS"`
	MSKClusterARN string `fluentbit:"aws_msk_iam_cluster_arn" help:"the MSK cluster's ARN, for its region; default: the region in the brokers' names"`

	RdKafka
	SASL
	SSL
	dial.TLSOptions
	dial.NetOptions
}

// RdKafka are the properties of librdkafka for which the client has an equivalent. For others there is a warning, as for every
// unknown option.
type RdKafka struct {
	SecurityProtocol string        `fluentbit:"rdkafka.security.protocol" oneof:"plaintext,ssl,sasl_plaintext,sasl_ssl" help:"whether to use TLS (ssl) and SASL"`
	SASLMechanism    string        `fluentbit:"rdkafka.sasl.mechanism,rdkafka.sasl.mechanisms" oneof:"PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER,GSSAPI" help:"PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; OAUTHBEARER only with aws_msk_iam"`
	SASLUsername     string        `fluentbit:"rdkafka.sasl.username" help:"user for PLAIN and SCRAM"`
	SASLPassword     config.Secret `fluentbit:"rdkafka.sasl.password" help:"the user's password"`
	CALocation       string        `fluentbit:"rdkafka.ssl.ca.location" help:"PEM file, or folder of such files, of the certificate authorities to trust instead of the system's"`
	CertLocation     string        `fluentbit:"rdkafka.ssl.certificate.location" help:"PEM file of the client's certificate"`
	KeyLocation      string        `fluentbit:"rdkafka.ssl.key.location" help:"PEM file of its key"`
	KeyPassword      config.Secret `fluentbit:"rdkafka.ssl.key.password" help:"the key's password"`
	VerifyCert       *bool         `fluentbit:"rdkafka.enable.ssl.certificate.verification" help:"verify the brokers' certificates; on by default"`
	VerifyName       string        `fluentbit:"rdkafka.ssl.endpoint.identification.algorithm" oneof:"none,https" help:"https (the default): verify the name in the certificate; none: don't"`
	MetadataAge      int           `fluentbit:"rdkafka.topic.metadata.refresh.interval.ms,rdkafka.metadata.max.age.ms" help:"ms after which the client asks again for topics and their leaders; default 5 min"`
	SocketTimeout    int           `fluentbit:"rdkafka.socket.timeout.ms" help:"ms that a broker may take to answer, beyond the time that the request asks for; default 10 s"`
	SetupTimeout     int           `fluentbit:"rdkafka.socket.connection.setup.timeout.ms" help:"ms for connecting, TLS included; default: net.connect_timeout"`

	RdNoEffect string `fluentbit:"rdkafka.log.connection.close,rdkafka.log_level,rdkafka.debug,rdkafka.statistics.interval.ms,rdkafka.socket.keepalive.enable,rdkafka.socket.nagle.disable,rdkafka.broker.address.ttl,rdkafka.broker.address.family,rdkafka.api.version.request,rdkafka.broker.version.fallback,rdkafka.reconnect.backoff.ms,rdkafka.reconnect.backoff.max.ms,rdkafka.retry.backoff.ms,rdkafka.retry.backoff.max.ms,rdkafka.connections.max.idle.ms" help:"accepted"`
}

// SASL are the options of Fluentd's plugin for signing in.
type SASL struct {
	Username       string        `fluentd:"username" help:"user for PLAIN and SCRAM"`
	Password       config.Secret `fluentd:"password" help:"the user's password"`
	ScramMechanism string        `fluentd:"scram_mechanism" oneof:"sha256,sha512,SCRAM-SHA-256,SCRAM-SHA-512" help:"use SCRAM with this hash instead of PLAIN"`
	SASLOverSSL    *bool         `fluentd:"sasl_over_ssl" help:"sign in over TLS, with the system's authorities unless ssl_ca_cert is set; default: TLS if one of the ssl options is set"`
	IAMKey         string        `fluentd:"sasl_aws_msk_iam_access_key_id" help:"AWS access key, for IAM on Amazon MSK"`
	IAMSecret      config.Secret `fluentd:"sasl_aws_msk_iam_secret_key_id" help:"its secret key"`
	IAMRegion      string        `fluentd:"sasl_aws_msk_iam_aws_region" help:"the MSK cluster's region"`
	Principal      string        `fluentd:"principal" help:"not supported: Kerberos"`
	Keytab         string        `fluentd:"keytab" help:"not supported: Kerberos"`
}

// SSL are the options of Fluentd's plugin for TLS.
type SSL struct {
	SSLCACert     []string      `fluentd:"ssl_ca_cert" help:"PEM file of the certificate authorities to trust; sets TLS"`
	SSLSystemCA   bool          `fluentd:"ssl_ca_certs_from_system" help:"trust the system's authorities; sets TLS"`
	SSLCert       string        `fluentd:"ssl_client_cert" help:"PEM file of the client's certificate, with its chain; sets TLS"`
	SSLKey        string        `fluentd:"ssl_client_cert_key" help:"PEM file of its key"`
	SSLKeyPass    config.Secret `fluentd:"ssl_client_cert_key_password" help:"the key's password"`
	SSLChain      string        `fluentd:"ssl_client_cert_chain" ignored:"the chain belongs into the file of ssl_client_cert" help:"no effect: the chain belongs into the file of ssl_client_cert"`
	SSLVerifyName *bool         `fluentd:"ssl_verify_hostname" help:"verify the name in the brokers' certificates; on by default"`
}

// CheckClient reports the mistakes that binding can't find.
func (o *Options) CheckClient(d config.Dialect) error {
	if len(o.seeds()) == 0 {
		return &config.OptionError{Option: "brokers", Reason: "is missing; want at least one broker, such as kafka:9092"}
	}
	for _, b := range o.seeds() {
		if err := checkBroker(b); err != nil {
			return &config.OptionError{Option: "brokers", Reason: err.Error()}
		}
	}
	if d == config.Fluentd && o.Principal != "" {
		return &config.OptionError{Option: "principal", Reason: "Kerberos (GSSAPI) is not supported; want username and password, with scram_mechanism for SCRAM"}
	}
	if len(o.SSLCACert) > 1 {
		return &config.OptionError{Option: "ssl_ca_cert", Reason: "has several files; want one file with all certificates"}
	}
	if err := o.checkMechanism(); err != nil {
		return err
	}
	if d == config.FluentBit {
		if err := o.CheckNet(); err != nil {
			return err
		}
	}
	tls := o.tlsOptions()
	tls.TLS = o.usesTLS(d)
	return tls.CheckTLS(d)
}

func (o *Options) checkMechanism() error {
	switch o.SASLMechanism {
	case "GSSAPI":
		return &config.OptionError{Option: "rdkafka.sasl.mechanism", Reason: "GSSAPI (Kerberos) is not supported; want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"}
	case "OAUTHBEARER":
		if !o.MSKIAM {
			return &config.OptionError{Option: "rdkafka.sasl.mechanism", Reason: "OAUTHBEARER is supported only for Amazon MSK; want aws_msk_iam on, or PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"}
		}
	case "":
		if strings.HasPrefix(o.SecurityProtocol, "sasl_") && !o.MSKIAM {
			return &config.OptionError{Option: "rdkafka.security.protocol", Reason: "needs rdkafka.sasl.mechanism; want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"}
		}
	}
	return nil
}

// checkBroker reports what is wrong with one of brokers.
func checkBroker(b string) error {
	_, port, err := net.SplitHostPort(b)
	if err != nil { // a name or an address alone
		_, _, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(b, "[]"), "9092"))
		if err == nil && strings.ContainsAny(b, "/ ") {
			err = fmt.Errorf("%q is not an address; want host:port", b)
		}
		return err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q has no port from 1 to 65535; want host:port", b)
	}
	return nil
}

// seeds lists the brokers.
func (o *Options) seeds() (list []string) {
	for _, b := range o.Brokers {
		if b = strings.TrimSpace(b); b != "" {
			list = append(list, b)
		}
	}
	return list
}

// usesTLS reports whether connections use TLS.
func (o *Options) usesTLS(d config.Dialect) bool {
	switch o.SecurityProtocol {
	case "ssl", "sasl_ssl":
		return true
	case "plaintext", "sasl_plaintext":
		return false
	}
	if d == config.Fluentd {
		return len(o.SSLCACert) > 0 || o.SSLSystemCA || o.SSLCert != "" || o.SASLOverSSL != nil && *o.SASLOverSSL || o.iam(d)
	}
	return o.TLS || o.MSKIAM
}

// iam reports whether AWS credentials are used.
func (o *Options) iam(d config.Dialect) bool {
	if d == config.Fluentd {
		return o.IAMKey != ""
	}
	return o.MSKIAM
}

// tlsOptions are the options for TLS, whichever names they have.
func (o *Options) tlsOptions() dial.TLSOptions {
	t, yes := o.TLSOptions, true
	set := func(to *string, from string) {
		if from != "" {
			*to = from
		}
	}
	if len(o.SSLCACert) > 0 {
		t.CAFile = o.SSLCACert[0]
	}
	set(&t.CertFile, o.SSLCert)
	set(&t.KeyFile, o.SSLKey)
	if o.SSLKeyPass != "" {
		t.KeyPass = o.SSLKeyPass
	}
	if o.SSLVerifyName != nil {
		t.VerifyHostname = o.SSLVerifyName
	}
	if isDir(o.CALocation) {
		t.CAPath = o.CALocation
	} else {
		set(&t.CAFile, o.CALocation)
	}
	set(&t.CertFile, o.CertLocation)
	set(&t.KeyFile, o.KeyLocation)
	if o.KeyPassword != "" {
		t.KeyPass = o.KeyPassword
	}
	if o.VerifyCert != nil {
		t.Verify = *o.VerifyCert
	}
	if t.VerifyHostname == nil { // librdkafka and ruby-kafka verify it
		t.VerifyHostname = &yes
	}
	if o.VerifyName == "none" {
		no := false
		t.VerifyHostname = &no
	}
	return t
}

// ms returns n milliseconds, or fallback if n isn't positive.
func ms(n int, fallback time.Duration) time.Duration {
	if n <= 0 {
		return fallback
	}
	return time.Duration(n) * time.Millisecond
}

// Seeds lists the brokers that are asked for the cluster first, each host or host:port.
func (o *Options) Seeds() []string { return o.seeds() }

// Security returns the options for TLS, nil where connections have none, and whether credentials are sent.
func (o *Options) Security(d config.Dialect) (tls *dial.TLSOptions, secrets bool) {
	name, _, _ := o.signIn(d)
	if o.usesTLS(d) {
		t := o.tlsOptions()
		tls = &t
	}
	return tls, name != "" || o.iam(d)
}

// Credentials are those of AWS, nil where none are used.
func (o *Options) Credentials(d config.Dialect, common *sink.Common) *aws.Credentials {
	if !o.iam(d) {
		return nil
	}
	return o.credentials(d, common)
}
