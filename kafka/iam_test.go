package kafka

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firelane/firelane/config"
)

// An msk is a broker that lets clients in as Amazon MSK does: by AWS_MSK_IAM alone, as the README of aws-msk-iam-auth says
// ("Authentication payload"), with a signature as "Create a signed AWS API request" says. It computes that itself.
type msk struct {
	*kfake.Cluster
	region string

	mu      sync.Mutex
	secrets map[string][2]string // secret key and session token, by access key
	refused []string             // why clients were refused
	let     int                  // how many were let in
}

func startMSK(t *testing.T, region string) *msk {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	m := &msk{Cluster: c, region: region, secrets: map[string][2]string{}}
	c.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		resp.SupportedMechanisms = []string{"AWS_MSK_IAM"}
		if req.(*kmsg.SASLHandshakeRequest).Mechanism != "AWS_MSK_IAM" {
			resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		}
		return resp, nil, true
	})
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.check(req.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes); err != nil {
			m.refused = append(m.refused, err.Error())
			resp.ErrorCode, resp.ErrorMessage = kerr.SaslAuthenticationFailed.Code, kmsg.StringPtr("Access denied")
			return resp, nil, true
		}
		m.let++
		resp.SASLAuthBytes = []byte(`{"version":"2020_10_22","request-id":"5ac1a5a4-8a22-4c6f-8a0a-7d0a6d9e0c6a"}`)
		return resp, nil, true
	})
	return m
}

// check reports what is wrong with a client's payload.
func (m *msk) check(text []byte) error {
	var p map[string]string
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("the payload isn't an object of texts: %w", err)
	}
	want := []string{"action", "host", "user-agent", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signature", "x-amz-signedheaders"}
	scope := strings.Split(p["x-amz-credential"], "/")
	secret, known := m.secrets[scope[0]]
	if secret[1] != "" {
		want = append(want, "x-amz-security-token")
	}
	at, err := time.Parse("20060102T150405Z", p["x-amz-date"])
	switch got := slices.Sorted(maps.Keys(p)); {
	case !known:
		return fmt.Errorf("the access key %q is unknown", scope[0])
	case !slices.Equal(got, slices.Sorted(slices.Values(want))):
		return fmt.Errorf("got the members %q, want %q", got, want)
	case p["version"] != "2020_10_22" || p["action"] != "kafka-cluster:Connect" || p["x-amz-algorithm"] != "AWS4-HMAC-SHA256" || p["x-amz-signedheaders"] != "host":
		return fmt.Errorf("got %q", p)
	case err != nil || time.Since(at).Abs() > 5*time.Minute || p["x-amz-expires"] != "900":
		return fmt.Errorf("got the date %q, which expires after %q s", p["x-amz-date"], p["x-amz-expires"])
	case !slices.Equal(scope[1:], []string{p["x-amz-date"][:8], m.region, "kafka-cluster", "aws4_request"}):
		return fmt.Errorf("got the scope %q", scope)
	case p["x-amz-security-token"] != secret[1]:
		return errors.New("the session token is another one")
	}
	query := url.Values{"Action": {p["action"]}}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-SignedHeaders"} {
		if v, ok := p[strings.ToLower(name)]; ok {
			query.Set(name, v)
		}
	}
	canonical := "GET\n/\n" + strings.ReplaceAll(query.Encode(), "+", "%20") + "\nhost:" + p["host"] + "\n\nhost\n" + sum(nil)
	toSign := "AWS4-HMAC-SHA256\n" + p["x-amz-date"] + "\n" + strings.Join(scope[1:], "/") + "\n" + sum([]byte(canonical))
	key := []byte("AWS4" + secret[0])
	for _, part := range append(scope[1:], toSign) {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	if p["x-amz-signature"] != hex.EncodeToString(key) {
		return errors.New("the signature is wrong")
	}
	return nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// knock connects to the broker, whatever its name in the options is.
func (m *msk) knock(t *testing.T, o *Options, d config.Dialect) func() error {
	t.Helper()
	o.ClientID, o.SecurityProtocol = "test", "plaintext"
	if err := o.CheckClient(d); err != nil {
		t.Fatal(err)
	}
	c, err := o.Config(d, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	here := kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, m.ListenAddrs()[0])
	})
	return func() error {
		cl, err := kgo.NewClient(append(c.Options, kgo.RequestRetries(0), here)...)
		if err != nil {
			return err
		}
		defer cl.Close()
		return cl.Ping(t.Context())
	}
}

func TestMSKLetsInWhoHasSignedForItsRegion(t *testing.T) {
	const broker = "b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com:9098"
	for name, tt := range map[string]struct {
		dialect config.Dialect
		set     func(*Options)
		env     map[string]string
		wrong   string // why the client is refused; "": it isn't
	}{
		"region in the broker's name":     {config.FluentBit, func(o *Options) { o.Brokers = []string{broker} }, nil, ""},
		"a VPC endpoint":                  {config.FluentBit, func(o *Options) { o.Brokers = []string{"vpce-1.kafka.eu-west-1.vpce.amazonaws.com:14001"} }, nil, ""},
		"region in the ARN, private name": {config.FluentBit, func(o *Options) { o.MSKClusterARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/demo/abc" }, nil, ""},
		"the ARN against the environment": {config.FluentBit, func(o *Options) { o.MSKClusterARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/demo/abc" },
			map[string]string{"AWS_REGION": "us-east-1"}, ""},
		"region of the environment":   {config.FluentBit, func(*Options) {}, map[string]string{"AWS_REGION": "eu-west-1"}, ""},
		"temporary credentials":       {config.FluentBit, func(o *Options) { o.Brokers = []string{broker} }, map[string]string{"AWS_ACCESS_KEY_ID": "ASIA", "AWS_SESSION_TOKEN": "to+ken/=="}, ""},
		"Fluentd, a key and a region": {config.Fluentd, func(o *Options) { o.IAMKey, o.IAMSecret, o.IAMRegion = "AKID", "secret", "eu-west-1" }, map[string]string{"AWS_ACCESS_KEY_ID": "no"}, ""},
		"another secret":              {config.FluentBit, func(o *Options) { o.Brokers = []string{broker} }, map[string]string{"AWS_SECRET_ACCESS_KEY": "x"}, "the signature is wrong"},
		"another region":              {config.FluentBit, func(*Options) {}, map[string]string{"AWS_REGION": "us-east-1"}, "got the scope"},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMSK(t, "eu-west-1")
			m.secrets["AKID"], m.secrets["ASIA"] = [2]string{"secret", ""}, [2]string{"secret", "to+ken/=="}
			for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_EC2_METADATA_DISABLED": "true"} {
				t.Setenv(name, value)
			}
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			o := &Options{Brokers: []string{"kafka.internal:9098"}, MSKIAM: tt.dialect == config.FluentBit}
			tt.set(o)
			err := m.knock(t, o, tt.dialect)()
			m.mu.Lock()
			defer m.mu.Unlock()
			switch {
			case tt.wrong == "" && (err != nil || m.let == 0):
				t.Errorf("got %v, refused because of %q", err, m.refused)
			case tt.wrong != "" && (!Unauthorised(err) || len(m.refused) == 0 || !strings.Contains(m.refused[0], tt.wrong)):
				t.Errorf("got %v, refused because of %q, want %q", err, m.refused, tt.wrong)
			}
		})
	}
}

func TestCredentialsThatMSKRefusesAreFetchedAgain(t *testing.T) {
	m := startMSK(t, "eu-west-1")
	m.secrets["NEW"] = [2]string{"secret", "token"}
	key := "OLD"
	var fetched int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":"secret","Token":"token","Expiration":%q}`, key, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		key, fetched = "NEW", fetched+1
	}))
	defer s.Close()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": s.URL, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ""} {
		t.Setenv(name, value)
	}
	knock := m.knock(t, &Options{Brokers: []string{"b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com:9098"}, MSKIAM: true}, config.FluentBit)
	if err := knock(); !Unauthorised(err) {
		t.Errorf("got %v, want refused credentials", err)
	}
	if err := knock(); err != nil || fetched != 2 {
		t.Errorf("got %v after %d fetches; refused because of %q", err, fetched, m.refused)
	}
}
