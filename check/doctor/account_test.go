package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

const secretKey = "very/secret+key"

// tokenService is a stand-in of STS: GetCallerIdentity, with signed requests only ("GetCallerIdentity - AWS Security Token
// Service").
func tokenService(t *testing.T, answer func(w http.ResponseWriter)) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "GetCallerIdentity" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
			t.Errorf("STS was asked %s with Authorization %q", r.FormValue("Action"), r.Header.Get("Authorization"))
		}
		answer(w)
	}))
	t.Cleanup(s.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", s.URL)
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_REGION", "eu-west-1")
	return s
}

func someone(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
		<Arn>arn:aws:sts::123456789012:assumed-role/router/task</Arn><UserId>A:task</UserId><Account>123456789012</Account>
		</GetCallerIdentityResult></GetCallerIdentityResponse>`)
}

func refused(code string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no, %s</Message></Error></ErrorResponse>`, code, secretKey)
	}
}

const signed = "[OUTPUT]\n  name opensearch\n  match *\n  aws_auth on\n"

func TestWhoseTheCredentialsAre(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		skew   time.Duration
		level  probe.Level
		step   string
		text   string
	}{
		{"good", someone, 0, probe.OK, "identity", "account 123456789012, arn:aws:sts::123456789012:assumed-role/router/task"},
		{"policy", someone, 0, probe.OK, "policy", "the task's role needs es:ESHttpPost on arn:aws:es:eu-west-1:123456789012:domain/"},
		{"source", someone, 0, probe.OK, "credentials", "from the environment (AWS_ACCESS_KEY_ID); region eu-west-1"},
		{"clock", someone, 0, probe.OK, "clock", "is right"},
		{"clock a little off", someone, 2 * time.Minute, probe.Warning, "clock", "Amazon Time Sync"},
		{"clock off", someone, -10 * time.Minute, probe.Error, "clock", "AWS refuses signatures"},
		{"refused", refused("InvalidClientTokenId"), 0, probe.Error, "identity", "AWS refuses the credentials: 403 InvalidClientTokenId: no, ***"},
		{"refused for the clock", refused("SignatureDoesNotMatch"), 10 * time.Minute, probe.Error, "clock", "AWS refuses signatures"},
		{"overloaded", func(w http.ResponseWriter) { w.WriteHeader(503) }, 0, probe.Note, "identity", "not known: STS answers 503"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tokenService(t, c.answer)
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
			t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
			cluster := healthy(t)
			s := cluster.start()
			r := Run(context.Background(), Options{
				Plan: compile(t, signed+serverOptions(s)), Secrets: []string{secretKey}, limits: patient, now: func() time.Time { return time.Now().Add(c.skew) },
			})
			facts := r.Parts[0].Facts
			wants(t, facts, c.level, c.step, c.text)
			if strings.Contains(show(facts), secretKey) {
				t.Errorf("the report has the secret key:\n%s", show(facts))
			}
			if good := c.level != probe.Error; good != (len(cluster.questions()) > 0) {
				t.Errorf("questions with credentials that are good (%v): %q", good, cluster.questions())
			}
		})
	}
}

func TestATaskWithoutARole(t *testing.T) {
	tokenService(t, someone)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	wants(t, examine(t, patient, signed+serverOptions(healthy(t).start())), probe.Error, "credentials", "no AWS credentials", "taskRoleArn")
}

func TestATasksRoleIsNamed(t *testing.T) {
	tokenService(t, someone)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":"ASIA","SecretAccessKey":%q,"Token":"t","Expiration":%q}`, secretKey, time.Now().Add(6*time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(agent.Close)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL+"/creds")
	facts := examine(t, patient, signed+serverOptions(healthy(t).start()))
	wants(t, facts, probe.OK, "credentials", "from the task's role", "valid until", "UTC")
	wants(t, facts, probe.OK, "identity", "assumed-role/router")
}

func TestATokenServiceThatHangsCostsSeconds(t *testing.T) {
	done := make(chan struct{})
	tokenService(t, func(http.ResponseWriter) { <-done })
	t.Cleanup(func() { close(done) })
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	facts := examine(t, limits{5 * time.Second, 2 * time.Second, 20 * time.Second}, signed+serverOptions(healthy(t).start()))
	wants(t, facts, probe.Note, "identity", "STS can't be reached", "no answer in time")
	wants(t, facts, probe.OK, "server", "OpenSearch 2.19.1")
}

// Every output that signs its requests trusts the authorities of AWS_CA_BUNDLE, as AWS's SDKs do; no other one does.
func TestAWSCABundleCountsForEveryServiceOfAWS(t *testing.T) {
	bundle := newAuthority(t).file
	t.Setenv("AWS_CA_BUNDLE", bundle)
	for options, want := range map[string]string{
		"opensearch\n  host h\n  tls on\n  aws_auth on\n  aws_region eu-west-1":                               bundle,
		"opensearch\n  host h\n  tls on":                                                                      "",
		"opensearch\n  host h\n  tls on\n  aws_auth on\n  aws_region eu-west-1\n  tls.ca_path /etc/ssl/certs": "",
		"cloudwatch_logs\n  region eu-west-1\n  log_group_name g\n  log_stream_name s":                        bundle,
		"kinesis_firehose\n  region eu-west-1\n  delivery_stream d":                                           bundle,
		"kinesis_streams\n  region eu-west-1\n  stream s":                                                     bundle,
		"s3\n  region eu-west-1\n  bucket b":                                                                  bundle,
		"http\n  host h\n  tls on\n  aws_auth on\n  aws_service osis\n  aws_region eu-west-1":                 bundle,
		"http\n  host h\n  tls on":                                                                            "",
		"opentelemetry\n  host h\n  tls on\n  aws_auth on\n  aws_region eu-west-1":                            bundle,
		"opentelemetry\n  host h\n  tls on":                                                                   "",
		"prometheus_remote_write\n  host h\n  tls on\n  aws_auth on\n  aws_region eu-west-1":                  bundle,
		"prometheus_remote_write\n  host h\n  tls on":                                                         "",
	} {
		plan := compile(t, "[OUTPUT]\n  match *\n  name "+options+"\n")
		list, err := plan.Outputs[0].Options.(probe.Prober).Targets(t.Context(), plan.Dialect, sink.Env{})
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: got %d targets and error %v", options, len(list), err)
		}
		if got := list[0].HTTP.TLS.CAFile; got != want {
			t.Errorf("%s: got the authorities %q, want %q", options, got, want)
		}
	}
}
