package bulk

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// refusing is a destination whose server always gives this answer.
func refusing(t *testing.T, status int, answer string, set func(*Options)) *Destination {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(s.Close)
	return newDestination(t, fluentBit(func(o *Options) {
		o.Host = s.URL
		if set != nil {
			set(o)
		}
	}), config.FluentBit)
}

func words(r *sink.Reply) string {
	if r.Trouble == nil {
		return "none"
	}
	return fmt.Sprintf("%s: %s; %s", r.Trouble.Kind, r.Trouble.Text(), r.Trouble.Want)
}

// What an operator must do differs, so each refusal has its own sentence.
func TestRefusalsOfRequestsAreToldApart(t *testing.T) {
	signed := func(o *Options) {
		o.AWSAuth, o.AWSRegion = true, "eu-west-1"
		t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	}
	user := func(o *Options) { o.User, o.Password = "router", "secret" }
	for _, c := range []struct {
		name   string
		status int
		answer string
		set    func(*Options)
		want   string
	}{
		{"overload", 429, `{"error":{"type":"es_rejected_execution_exception","reason":"queue"}}`, nil, "overloaded: is overloaded (429); if it lasts, give the cluster more capacity"},
		{"gateway", 503, "", nil, "overloaded: is overloaded (503); "},
		{"signed, denied", 403, `{"Message":"User: arn:aws:sts::1:assumed-role/task/x is not authorized to perform: es:ESHttpPost"}`, signed,
			"access_denied: denied access (403); check the task role's es:ESHttp* permission, the domain's access policy"},
		{"serverless, denied", 403, "", func(o *Options) { signed(o); o.AWSService = "aoss" }, "access_denied: denied access (403); check the task role's aoss:APIAccessAll permission"},
		{"signature", 403, `{"message":"The request signature we calculated does not match the signature you provided."}`, signed, "unauthenticated: refused the signature (403); "},
		{"unsigned", 403, `{"Message":"User: anonymous is not authorized to perform: es:ESHttpPost"}`, nil, "unauthenticated: got an unsigned request (403); set aws_auth On"},
		{"no rights", 403, `{"error":{"type":"security_exception","reason":"no permissions"}}`, user, "access_denied: denied access (403); give the output's user"},
		{"signed, unmapped", 401, "", signed, "unauthenticated: refused the signed request (401); map the task role"},
		{"no credentials", 401, "", nil, "unauthenticated: wants credentials, and none are configured (401); "},
		{"wrong password", 401, "", user, "unauthenticated: refused user and password (401); "},
		{"another path", 404, `{"message":"not found"}`, nil, "misconfigured: isn't at this address (404); "},
		{"a redirect", 302, "", nil, "misconfigured: isn't at this address (302); "},
		{"a web page", 200, `<html>hello</html>`, nil, "misconfigured: doesn't answer as to a bulk request; "},
		{"TLS", 400, "The plain HTTP request was sent to HTTPS port", nil, "misconfigured: wants TLS at this port; turn tls on"},
		{"an error", 500, `{"error":{"type":"exception","reason":"no"}}`, nil, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := refusing(t, c.status, c.answer, c.set)
			r := d.Send(t.Context(), request(t, d, 2))
			if got := words(&r); !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRefusalsOfItemsAreToldApart(t *testing.T) {
	for _, c := range []struct {
		status       int
		kind, reason string
		want         string
	}{
		{429, "es_rejected_execution_exception", "queue", "overloaded: is overloaded (429); "},
		{429, "cluster_block_exception", "index [web] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]", "disk_full: is out of disk space (flood-stage block), index fluent-bit; "},
		{403, "cluster_block_exception", "blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];", "disk_full: creates no index (create-index block), index fluent-bit; "},
		{400, "validation_exception", "this cluster currently has [1000]/[1000] maximum shards open;", "shard_limit: has reached its shard limit; "},
		{403, "cluster_block_exception", "index [web] blocked by: [FORBIDDEN/8/index write (api)];", "read_only: has made index fluent-bit read-only (index.blocks); "},
		{400, "index_closed_exception", "closed", "closed: has closed index fluent-bit; open the index"},
		{404, "index_not_found_exception", "no such index [web] and [action.auto_create_index] is [false]", "missing: has no index fluent-bit and may not create it; "},
		{404, "index_not_found_exception", "no such index [web] and [require_alias] request flag is [true] and [web] is not an alias", "missing: has no alias fluent-bit; "},
		{400, "illegal_argument_exception", "no write index is defined for alias [web].", "misconfigured: has no write index for alias fluent-bit; "},
		{403, "security_exception", "no permissions for [indices:data/write/bulk[s]]", "access_denied: denied access (403), index fluent-bit; "},
		{500, "exception", "a shard failed", "none"},
	} {
		answer := fmt.Sprintf(`{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":%d,"error":{"type":%q,"reason":%q}}}]}`, c.status, c.kind, c.reason)
		d := refusing(t, 200, answer, nil)
		r := d.Send(t.Context(), request(t, d, 2))
		if got := words(&r); !strings.HasPrefix(got, c.want) {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if !strings.Contains(r.Err.Error(), c.reason) {
			t.Errorf("got the error %v, want the server's reason", r.Err)
		}
	}
}

func TestTheErrorIsAboutWhatIsSentAgain(t *testing.T) {
	d := refusing(t, 200, `{"errors":true,"items":[{"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"a number"}}},{"create":{"status":400,"error":{"type":"index_closed_exception","reason":"closed"}}}]}`, nil)
	if r := d.Send(t.Context(), request(t, d, 2)); !strings.Contains(r.Err.Error(), "2 of 2 items refused, one of them with 400 index_closed_exception: closed") {
		t.Errorf("got %v, want the refusal of the item that waits", r.Err)
	}
}
