package doctor

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink/probe"
)

var update = flag.Bool("update", false, "write the golden reports")

func TestMain(m *testing.M) { leaktest.Main(m) }

// compile makes the plan of a configuration. It has an input in a folder of the test, and its queue there.
func compile(t *testing.T, outputs string) *config.Plan {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("[SERVICE]\n  storage.path %s/queue\n[INPUT]\n  name forward\n  unix_path %s/in.sock\n%s", dir, dir, outputs)
	if strings.Contains(outputs, "<match") {
		text = fmt.Sprintf("<system>\n  root_dir %s/queue\n</system>\n%s", dir, outputs)
	}
	k := config.Compiler{Catalogue: router.Catalogue(), Lookup: os.LookupEnv, Files: map[string]string{"test.conf": text}}
	plan, errs := k.Compile("test.conf")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return plan
}

// quick are limits for tests of servers that hang.
var quick = limits{step: 300 * time.Millisecond, fetch: 300 * time.Millisecond, total: 2 * time.Second}

// patient are limits for tests of servers that answer, on a busy machine.
var patient = limits{step: time.Minute, fetch: time.Minute, total: 2 * time.Minute}

// examine checks the outputs of a configuration, and returns the facts of all their servers.
func examine(t *testing.T, l limits, outputs string) []probe.Fact {
	t.Helper()
	r := Run(context.Background(), Options{Plan: compile(t, outputs), limits: l})
	var facts []probe.Fact
	for _, p := range r.Parts {
		if p.Kind == "output" {
			facts = append(facts, p.Facts...)
		}
	}
	return facts
}

// wants ends the test unless there is a fact with that level and step, whose text and fix have these parts.
func wants(t *testing.T, facts []probe.Fact, level probe.Level, step string, parts ...string) {
	t.Helper()
	for _, f := range facts {
		all := f.Level == level && f.Step == step
		for _, p := range parts {
			all = all && strings.Contains(f.Text+" "+f.Fix, p)
		}
		if all {
			return
		}
	}
	t.Errorf("want %s %s with %q, got:\n%s", level, step, parts, show(facts))
}

func show(facts []probe.Fact) string {
	var b bytes.Buffer
	r := Report{Parts: []Part{{Facts: facts}}}
	_ = r.Text(&b)
	return b.String()
}

// serverOptions are the lines that send an output to a server.
func serverOptions(s *httptest.Server) string {
	host, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return fmt.Sprintf("  host %s\n  port %s\n", host, port)
}

// answerWith is a server that answers everything with a status and a body.
func answerWith(t *testing.T, status int, body string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

// An authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t), file: filepath.Join(t.TempDir(), "ca.pem")}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "test authority"}, SerialNumber: big.NewInt(1)}, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate for a name and 127.0.0.1, unless the name is another one.
func (a *authority) issue(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	key := newKey(t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if name == "localhost" {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secureServer answers requests over TLS with a certificate.
func secureServer(t *testing.T, cert tls.Certificate, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// variable are the parts of a report that differ from run to run.
var variable = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`\d+(\.\d)? ms\)`), "N ms)"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`on port \d+`), "on port PORT"},
	{regexp.MustCompile(`/[^ ]*/(queue|in\.sock)|(at|in) /tmp[^ \n]*`), "DIR"},
	{regexp.MustCompile(`\d+\.\d [KMGT]iB free; the queues`), "N free; the queues"},
	{regexp.MustCompile(`(?m)^.*the file system is .*\n|^.*the container's own layer.*\n.*\n|^.*is in memory \(tmpfs\).*\n.*\n`), ""},
	{regexp.MustCompile(`127\.0\.0\.1:PORT \d+`), "127.0.0.1:PORT"},
}

// golden compares a report with a file.
func golden(t *testing.T, name string, r *Report) {
	t.Helper()
	var b bytes.Buffer
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, v := range variable {
		got = v.pattern.ReplaceAllString(got, v.text)
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}
