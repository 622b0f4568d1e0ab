package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var keys = Keys{AccessKey: "AKIDEXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Token: "a token/+="}

// send has the SDK sign a request, then spoils it, and returns the verifier's answer.
func send(t *testing.T, target, body string, at time.Time, spoil func(*http.Request)) (int, string) {
	t.Helper()
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("X-Twice", "  several   blanks ")
	sum := sha256.Sum256([]byte(body))
	creds := aws.Credentials{AccessKeyID: keys.AccessKey, SecretAccessKey: keys.SecretKey, SessionToken: keys.Token}
	err := v4.NewSigner().SignHTTP(context.Background(), creds, r, hex.EncodeToString(sum[:]), "es", "eu-west-1", at)
	if err != nil {
		t.Fatal(err)
	}
	if spoil != nil {
		spoil(r)
	}
	v := &Verifier{Keys: keys, Region: "eu-west-1", Service: "es", Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})}
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w.Code, w.Header().Get("X-Amzn-ErrorType") + w.Body.String()
}

func TestWhatTheSDKSignsIsLetThrough(t *testing.T) {
	for _, target := range []string{
		"https://search.example/_bulk",
		"https://search.example",
		"https://search.example/a%20b/%3Cweb-%7Bnow%2Fd%7D%3E/_bulk?pipeline=x%20y&b=2&a=1&a=0&empty",
	} {
		if code, answer := send(t, target, "{}\n", time.Now(), nil); code != 200 || answer != "{}\n" {
			t.Errorf("%s: %d %s", target, code, answer)
		}
	}
}

func TestAWrongSignatureIsRefusedAsAWSDoes(t *testing.T) {
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	for name, c := range map[string]struct {
		spoil func(*http.Request)
		want  string
	}{
		"nothing signed": {func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationToken"},
		"another body":   {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{ }\n")) }, "InvalidSignature"},
		"another method": {func(r *http.Request) { r.Method = "PUT" }, "InvalidSignature"},
		"another path":   {func(r *http.Request) { r.URL.Path = "/_bulk/" }, "InvalidSignature"},
		"another query":  {func(r *http.Request) { r.URL.RawQuery = "a=b" }, "InvalidSignature"},
		"another host":   {func(r *http.Request) { r.Host = "other.example" }, "InvalidSignature"},
		"another header": {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, "InvalidSignature"},
		"another token":  {func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, "UnrecognizedClient"},
		"another key":    {replace(keys.AccessKey, "AKIDOTHER"), "UnrecognizedClient"},
		"another region": {replace("eu-west-1", "us-east-1"), "valid region"},
		"host unsigned":  {replace("host;", ""), "'host' must be"},
		"unsigned extra": {func(r *http.Request) { r.Header.Set("X-Amz-Meta", "x") }, "'x-amz-meta' must be"},
	} {
		if code, answer := send(t, "https://search.example/_bulk", "{}\n", time.Now(), c.spoil); code != 403 || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s, want 403 %s", name, code, answer, c.want)
		}
	}
}

func TestAnOldSignatureIsRefused(t *testing.T) {
	for _, age := range []time.Duration{-time.Hour, time.Hour} {
		if code, answer := send(t, "https://search.example/", "", time.Now().Add(-age), nil); code != 403 || !strings.Contains(answer, "Signature") {
			t.Errorf("%v: %d %s", age, code, answer)
		}
	}
}
