package forward

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input/serve"
)

// certificate writes a certificate for 127.0.0.1 that signs itself, and its key.
func certificate(t *testing.T) (cert, key string, pair tls.Certificate) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, _ := x509.MarshalPKCS8PrivateKey(priv)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "crt.pem"), filepath.Join(dir, "key.pem")
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600)
	pair, err = tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pair
}

func TestTLS(t *testing.T) {
	cert, key, pair := certificate(t)
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	for name, c := range map[string]struct {
		d          config.Dialect
		set        func(*Options)
		clientCert bool
		taken      bool
	}{
		"fluentbit": {config.FluentBit, func(o *Options) { o.On, o.CrtFile, o.KeyFile = true, cert, key }, false, true},
		"fluentd": {config.Fluentd, func(o *Options) {
			o.Transport = &serve.Transport{Protocol: "tls", CertPath: cert, KeyPath: key, Version: "TLSv1_2"}
		}, false, true},
		"client's certificate": {config.Fluentd, func(o *Options) {
			o.Transport = &serve.Transport{Protocol: "tls", CertPath: cert, KeyPath: key, ClientAuth: true, CAPath: cert}
		}, true, true},
		"client without one": {config.FluentBit, func(o *Options) {
			o.On, o.CrtFile, o.KeyFile, o.VerifyClient, o.CAFile, o.MaxVersion = true, cert, key, true, cert, "TLSv1.2"
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaults(c.d)
			c.set(o)
			if err := o.Check(c.d); err != nil {
				t.Fatal(err)
			}
			r := start(t, c.d, o)
			cfg := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
			if c.clientCert {
				cfg.Certificates = []tls.Certificate{pair}
			}
			client := tls.Client(r.dial(t), cfg)
			client.Write(pack(arr{"app", 1, obj{}, obj{"chunk": "id"}}))
			answer := make([]byte, 8)
			n, _ := client.Read(answer)
			if c.taken != (string(answer[:n]) == "\x81\xa3ack\xa2id") || c.taken != (len(r.sink.got()) == 1) {
				t.Errorf("got answer %q, events %q and log %s, want it taken: %t", answer[:n], r.sink.got(), r.log, c.taken)
			}
			if !c.taken {
				eventually(t, "the line", func() bool {
					return strings.Contains(r.log.String(), `"message":"the TLS handshake failed: connection closed"`)
				})
			}
		})
	}
}

func TestPlainClientOfATLSServerIsRecognised(t *testing.T) {
	cert, key, _ := certificate(t)
	o := defaults(config.FluentBit)
	o.On, o.CrtFile, o.KeyFile = true, cert, key
	r := start(t, config.FluentBit, o)
	r.send(t, pack(arr{"app", 1, obj{"log": "a long enough line"}}))
	eventually(t, "the line", func() bool {
		return strings.Contains(r.log.String(), `"message":"the TLS handshake failed: connection closed"`)
	})
}

func TestTLSClientOfAPlainServerIsRecognised(t *testing.T) {
	r := start(t, config.FluentBit, defaults(config.FluentBit))
	c := tls.Client(r.dial(t), &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err == nil {
		t.Error("got a handshake, want an error")
	}
	eventually(t, "the line", func() bool {
		return strings.Contains(r.log.String(), `"got":"int","message":"not a message; want [tag, time, record]`)
	})
}

// TestDeadlineLeavesTLSWhole holds what Read relies on: a read that timed out may be followed by another one.
func TestDeadlineLeavesTLSWhole(t *testing.T) {
	_, _, pair := certificate(t)
	a, b := net.Pipe()
	client, server := tls.Client(a, &tls.Config{InsecureSkipVerify: true}), tls.Server(b, &tls.Config{Certificates: []tls.Certificate{pair}})
	defer a.Close()
	go client.Handshake()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	server.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := server.Read(buf); err == nil {
		t.Fatal("got no deadline, want one")
	}
	server.SetReadDeadline(time.Time{})
	go client.Write([]byte("x"))
	if n, err := server.Read(buf); n != 1 || err != nil {
		t.Error(err)
	}
}

func TestMissingCertificateIsAnErrorAtStart(t *testing.T) {
	o := defaults(config.FluentBit)
	o.On, o.CrtFile, o.KeyFile = true, "/does/not/exist.crt", "/does/not/exist.key"
	if _, err := listen(o, config.FluentBit, testEnv(new(lines))); err == nil || !strings.Contains(err.Error(), "reading the certificate /does/not/exist.crt and its key") {
		t.Error(err)
	}
}

func TestWrongOptionsAreFound(t *testing.T) {
	no, d, bit := false, config.Fluentd, config.FluentBit
	for want, c := range map[string]struct {
		d config.Dialect
		o Options
	}{
		"security.users: needs a shared_key, or empty_shared_key on":                               {bit, Options{Users: []config.Pair{{Key: "a", Value: "b"}}}},
		"security.users: must be a name and a password":                                            {bit, Options{SharedKey: "k", Users: []config.Pair{{Key: "a"}}}},
		"unix_perm: must be octal permissions: 0644":                                               {bit, Options{UnixPerm: "rw"}},
		"tls: needs tls.crt_file and tls.key_file":                                                 {bit, Options{TLS: serve.TLS{On: true}}},
		"tls.min_version: must be TLSv1.2 or TLSv1.3":                                              {bit, Options{TLS: serve.TLS{On: true, CrtFile: "c", KeyFile: "k", MinVersion: "SSLv3"}}},
		"resolve_hostname: must be true with source_hostname_key":                                  {d, Options{SourceHostname: "h", ResolveHostname: &no}},
		"send_keepalive_packet: can't be true together with deny_keepalive":                        {d, Options{Keepalive: true, DenyKeepalive: true}},
		"user_auth: needs a <user>":                                                                {d, Options{Security: &Security{UserAuth: true}}},
		"allow_anonymous_source: false needs a <client>":                                           {d, Options{Security: &Security{}}},
		"<client>: needs either host or network":                                                   {d, Options{Security: &Security{Clients: []SecureClient{{}}}}},
		"<transport>: tls needs cert_path and private_key_path":                                    {d, Options{Transport: &serve.Transport{Protocol: "tls"}}},
		"insecure: isn't supported: give cert_path and private_key_path":                           {d, Options{Transport: &serve.Transport{Protocol: "tls", Insecure: true}}},
		"client_cert_auth: needs ca_path":                                                          {d, Options{Transport: &serve.Transport{Protocol: "tls", CertPath: "c", KeyPath: "k", ClientAuth: true}}},
		`network: netip.ParsePrefix("x"): no '/'; want an address or a network such as 10.0.0.0/8`: {d, Options{Security: &Security{Clients: []SecureClient{{Network: "x"}}}}},
	} {
		if err := c.o.Check(c.d); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
