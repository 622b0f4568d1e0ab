package bulktest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func post(t *testing.T, s *Server, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-ndjson")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	answer, _ := io.ReadAll(w.Body)
	if w.Code == http.StatusOK && !json.Valid(answer) {
		t.Fatalf("got the reply %s, want JSON", answer)
	}
	return w.Code, string(answer)
}

func get(s *Server, path string) string {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}

const create = `{"create":{"_index":"a","_id":"1"}}` + "\n"

func TestRequestsAreRefusedAsRealServersDo(t *testing.T) {
	for _, tt := range []struct{ version, body, want string }{
		{"2.19.1", create + `{}`, "must be terminated by a newline"},
		{"2.19.1", `{"create":{"_index":"a","_type":"_doc"}}` + "\n{}\n", "unknown parameter [_type]"},
		{"2.19.1", `{"create":{}}` + "\n{}\n", "index is missing"},
		{"2.19.1", `{"make":{"_index":"a"}}` + "\n{}\n", "expected one of"},
		{"2.19.1", `{"create":{"_index":"a","_index":"b"}}` + "\n{}\n", "Duplicate field '_index'"},
		{"2.19.1", "\n{}\n", "Malformed action/metadata line [1]"},
		{"2.19.1", create, "no requests added"},
		{"2.19.1", `{"create":{"_index":"a","_id":"` + strings.Repeat("x", 513) + `"}}` + "\n{}\n", "no longer than 512 bytes"},
		{"2.19.1", "", "request body is required"},
	} {
		if code, answer := post(t, New(Options{Version: tt.version}), "/_bulk", tt.body); code != 400 || !strings.Contains(answer, tt.want) {
			t.Errorf("%.60q: %d %s, should say %q", tt.body, code, answer, tt.want)
		}
	}
	es6 := New(Options{Distribution: "elasticsearch", Version: "6.8.0"})
	if code, answer := post(t, es6, "/_bulk", create+"{}\n"); code != 400 || !strings.Contains(answer, "type is missing") {
		t.Errorf("Elasticsearch 6: got %d %s, want 400 for the missing type", code, answer)
	}
	if code, _ := post(t, New(Options{MaxBody: 10}), "/_bulk", create+"{}\n"); code != 413 {
		t.Errorf("too large: got %d, want 413", code)
	}
}

func TestItemsAreRefusedAsRealServersDo(t *testing.T) {
	s := New(Options{DataStreams: []string{"ds"}, Fields: map[string]string{"n": "long"}})
	for _, tt := range []struct{ item, want string }{
		{create + `{"a":1,"a":2}`, "Duplicate field 'a'"},
		{create + `{"a":{"b":1,"b":2}}`, "Duplicate field 'b'"},
		{create + `{"a":`, "failed to parse"},
		{create + "{\"a\":\"\xff\"}", "Invalid UTF-8"},
		{create + `{"@timestamp":"soon"}`, "field [@timestamp] of type [date]"},
		{create + `{"n":"x"}`, "field [n] of type [long]"},
		{`{"create":{"_index":"A"}}` + "\n{}", "must be lowercase"},
		{`{"create":{"_index":"_a"}}` + "\n{}", "must not start with"},
		{`{"index":{"_index":"ds"}}` + "\n" + `{"@timestamp":1}`, "op_type of create"},
		{`{"create":{"_index":"ds"}}` + "\n{}", "field [@timestamp] of type [date]"},
		{`{"create":{"_index":"a","_id":""}}` + "\n{}", "must not be empty"},
		{`{"update":{"_index":"a","_id":"9"}}` + "\n" + `{"doc":{}}`, "document missing"},
	} {
		if code, answer := post(t, s, "/_bulk", tt.item+"\n"); code != 200 || !strings.Contains(answer, `"errors":true`) || !strings.Contains(answer, tt.want) {
			t.Errorf("%q: %d %s, should say %q", tt.item, code, answer, tt.want)
		}
	}
	if n := len(s.Documents("")); n != 0 {
		t.Errorf("got %d documents stored, want none", n)
	}
}

func TestSecondCreateOfAnIDIsAConflict(t *testing.T) {
	s := New(Options{})
	for i, want := range []string{`"status":201`, `"status":409`} {
		if _, answer := post(t, s, "/_bulk?filter_path=items.*.status", create+"{}\n"); !strings.Contains(answer, want) {
			t.Errorf("attempt %d: got %s, want %s", i, answer, want)
		}
	}
	if len(s.Documents("a")) != 1 || s.Conflicts() != 1 {
		t.Errorf("got %d documents and %d conflicts, want 1 and 1", len(s.Documents("a")), s.Conflicts())
	}
}

func TestDocumentsAreFound(t *testing.T) {
	s := New(Options{})
	post(t, s, "/_bulk", `{"index":{"_index":"web-1"}}`+"\n"+`{"log":"hello world","ecs_cluster":"demo"}`+"\n"+
		`{"index":{"_index":"web-2"}}`+"\n"+`{"log":"bye"}`+"\n")
	for path, want := range map[string]string{
		"/_cat/indices":                     "green open web-1 1\ngreen open web-2 1\n",
		"/web-*/_count":                     `"count":2`,
		"/_search?q=hello":                  `"value":1`,
		"/web-1,web-2/_search?q=log:bye":    `"_source":{"log":"bye"}`,
		"/web-*/_search?size=1&from=1":      `"value":2,"relation":"eq"},"max_score":1.0,"hits":[{"_index":"web-2"`,
		"/web-*/_search?q=ecs_cluster:demo": `"value":1`,
		"/":                                 `"number":"2.19.1"`,
	} {
		if got := get(s, path); !strings.Contains(got, want) {
			t.Errorf("%s: %s, should hold %s", path, got, want)
		}
	}
}
