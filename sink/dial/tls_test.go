package dial

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
)

// authority signs certificates for tests.
type authority struct {
	*testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{T: t}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	return a
}

// issue makes a certificate for name, valid until then, as PEM.
func (a *authority) issue(name string, until time.Time) (cert, key []byte) {
	a.Helper()
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.Fatal(err)
	}
	raw, _ := x509.MarshalPKCS8PrivateKey(k)
	return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", raw)
}

func (a *authority) pem() []byte { return pemOf("CERTIFICATE", a.cert.Raw) }

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// handshake connects a client with this configuration to a server that has this certificate.
func handshake(t *testing.T, client *tls.Config, cert, key []byte) error {
	t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{pair}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Handshake()
		_ = b.Close()
	}()
	_ = a.SetDeadline(time.Now().Add(time.Minute))
	err = tls.Client(a, client).Handshake()
	_ = a.Close()
	<-done
	return err
}

func TestAServerIsVerifiedAsTheDialectDoes(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "ca.pem"), ca.pem())
	good, goodKey := ca.issue("os.example", time.Now().Add(time.Hour))
	foreign, foreignKey := other.issue("os.example", time.Now().Add(time.Hour))
	expired, expiredKey := ca.issue("os.example", time.Now().Add(-time.Minute))
	named, namedKey := ca.issue("other.example", time.Now().Add(time.Hour))
	on, off := true, false
	for _, c := range []struct {
		name      string
		opts      TLSOptions
		dialect   config.Dialect
		cert, key []byte
		want      string // in the error, "" for none
		warned    bool
		secrets   bool
	}{
		{"good", TLSOptions{Verify: true, CAFile: file}, config.FluentBit, good, goodKey, "", false, false},
		{"a folder", TLSOptions{Verify: true, CAPath: dir}, config.FluentBit, good, goodKey, "", false, false},
		{"unknown authority", TLSOptions{Verify: true, CAFile: file}, config.FluentBit, foreign, foreignKey, "unknown authority", false, false},
		{"the system's authorities", TLSOptions{Verify: true}, config.FluentBit, good, goodKey, "verifying the certificate of os.example", false, false},
		{"not verified", TLSOptions{CAFile: file}, config.FluentBit, foreign, foreignKey, "", false, false},
		{"insecure mode", TLSOptions{Verify: true, InsecureMode: true}, config.Fluentd, foreign, foreignKey, "", false, false},
		{"expired", TLSOptions{Verify: true, CAFile: file}, config.FluentBit, expired, expiredKey, "expired", false, false},
		{"another name in Fluent Bit", TLSOptions{Verify: true, CAFile: file}, config.FluentBit, named, namedKey, "", true, false},
		{"another name, verified", TLSOptions{Verify: true, CAFile: file, VerifyHostname: &on}, config.FluentBit, named, namedKey, "other.example", false, false},
		{"another name, not verified", TLSOptions{Verify: true, CAFile: file, VerifyHostname: &off}, config.FluentBit, named, namedKey, "", false, false},
		{"another name, with credentials", TLSOptions{Verify: true, CAFile: file}, config.FluentBit, named, namedKey, "unless tls.verify_hostname off is written", false, true},
		{"the name, with credentials", TLSOptions{Verify: true, CAFile: file}, config.FluentBit, good, goodKey, "", false, true},
		{"another name, with credentials, not verified", TLSOptions{Verify: true, CAFile: file, VerifyHostname: &off}, config.FluentBit, named, namedKey, "", false, true},
		{"another name in Fluentd", TLSOptions{Verify: true, CAFile: file}, config.Fluentd, named, namedKey, "other.example", false, false},
		{"the virtual host's name", TLSOptions{Verify: true, CAFile: file, VHost: "other.example"}, config.Fluentd, named, namedKey, "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			logs := &bytes.Buffer{}
			conf, err := c.opts.Config(c.dialect, "os.example", c.secrets, zerolog.New(logs))
			if err != nil {
				t.Fatal(err)
			}
			if told := strings.Contains(logs.String(), "a wrong name in the server's certificate is accepted"); c.warned && !told {
				t.Errorf("got the log %s at start, want it to say that a wrong name is accepted", logs)
			}
			err = handshake(t, conf, c.cert, c.key)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error: got %v, want %q", err, c.want)
			}
			if warned := strings.Contains(logs.String(), "another name"); warned != c.warned {
				t.Errorf("got a warning: %v, want %v\n%s", warned, c.warned, logs)
			}
		})
	}
}

func TestAuthoritiesAndKeysThatAreReplacedNeedNoRestart(t *testing.T) {
	before, after := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	ca := write(t, filepath.Join(dir, "ca.pem"), before.pem())
	cert1, key1 := before.issue("client", time.Now().Add(time.Hour))
	certFile, keyFile := write(t, filepath.Join(dir, "c.pem"), cert1), write(t, filepath.Join(dir, "k.pem"), key1)
	o := TLSOptions{Verify: true, CAFile: ca, CertFile: certFile, KeyFile: keyFile}
	conf, err := o.Config(config.FluentBit, "os.example", false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	cert, key := after.issue("os.example", time.Now().Add(time.Hour))
	if err := handshake(t, conf, cert, key); err == nil {
		t.Fatal("got an unknown authority accepted, want an error")
	}
	write(t, ca, append(after.pem(), '\n'))
	if err := handshake(t, conf, cert, key); err != nil {
		t.Errorf("after the file was replaced: got %v, want no error", err)
	}
	cert2, key2 := after.issue("client-of-another-name", time.Now().Add(time.Hour))
	write(t, certFile, cert2) // for a moment the two don't fit together
	first, err := conf.GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, keyFile, key2)
	second, err := conf.GetClientCertificate(nil)
	if err != nil || first.Leaf.Equal(second.Leaf) {
		t.Errorf("got the same certificate of the client (error %v), want the new one", err)
	}
}

// TestAuthoritiesRemainValidWhileTheirFilesCanNotBeRead: a file that is being replaced is missing or empty for a moment, and
// one that an update has broken must not stop the deliveries.
func TestAuthoritiesRemainValidWhileTheirFilesCanNotBeRead(t *testing.T) {
	ca, next := newAuthority(t), newAuthority(t)
	cert, key := ca.issue("os.example", time.Now().Add(time.Hour))
	nextCert, nextKey := next.issue("os.example", time.Now().Add(time.Hour))
	for _, inFolder := range []bool{false, true} {
		for what, spoil := range map[string]func(t *testing.T, file string){
			"missing": func(t *testing.T, file string) { must(t, os.Remove(file)) },
			"empty":   func(t *testing.T, file string) { write(t, file, nil) },
			"a folder": func(t *testing.T, file string) {
				must(t, os.Remove(file))
				must(t, os.Mkdir(file, 0o700))
			},
			"a link to nothing": func(t *testing.T, file string) {
				must(t, os.Remove(file))
				must(t, os.Symlink("none", file))
			},
			"in a folder that is missing": func(t *testing.T, file string) { must(t, os.RemoveAll(filepath.Dir(file))) },
		} {
			t.Run(fmt.Sprintf("%s, in a folder %v", what, inFolder), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "ca")
				must(t, os.Mkdir(dir, 0o700))
				file := write(t, filepath.Join(dir, "ca.pem"), ca.pem())
				o, logs := TLSOptions{Verify: true, CAFile: file}, &bytes.Buffer{}
				if inFolder {
					o = TLSOptions{Verify: true, CAPath: dir}
				}
				conf, err := o.Config(config.FluentBit, "os.example", false, zerolog.New(logs))
				must(t, err)
				spoil(t, file)
				if err := handshake(t, conf, cert, key); err != nil {
					t.Errorf("got %v, want the last authorities trusted", err)
				}
				if err := handshake(t, conf, nextCert, nextKey); err == nil {
					t.Error("got another authority accepted, want an error")
				}
				if !strings.Contains(logs.String(), "the last ones remain valid") {
					t.Errorf("got the log %s, want it to say that the last authorities remain valid", logs)
				}
				must(t, os.RemoveAll(dir))
				must(t, os.Mkdir(dir, 0o700))
				write(t, file, next.pem())
				if err := handshake(t, conf, nextCert, nextKey); err != nil {
					t.Errorf("after the file was repaired: got %v, want no error", err)
				}
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatAreMissingAreNamed(t *testing.T) {
	dir := t.TempDir()
	junk := write(t, filepath.Join(dir, "junk.pem"), []byte("no certificate"))
	for _, o := range []TLSOptions{
		{CAFile: filepath.Join(dir, "none.pem")}, {CAFile: junk}, {CAPath: filepath.Join(dir, "none")},
		{CertFile: junk, KeyFile: junk}, {Ciphers: "TLS_NO_SUCH_SUITE"}, {MaxVersion: "9"},
	} {
		if _, err := o.Config(config.FluentBit, "h", false, zerolog.Nop()); err == nil {
			t.Errorf("got no error for %+v, want one", o)
		}
	}
}

func TestCipherSuitesHaveTwoNames(t *testing.T) {
	for _, list := range []string{
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
		"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305",
	} {
		ids, err := cipherSuites(list)
		if err != nil || len(ids) != 2 || ids[0] != tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 || ids[1] != tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 {
			t.Errorf("%s: got %v and error %v, want both suites", list, ids, err)
		}
	}
	if ids, err := cipherSuites("ALL:!aNULL:!eNULL:!SSLv2"); ids != nil || err != nil {
		t.Errorf("OpenSSL's groups: got %v and error %v, want Go's own list", ids, err)
	}
}

// The keys are of no use: openssl genpkey -algorithm ed25519 -aes256 -pass pass:secret, and its like.
func TestEncryptedKeysAreRead(t *testing.T) {
	keys, err := filepath.Glob("testdata/keys/*.pem")
	if err != nil || len(keys) == 0 {
		t.Fatalf("got no keys and error %v, want some", err)
	}
	for _, path := range keys {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := decryptKey(text, "secret")
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(plain)
			if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
				t.Error(err)
			}
			if plain, err := decryptKey(text, "wrong"); err == nil { // one time in 256 the padding fits by chance
				if block, _ := pem.Decode(plain); block != nil {
					if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
						t.Error("got a wrong password accepted, want an error")
					}
				}
			}
		})
	}
}

func FuzzDecryptKey(f *testing.F) {
	keys, _ := filepath.Glob("testdata/keys/*.pem")
	for _, path := range keys {
		if text, err := os.ReadFile(path); err == nil {
			block, _ := pem.Decode(text)
			f.Add(block.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if len(der) > 1000 {
			return
		}
		_, _ = decryptPKCS8(der, "secret")
	})
}
