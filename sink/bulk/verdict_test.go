package bulk

import (
	"testing"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
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
		{"no shard", itemResult{create, 503, "unavailable_shards_exception", "primary shard is not active Timeout: [1m]"}, judgement{verdict: sink.Again}},
		{"server's fault", itemResult{create, 500, "exception", ""}, judgement{verdict: sink.Again}},
		{"disk full", itemResult{create, 429, "cluster_block_exception", "index [web] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"},
			judgement{verdict: sink.Again, blocked: true}},
		{"disk full, old", itemResult{create, 403, "cluster_block_exception", "blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"},
			judgement{verdict: sink.Again, blocked: true}},
		{"read-only", itemResult{create, 403, "cluster_block_exception", "index [web] blocked by: [FORBIDDEN/5/index read-only (api)];"}, judgement{verdict: sink.Again, blocked: true}},
		{"write block", itemResult{create, 403, "cluster_block_exception", "index [web] blocked by: [FORBIDDEN/8/index write (api)];"}, judgement{verdict: sink.Again, blocked: true}},
		{"shards, validation", itemResult{create, 400, "validation_exception", "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [1000]/[1000] maximum shards open;"},
			judgement{verdict: sink.Again, blocked: true}},
		{"shards, illegal argument", itemResult{create, 400, "illegal_argument_exception", "Validation Failed: 1: this action would add [10] shards, but this cluster currently has [999]/[1000] maximum normal shards open;"},
			judgement{verdict: sink.Again, blocked: true}},
		{"mapping", itemResult{create, 400, "mapper_parsing_exception", "failed to parse field [n] of type [long] in document with id 'x'"}, judgement{verdict: sink.Never}},
		{"too many fields", itemResult{create, 400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"}, judgement{verdict: sink.Never}},
		{"strict mapping", itemResult{create, 400, "strict_dynamic_mapping_exception", "mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed"}, judgement{verdict: sink.Never}},
		{"no such index", itemResult{create, 404, "index_not_found_exception", "no such index [web] and [action.auto_create_index] is [false]"}, judgement{verdict: sink.Again, blocked: true}},
		{"not created, by a pattern", itemResult{create, 404, "index_not_found_exception", "no such index [web] and [action.auto_create_index] contains [-web] which forbids automatic creation of the index"}, judgement{verdict: sink.Again, blocked: true}},
		{"no alias", itemResult{create, 404, "index_not_found_exception", "no such index [web] and [require_alias] request flag is [true] and [web] is not an alias"}, judgement{verdict: sink.Again, blocked: true}},
		{"closed", itemResult{create, 400, "index_closed_exception", "closed"}, judgement{verdict: sink.Again, blocked: true}},
		{"no write index", itemResult{create, 400, "illegal_argument_exception", "no write index is defined for alias [web]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index"},
			judgement{verdict: sink.Again, blocked: true}},
		{"two indices", itemResult{create, 400, "illegal_argument_exception", "Alias [web] has more than one indices associated with it [[a, b]], can't execute a single index op"}, judgement{verdict: sink.Again, blocked: true}},
		{"no template", itemResult{create, 400, "illegal_argument_exception", "no matching index template found for data stream [web]"}, judgement{verdict: sink.Again, blocked: true}},
		{"data stream takes create only", itemResult{"index", 400, "illegal_argument_exception", "only write ops with an op_type of create are allowed in data streams"}, judgement{verdict: sink.Again, blocked: true}},
		{"no pipeline", itemResult{create, 400, "illegal_argument_exception", "pipeline with id [p] does not exist"}, judgement{verdict: sink.Again, blocked: true}},
		{"index is full", itemResult{create, 400, "illegal_argument_exception", "Number of documents in the index can't exceed [2147483519]"}, judgement{verdict: sink.Again, blocked: true}},
		{"creation is blocked", itemResult{create, 403, "index_create_block_exception", "blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];"}, judgement{verdict: sink.Again, blocked: true}},
		{"quotes our texts", itemResult{create, 400, "mapper_parsing_exception", "Preview of field's value: 'no write index is defined for alias'"}, judgement{verdict: sink.Never}},
		{"illegal name", itemResult{create, 400, "invalid_index_name_exception", "Invalid index name [A], must be lowercase"}, judgement{verdict: sink.Never}},
		{"nothing to update", itemResult{"update", 404, "document_missing_exception", "[x]: document missing"}, judgement{verdict: sink.Never}},
		{"not allowed", itemResult{create, 403, "security_exception", "no permissions for [indices:data/write/bulk[s]]"}, judgement{verdict: sink.Again, blocked: true}},
		{"two types", itemResult{create, 400, "illegal_argument_exception", "Rejecting mapping update to [web] as the final mapping would have more than 1 type: [_doc, flb]"},
			judgement{verdict: sink.Again, adaptation: dropType}},
		{"no ids", itemResult{create, 400, "illegal_argument_exception", "Document ID is not supported in create/index operation request"}, judgement{verdict: sink.Again, adaptation: dropID}},
		{"no status", itemResult{create, 0, "", ""}, judgement{verdict: sink.Again}},
	}
	for _, tt := range tests {
		if got := judgeItem(&tt.item); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.what, got, tt.want)
		}
	}
}

// TestRequestVerdicts is the design's table for whole requests.
func TestRequestVerdicts(t *testing.T) {
	again, never := sink.Again, sink.Never
	type want struct {
		verdict    sink.Verdict
		cause      sink.Cause
		split      sink.Split
		adaptation adaptation
	}
	tests := []struct {
		what  string
		f     failure
		items int
		want  want
	}{
		{"busy", failure{Failure: &httpsend.Failure{Status: 429}}, 9, want{verdict: again, cause: sink.Throttled}},
		{"too slow", failure{Failure: &httpsend.Failure{Status: 408}}, 9, want{verdict: again, cause: sink.Throttled}},
		{"bad gateway", failure{Failure: &httpsend.Failure{Status: 502}}, 9, want{verdict: again, cause: sink.Throttled}},
		{"unavailable", failure{Failure: &httpsend.Failure{Status: 503}}, 9, want{verdict: again, cause: sink.Throttled}},
		{"gateway time-out", failure{Failure: &httpsend.Failure{Status: 504}}, 9, want{verdict: again, cause: sink.Throttled}},
		{"AWS throttles", failure{Failure: &httpsend.Failure{Status: 403, Reason: "403 Request throttled due to too many requests"}}, 9, want{verdict: again, cause: sink.Throttled}},
		{"AWS throttles, typed", failure{Failure: &httpsend.Failure{Status: 400, Type: "ThrottlingException"}}, 9, want{verdict: again, cause: sink.Throttled}},
		{"cluster block", failure{Failure: &httpsend.Failure{Status: 403, Type: "cluster_block_exception"}, fromServer: true}, 9, want{verdict: again, cause: sink.Throttled}},
		{"no password", failure{Failure: &httpsend.Failure{Status: 401}}, 9, want{verdict: again, cause: sink.Unauthorised}},
		{"no permission", failure{Failure: &httpsend.Failure{Status: 403, Reason: "User: anonymous is not authorized to perform: es:ESHttpPost"}}, 9, want{verdict: again, cause: sink.Unauthorised}},
		{"token over", failure{Failure: &httpsend.Failure{Status: 403, Reason: "The security token included in the request is expired"}}, 9, want{verdict: again, cause: sink.Unauthorised}},
		{"token over, 400", failure{Failure: &httpsend.Failure{Status: 400, Type: "ExpiredTokenException"}}, 9, want{verdict: again, cause: sink.Unauthorised}},
		{"too large", failure{Failure: &httpsend.Failure{Status: 413}}, 9, want{verdict: again, cause: sink.Answered, split: sink.BySize}},
		{"one too large", failure{Failure: &httpsend.Failure{Status: 413}}, 1, want{verdict: again, cause: sink.Answered, split: sink.BySize}},
		{"one of them is malformed", failure{Failure: &httpsend.Failure{Status: 400, Type: "illegal_argument_exception", Reason: "Malformed action/metadata line [3]"}, fromServer: true}, 9, want{verdict: again, cause: sink.Answered, split: sink.ByItem}},
		{"this one is malformed", failure{Failure: &httpsend.Failure{Status: 400, Type: "illegal_argument_exception", Reason: "Malformed action/metadata line [1]"}, fromServer: true}, 1, want{verdict: never, cause: sink.Answered}},
		{"a proxy's 400", failure{Failure: &httpsend.Failure{Status: 400, Reason: "400 Bad Request"}}, 1, want{verdict: again, cause: sink.Answered}},
		{"not there", failure{Failure: &httpsend.Failure{Status: 404}}, 1, want{verdict: again, cause: sink.Answered}},
		{"redirect", failure{Failure: &httpsend.Failure{Status: 301}}, 1, want{verdict: again, cause: sink.Answered}},
		{"server's fault", failure{Failure: &httpsend.Failure{Status: 500}}, 9, want{verdict: again, cause: sink.Answered}},
		{"_type", failure{Failure: &httpsend.Failure{Status: 400, Type: "illegal_argument_exception", Reason: "Action/metadata line [1] contains an unknown parameter [_type]"}, fromServer: true}, 9, want{verdict: again, cause: sink.Answered, adaptation: dropType}},
		{"no type", failure{Failure: &httpsend.Failure{Status: 400, Type: "action_request_validation_exception", Reason: "Validation Failed: 1: type is missing;"}, fromServer: true}, 9, want{verdict: again, cause: sink.Answered, adaptation: addType}},
		{"gzip", failure{Failure: &httpsend.Failure{Status: 400, Reason: "Illegal character ((CTRL-CHAR, code 31))"}, gzipped: true, fromServer: true}, 9, want{verdict: again, cause: sink.Answered, adaptation: plainBodies}},
		{"gzip, 415", failure{Failure: &httpsend.Failure{Status: 415}, gzipped: true}, 9, want{verdict: again, cause: sink.Answered, adaptation: plainBodies}},
		{"plain, 415", failure{Failure: &httpsend.Failure{Status: 415}}, 9, want{verdict: again, cause: sink.Answered}},
	}
	for _, tt := range tests {
		r, l := judgeRequest(&tt.f, tt.items)
		v := r.Verdict
		if len(r.Items) == 1 && tt.items == 1 {
			v = r.Items[0].Verdict
		}
		got := want{v, r.Cause, r.Split, l}
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.what, got, tt.want)
		}
		if r.Err == nil || r.Status != tt.f.Status {
			t.Errorf("%s: got reply %+v, want an error and status %d", tt.what, r, tt.f.Status)
		}
	}
}
