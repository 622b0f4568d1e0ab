package aws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

// AWS_CA_BUNDLE counts for a service as for fetching credentials, unless the output names authorities itself.
func TestTheAuthoritiesOfAWSCABundleAreTrusted(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	right := write("right.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	other := write("other.pem", otherAuthority(t))
	for _, c := range []struct{ bundle, file, want string }{
		{right, "", ""},
		{other, right, ""},
		{"", "", "unknown authority"},
		{right, other, "unknown authority"},
		{write("empty.pem", nil), "", "custom CA bundle"}, // the SDK's words
		{filepath.Join(dir, "missing.pem"), "", "missing.pem"},
	} {
		t.Setenv(bundle, c.bundle)
		o := ServiceOptions{Endpoint: server.URL, TLSOptions: dial.TLSOptions{Verify: true, CAFile: c.file}}
		service, err := NewService(&o, Source{Region: "eu-west-1", AccessKeyID: "AKID", SecretAccessKey: "secret"}, config.FluentBit, sink.Env{})
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := service.Do("firehose", req, nil)
		if err == nil {
			_ = resp.Body.Close()
		}
		_ = service.Close()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c, err, c.want)
		}
	}
}

// otherAuthority is an authority that has issued nothing.
func otherAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
