package bulk

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/sink"
)

// TestItemVerdicts is the design's table, item by item.
func TestItemVerdicts(t *testing.T) {
	const create = "create"
	tests := []struct {
		what string
		item itemResult
		want judgement
	}{
		{"created", itemResult{create, 201, "", ""}, judgement{verdict: sink.Done}},
		{"indexed again", itemResult{"index", 200, "", ""}, judgement{verdict: sink.Done}},
		{"there already", itemResult{create, 409, "version_conflict_engine_exception", "[x]: version conflict, document already exists (current version [1])"},
			judgement{verdict: sink.Done}},
		{"changed meanwhile", itemResult{"update", 409, "version_conflict_engine_exception", "[x]: version conflict"}, judgement{verdict: sink.Again}},
		{"queue full", itemResult{create, 429, "rejected_execution_exception", "rejected execution of coordinating operation"}, judgement{verdict: sink.Again, pressure: true}},
		{"queue full, Elasticsearch", itemResult{create, 429, "es_rejected_execution_exception", ""}, judgement{verdict: sink.Again, pressure: true}},
		{"circuit breaker", itemResult{create, 429, "circuit_breaking_exception", "[parent] Data too large"}, judgement{verdict: sink.Again, pressure: true}},
		{"no shard", itemResult{create, 503, "unavailable_shards_exception", "primary shard is not active Timeout: [1m]"}, judgement{verdict: sink.Again, pressure: true}},
		{"server's fault", itemResult{create, 500, "exception", ""}, judgement{verdict: sink.Again, pressure: true}},
		{"disk full", itemResult{create, 429, "cluster_block_exception", "index [web] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"},
			judgement{verdict: sink.Again, pressure: true}},
		{"disk full, old", itemResult{create, 403, "cluster_block_exception", "blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"},
			judgement{verdict: sink.Again, pressure: true}},
		{"read-only", itemResult{create, 403, "cluster_block_exception", "index [web] blocked by: [FORBIDDEN/5/index read-only (api)];"}, judgement{verdict: sink.Again, pressure: true}},
		{"write block", itemResult{create, 403, "cluster_block_exception", "index [web] blocked by: [FORBIDDEN/8/index write (api)];"}, judgement{verdict: sink.Again, pressure: true}},
		{"shards, validation", itemResult{create, 400, "validation_exception", "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [1000]/[1000] maximum shards open;"},
			judgement{verdict: sink.Again, pressure: true}},
		{"shards, illegal argument", itemResult{create, 400, "illegal_argument_exception", "Validation Failed: 1: this action would add [10] shards, but this cluster currently has [999]/[1000] maximum normal shards open;"},
			judgement{verdict: sink.Again, pressure: true}},
		{"mapping", itemResult{create, 400, "mapper_parsing_exception", "failed to parse field [n] of type [long] in document with id 'x'"}, judgement{verdict: sink.Never}},
		{"too many fields", itemResult{create, 400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"}, judgement{verdict: sink.Never}},
		{"strict mapping", itemResult{create, 400, "strict_dynamic_mapping_exception", "mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed"}, judgement{verdict: sink.Never}},
		{"no such index", itemResult{create, 404, "index_not_found_exception", "no such index [web] and [action.auto_create_index] is [false]"}, judgement{verdict: sink.Never}},
		{"nothing to update", itemResult{"update", 404, "document_missing_exception", "[x]: document missing"}, judgement{verdict: sink.Never}},
		{"not allowed", itemResult{create, 403, "security_exception", "no permissions for [indices:data/write/bulk[s]]"}, judgement{verdict: sink.Again, unauthorised: true}},
		{"two types", itemResult{create, 400, "illegal_argument_exception", "Rejecting mapping update to [web] as the final mapping would have more than 1 type: [_doc, flb]"},
			judgement{verdict: sink.Again, lesson: dropType}},
		{"no ids", itemResult{create, 400, "illegal_argument_exception", "Document ID is not supported in create/index operation request"}, judgement{verdict: sink.Again, lesson: dropID}},
		{"no status", itemResult{create, 0, "", ""}, judgement{verdict: sink.Again}},
	}
	for _, tt := range tests {
		if got := judgeItem(&tt.item); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.what, got, tt.want)
		}
	}
}

// TestRequestVerdicts is the design's table for whole requests.
func TestRequestVerdicts(t *testing.T) {
	again, never := sink.Again, sink.Never
	type want struct {
		verdict                           sink.Verdict
		throttled, unauthorised, tooLarge bool
		lesson                            lesson
	}
	tests := []struct {
		what  string
		f     failure
		items int
		want  want
	}{
		{"busy", failure{status: 429}, 9, want{verdict: again, throttled: true}},
		{"bad gateway", failure{status: 502}, 9, want{verdict: again, throttled: true}},
		{"unavailable", failure{status: 503}, 9, want{verdict: again, throttled: true}},
		{"gateway time-out", failure{status: 504}, 9, want{verdict: again, throttled: true}},
		{"AWS throttles", failure{status: 403, reason: "403 Request throttled due to too many requests"}, 9, want{verdict: again, throttled: true}},
		{"AWS throttles, typed", failure{status: 400, errType: "ThrottlingException"}, 9, want{verdict: again, throttled: true}},
		{"cluster block", failure{status: 403, errType: "cluster_block_exception", fromServer: true}, 9, want{verdict: again, throttled: true}},
		{"no password", failure{status: 401}, 9, want{verdict: again, unauthorised: true}},
		{"no permission", failure{status: 403, reason: "User: anonymous is not authorized to perform: es:ESHttpPost"}, 9, want{verdict: again, unauthorised: true}},
		{"token over", failure{status: 403, reason: "The security token included in the request is expired"}, 9, want{verdict: again, unauthorised: true}},
		{"token over, 400", failure{status: 400, errType: "ExpiredTokenException"}, 9, want{verdict: again, unauthorised: true}},
		{"too large", failure{status: 413}, 9, want{verdict: again, tooLarge: true}},
		{"one too large", failure{status: 413}, 1, want{verdict: never, tooLarge: true}},
		{"one of them is malformed", failure{status: 400, errType: "illegal_argument_exception", reason: "Malformed action/metadata line [3]", fromServer: true}, 9, want{verdict: again, tooLarge: true}},
		{"this one is malformed", failure{status: 400, errType: "illegal_argument_exception", reason: "Malformed action/metadata line [1]", fromServer: true}, 1, want{verdict: never}},
		{"a proxy's 400", failure{status: 400, reason: "400 Bad Request"}, 1, want{verdict: again}},
		{"not there", failure{status: 404}, 1, want{verdict: again}},
		{"redirect", failure{status: 301}, 1, want{verdict: again}},
		{"server's fault", failure{status: 500}, 9, want{verdict: again}},
		{"_type", failure{status: 400, errType: "illegal_argument_exception", reason: "Action/metadata line [1] contains an unknown parameter [_type]", fromServer: true}, 9, want{verdict: again, lesson: dropType}},
		{"no type", failure{status: 400, errType: "action_request_validation_exception", reason: "Validation Failed: 1: type is missing;", fromServer: true}, 9, want{verdict: again, lesson: addType}},
		{"gzip", failure{status: 400, gzipped: true, reason: "Illegal character ((CTRL-CHAR, code 31))", fromServer: true}, 9, want{verdict: again, lesson: plainBodies}},
		{"gzip, 415", failure{status: 415, gzipped: true}, 9, want{verdict: again, lesson: plainBodies}},
		{"plain, 415", failure{status: 415}, 9, want{verdict: again}},
	}
	for _, tt := range tests {
		r, l := judgeRequest(&tt.f, tt.items)
		v := r.Verdict
		if len(r.Items) == 1 && tt.items == 1 {
			v = r.Items[0].Verdict
		}
		got := want{v, r.Throttled, r.Unauthorised, r.TooLarge, l}
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.what, got, tt.want)
		}
		if r.Err == nil || !r.Reached || r.Status != tt.f.status {
			t.Errorf("%s: reply %+v lacks error, status or Reached", tt.what, r)
		}
	}
}

func TestRetryAfterIsReadAndBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-1": 0, "soon": 0, "99999999": maxRetryAfter,
		"Mon, 23 Nov 2026 10:00:30 GMT": 30 * time.Second, "Mon, 23 Nov 2026 09:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("Retry-After %q: %v, want %v", v, got, want)
		}
	}
}

func TestRefusalsAreOneReadableLine(t *testing.T) {
	for _, tt := range []struct {
		f    failure
		want string
	}{
		{failure{status: 301, header: http.Header{"Location": {"https://x/"}}}, "redirects to https://x/"},
		{failure{status: 400, reason: snippet([]byte("<html>\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"))}, "TLS is off for a port that wants it"},
	} {
		got := tt.f.err().Error()
		if !strings.Contains(got, tt.want) || strings.ContainsAny(got, "\n<>") {
			t.Errorf("%q should contain %q and be one line", got, tt.want)
		}
	}
}
