package bulk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// The credentials, time, region and service of AWS's published test suite (aws-sig-v4-test-suite).
const (
	vectorKey    = "AKIDEXAMPLE"
	vectorSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// TestVerifierAgreesWithThePublishedVectors: the tests below trust signature, which is written from the specification;
// here it meets the suite's own results.
func TestVerifierAgreesWithThePublishedVectors(t *testing.T) {
	for _, v := range []struct {
		name, method, uri, body, want string
		header                        http.Header
	}{
		{"get-vanilla", "GET", "/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", nil},
		{"get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", nil},
		{"post-vanilla", "POST", "/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", nil},
		{"post-x-www-form-urlencoded", "POST", "/", "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}},
	} {
		r, err := http.NewRequest(v.method, "https://example.amazonaws.com"+v.uri, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, values := range v.header {
			r.Header[k] = values
		}
		r.Header.Set("X-Amz-Date", "20150830T123600Z")
		names := []string{"host", "x-amz-date"}
		if v.header != nil {
			names = append([]string{"content-type"}, names...)
		}
		if got := signature(r, []byte(v.body), names, vectorSecret, "us-east-1", "service"); got != v.want {
			t.Errorf("%s: got %s, want %s", v.name, got, v.want)
		}
	}
}

// TestSignatureOfKnownRequest signs a request with the suite's credentials and compares with the verifier.
func TestSignatureOfKnownRequest(t *testing.T) {
	clearAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", vectorKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", vectorSecret)
	s := aws.NewSigner(aws.For(nil, aws.Source{Region: "us-east-1"}), "es")
	u, _ := url.Parse("https://example.amazonaws.com/a b/_bulk?pipeline=x y&filter_path=took,items.*.status")
	u.RawQuery = u.Query().Encode()
	body := []byte("{}\n")
	r := &http.Request{Method: "POST", URL: u, Host: u.Host, Header: http.Header{"Content-Type": {"application/x-ndjson"}}, ContentLength: int64(len(body))}
	if err := s.Sign(context.Background(), r, body); err != nil {
		t.Fatal(err)
	}
	if err := verify(r, body, vectorKey, vectorSecret, "us-east-1", "es"); err != nil {
		t.Error(err)
	}
	if strings.Contains(r.Header.Get("Authorization"), "content-length") || r.ContentLength != int64(len(body)) {
		t.Errorf("got Authorization %s and length %d, want Content-Length unsigned and kept", r.Header.Get("Authorization"), r.ContentLength)
	}
}

// verify checks the signature that r bears.
func verify(r *http.Request, body []byte, key, secret, region, service string) error {
	auth := r.Header.Get("Authorization")
	rest, ok := strings.CutPrefix(auth, "AWS4-HMAC-SHA256 ")
	if !ok {
		return fmt.Errorf("not signed: %q", auth)
	}
	parts := map[string]string{}
	for p := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(p, "=")
		parts[k] = v
	}
	if want := key + "/" + r.Header.Get("X-Amz-Date")[:8] + "/" + region + "/" + service + "/aws4_request"; parts["Credential"] != want {
		return fmt.Errorf("got the credential %q, want %q", parts["Credential"], want)
	}
	names := strings.Split(parts["SignedHeaders"], ";")
	for _, must := range []string{"host", "x-amz-content-sha256", "x-amz-date", "content-type"} {
		if !slices.Contains(names, must) {
			return fmt.Errorf("%s isn't signed", must)
		}
	}
	sum := sha256.Sum256(body)
	if r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("x-amz-content-sha256 isn't the body's")
	}
	if want := signature(r, body, names, secret, region, service); parts["Signature"] != want {
		return fmt.Errorf("got the signature %s, want %s", parts["Signature"], want)
	}
	return nil
}

// signature is Signature Version 4, from its specification and nothing else.
func signature(r *http.Request, body []byte, names []string, secret, region, service string) string {
	var headers strings.Builder
	for _, n := range names {
		v := strings.Join(r.Header.Values(n), ",")
		if n == "host" {
			v = r.Host
		}
		headers.WriteString(n + ":" + strings.Join(strings.Fields(v), " ") + "\n")
	}
	var query []string
	for k, values := range r.URL.Query() {
		for _, v := range values {
			query = append(query, uriEncode(k)+"="+uriEncode(v))
		}
	}
	slices.Sort(query)
	path := strings.ReplaceAll(uriEncode(r.URL.EscapedPath()), "%2F", "/")
	if path == "" {
		path = "/"
	}
	sum := sha256.Sum256(body)
	canonical := r.Method + "\n" + path + "\n" + strings.Join(query, "&") + "\n" + headers.String() + "\n" + strings.Join(names, ";") + "\n" + hex.EncodeToString(sum[:])
	date := r.Header.Get("X-Amz-Date")
	scope := date[:8] + "/" + region + "/" + service + "/aws4_request"
	hashed := sha256.Sum256([]byte(canonical))
	toSign := "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex.EncodeToString(hashed[:])
	key := []byte("AWS4" + secret)
	for _, s := range []string{date[:8], region, service, "aws4_request"} {
		key = mac(key, s)
	}
	return hex.EncodeToString(mac(key, toSign))
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func uriEncode(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// domain is a fake server that verifies signatures, and answers a token that is over as AWS does.
type domain struct {
	*bulktest.Server
	service  string
	token    atomic.Pointer[string] // the one that holds
	verified atomic.Int64
	problem  atomic.Pointer[error]
}

func (d *domain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	token := r.Header.Get("X-Amz-Security-Token")
	if want := d.token.Load(); want != nil && token != *want {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"message":"The security token included in the request is expired"}`)
		return
	}
	if err := verify(r, body, "AKID"+token, "secret"+token, "eu-west-1", d.service); err != nil {
		d.problem.Store(&err)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	d.verified.Add(1)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	d.Server.ServeHTTP(w, r)
}

// taskRole is the endpoint that a task's credentials come from; each call gives the next ones.
func taskRole(t *testing.T, life time.Duration) (calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		fmt.Fprintf(w, `{"AccessKeyId":"AKIDT%d","SecretAccessKey":"secretT%d","Token":"T%d","Expiration":%q}`, n, n, n, time.Now().Add(life).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(h.Close)
	clearAWS(t)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", h.URL)
	return calls
}

// clearAWS keeps the machine's own settings out of the chain.
func clearAWS(t *testing.T) {
	for _, k := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(k, "")
	}
	none := t.TempDir()
	t.Setenv("AWS_CONFIG_FILE", none+"/config")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none+"/credentials")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func signedCluster(t *testing.T, service string, set func(*Options)) (*domain, *Destination) {
	t.Helper()
	s := &domain{Server: bulktest.New(bulktest.Options{}), service: service}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	o := fluentBit(func(o *Options) { o.AWSAuth, o.AWSRegion, o.AWSService = true, "eu-west-1", service })
	if set != nil {
		set(o)
	}
	pointTo(t, o, h.URL)
	return s, newDestination(t, o, config.FluentBit)
}

func TestTaskRoleSignsRequests(t *testing.T) {
	for _, service := range []string{"es", "aoss"} {
		calls := taskRole(t, time.Hour)
		s, d := signedCluster(t, service, func(o *Options) { o.Compress = "gzip"; o.Pipeline = "a b" })
		if n := calls.Load(); n != 0 {
			t.Errorf("got the credentials fetched %d times before the first request, want never", n)
		}
		for range 3 {
			if r := send(t, d, request(t, d, 10)); r.Verdict != sink.Done {
				t.Fatalf("%s: got reply %+v and problem %v, want done", service, r, s.problem.Load())
			}
		}
		if n := calls.Load(); n != 1 || s.verified.Load() != 3 {
			t.Errorf("%s: got the credentials fetched %d times and %d requests verified, want once and 3", service, n, s.verified.Load())
		}
	}
}

func TestExpiredTokenCostsOneRefreshAndNoRetry(t *testing.T) {
	calls := taskRole(t, time.Hour)
	s, d := signedCluster(t, "es", nil)
	s.token.Store(ptr("T1"))
	if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done {
		t.Fatalf("got reply %+v, want done", r)
	}
	s.token.Store(ptr("T2")) // T1 is invalid from now on, whatever its expiry
	if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done || r.Cause == sink.Unauthorised {
		t.Fatalf("got reply %+v and problem %v, want done", r, s.problem.Load())
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("got the credentials fetched %d times, want 2", n)
	}
}

func TestRefusedCredentialsAreNotFetchedAgainAndAgain(t *testing.T) {
	calls := taskRole(t, time.Hour)
	s, d := signedCluster(t, "es", nil)
	s.token.Store(ptr("none"))
	for range 5 {
		if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Again || r.Cause != sink.Unauthorised {
			t.Fatalf("got reply %+v, want again and unauthorised", r)
		}
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("got the credentials fetched %d times, want 2", n)
	}
}

func TestCredentialsAreReplacedBeforeTheirEnd(t *testing.T) {
	calls := taskRole(t, 5*time.Minute-time.Second)
	_, d := signedCluster(t, "es", nil)
	for range 3 {
		if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done {
			t.Fatalf("got reply %+v, want done", r)
		}
	}
	if n := calls.Load(); n != 3 {
		t.Errorf("got the credentials fetched %d times, want 3", n)
	}
}

func TestNoCredentialsIsUnauthorisedAndNothingIsSent(t *testing.T) {
	clearAWS(t)
	s, d := signedCluster(t, "es", nil)
	r := send(t, d, request(t, d, 1))
	if r.Verdict != sink.Again || r.Cause != sink.Unauthorised || s.Requests() != 0 || !strings.Contains(r.Err.Error(), "getting AWS credentials") {
		t.Fatalf("got reply %+v after %d requests, want unauthorised and nothing sent", r, s.Requests())
	}
}

func TestRoleIsAssumed(t *testing.T) {
	taskRole(t, time.Hour)
	var form atomic.Pointer[url.Values]
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form.Store(&r.PostForm)
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>AKIDR</AccessKeyId><SecretAccessKey>secretR</SecretAccessKey><SessionToken>R</SessionToken><Expiration>%s</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	s, d := signedCluster(t, "es", func(o *Options) {
		o.AWSRoleARN, o.AWSExternalID, o.AWSSTSEndpoint = "arn:aws:iam::123456789012:role/logs", "ext", sts.URL
	})
	s.token.Store(ptr("R"))
	if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done {
		t.Fatalf("got reply %+v and problem %v, want done", r, s.problem.Load())
	}
	f := form.Load()
	if f.Get("Action") != "AssumeRole" || f.Get("RoleArn") != "arn:aws:iam::123456789012:role/logs" || f.Get("ExternalId") != "ext" {
		t.Errorf("got STS asked for %v, want the role and the external id", f)
	}
}

func TestFluentdEndpointIsSigned(t *testing.T) {
	clearAWS(t)
	s := &domain{Server: bulktest.New(bulktest.Options{}), service: "es"}
	h := httptest.NewServer(s)
	defer h.Close()
	d := newDestination(t, fluentd(func(o *Options) {
		o.Endpoint = &Endpoint{URL: h.URL, Region: "eu-west-1", Service: "es", AccessKeyID: "AKID", SecretAccessKey: "secret"}
	}), config.Fluentd)
	if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done {
		t.Fatalf("got reply %+v and problem %v, want done", r, s.problem.Load())
	}
}
