package httpsend

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/sink/dial"
)

// oauth makes an OAuth with an endpoint.
func oauth(t *testing.T, o OAuthOptions, endpoint http.HandlerFunc) *OAuth {
	t.Helper()
	s := httptest.NewServer(endpoint)
	t.Cleanup(s.Close)
	o.Enable, o.TokenURL, o.ClientID = true, s.URL+"/token", "router"
	if err := o.CheckOAuth(); err != nil {
		t.Fatal(err)
	}
	a, err := NewOAuth(&o, Config{Timeout: DefaultTimeout, Net: &dial.NetOptions{Keepalive: true}, TLS: &dial.TLSOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// bearer returns the token that a request would carry.
func bearer(t *testing.T, a *OAuth) string {
	t.Helper()
	req := &http.Request{Header: http.Header{}}
	if err := a.Sign(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	return req.Header.Get("Authorization")
}

func TestATokenIsUsedUntilItExpiresOrIsRefused(t *testing.T) {
	n := 0
	a := oauth(t, OAuthOptions{ClientSecret: "secret", RefreshSkew: 60, Scope: "logs"}, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "router" || password != "secret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "logs" {
			t.Errorf("got %s:%s and %v", user, password, r.Form)
		}
		n++
		fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","expires_in":3600}`, n)
	})
	now := time.Unix(1_700_000_000, 0)
	a.now = func() time.Time { return now }
	for _, step := range []struct {
		after   time.Duration
		refused bool
		want    string
	}{
		{0, false, "Bearer t1"},
		{time.Second, true, "Bearer t1"}, // too young to be replaced
		{58 * time.Minute, false, "Bearer t1"},
		{2 * time.Minute, false, "Bearer t2"}, // a minute early
		{time.Minute, true, "Bearer t3"},
	} {
		now = now.Add(step.after)
		if step.refused {
			a.Invalidate()
		}
		if got := bearer(t, a); got != step.want {
			t.Errorf("after %v: got %q, want %q", step.after, got, step.want)
		}
	}
}

func TestTheClientsSecretMayBeInTheForm(t *testing.T) {
	a := oauth(t, OAuthOptions{ClientSecret: "secret", AuthMethod: "post"}, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_id") != "router" || r.FormValue("client_secret") != "secret" || r.Header.Get("Authorization") != "" {
			t.Errorf("got %v", r.Form)
		}
		fmt.Fprint(w, `{"access_token":"t","expires_in":"60"}`)
	})
	if got := bearer(t, a); got != "Bearer t" {
		t.Errorf("got %q", got)
	}
}

func TestAnAssertionIsSignedWithTheKeyOfItsCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keyFile, certFile := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	write := func(file, kind string, b []byte) {
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(keyFile, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	write(certFile, "CERTIFICATE", der)
	o := OAuthOptions{AuthMethod: "private_key_jwt", JWTKeyFile: keyFile, JWTCertFile: certFile, JWTHeader: "x5t#S256", JWTTTL: 300}
	a := oauth(t, o, func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.FormValue("client_assertion"), ".")
		if len(parts) != 3 {
			t.Errorf("got %v", r.Form)
			return
		}
		var header, claims map[string]any
		for i, v := range []*map[string]any{&header, &claims} {
			text, _ := base64.RawURLEncoding.DecodeString(parts[i])
			if err := json.Unmarshal(text, v); err != nil {
				t.Error(err)
			}
		}
		signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
		sum, print := sha256.Sum256([]byte(parts[0]+"."+parts[1])), sha256.Sum256(der)
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			t.Error(err)
		}
		if header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(print[:]) || claims["iss"] != "router" || claims["aud"] != "http://"+r.Host+"/token" {
			t.Errorf("got header %v and claims %v", header, claims)
		}
		fmt.Fprint(w, `{"access_token":"t"}`)
	})
	if got := bearer(t, a); got != "Bearer t" {
		t.Errorf("got %q", got)
	}
}

func TestATokenThatCantBeGotIsAnErrorWithoutTheSecret(t *testing.T) {
	for _, reply := range []string{"", "{", `{"access_token":""}`, `{"access_token":"a\nb"}`, `{"access_token":"a","token_type":"mac"}`, "401"} {
		a := oauth(t, OAuthOptions{ClientSecret: "s3cr3t"}, func(w http.ResponseWriter, _ *http.Request) {
			if reply == "401" {
				w.WriteHeader(401)
			}
			fmt.Fprint(w, reply)
		})
		err := a.Sign(t.Context(), &http.Request{Header: http.Header{}}, nil)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "getting a token from http://") {
			t.Errorf("%q: got %v", reply, err)
		}
	}
}
