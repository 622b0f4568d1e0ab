package bulktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxIDLength is the length of the longest _id, in bytes.
const maxIDLength = 512

// An item is one action of a request.
type item struct {
	op, index, id string
	hasID         bool
	document      []byte
}

// carryOut applies the items of a request and returns the reply. An error refuses the request as a whole: no item is
// applied.
func (s *Server) carryOut(body []byte, defaultIndex, filter string) ([]byte, error) {
	items, err := s.parse(body, defaultIndex)
	if err != nil {
		return nil, err
	}
	var out []byte
	failed := false
	for i, it := range items {
		status, e := s.apply(it)
		failed = failed || e != nil
		if i > 0 {
			out = append(out, ',')
		}
		out = appendResult(out, it, status, e, filter)
	}
	head := fmt.Sprintf(`{"took":%d,"errors":%t,"items":[`, len(items)/10, failed)
	return append(append([]byte(head), out...), "]}"...), nil
}

// parse splits a body into items by the rules of the real parsers, up to the first error.
func (s *Server) parse(body []byte, defaultIndex string) ([]item, error) {
	var items []item
	var missing []string
	for line := 1; len(body) > 0; line++ {
		var action []byte
		action, body, _ = bytes.Cut(body, []byte{'\n'})
		if len(action) == 0 {
			return nil, illegal(fmt.Sprintf("Malformed action/metadata line [%d], expected START_OBJECT but found [null]", line))
		}
		it, hasType, err := s.parseAction(action, line)
		if err != nil {
			return nil, err
		}
		if it.index == "" {
			it.index = defaultIndex
		}
		if it.index == "" {
			missing = append(missing, "index is missing")
		}
		if !hasType && s.major() < 7 {
			missing = append(missing, "type is missing")
		}
		if len(it.id) > maxIDLength {
			missing = append(missing, fmt.Sprintf("id [%s] is too long, must be no longer than %d bytes but was: %d", it.id, maxIDLength, len(it.id)))
		}
		if len(body) == 0 {
			return nil, invalid("1: no requests added;")
		}
		it.document, body, _ = bytes.Cut(body, []byte{'\n'})
		line++
		items = append(items, it)
	}
	if len(missing) > 0 {
		var b strings.Builder
		for i, m := range missing {
			fmt.Fprintf(&b, "%d: %s;", i+1, m)
		}
		return nil, invalid(b.String())
	}
	return items, nil
}

// parameters are the parameters that an action line may have, besides _type.
var parameters = []string{"_index", "_id", "routing", "pipeline", "require_alias", "if_seq_no", "if_primary_term", "version", "version_type", "retry_on_conflict"}

func (s *Server) parseAction(line []byte, n int) (it item, hasType bool, err error) {
	var action map[string]map[string]json.RawMessage
	if err := checkDocument(line); err != nil {
		return it, false, &refusal{status: http.StatusBadRequest, typ: "json_parse_exception", reason: err.Error()}
	}
	if json.Unmarshal(line, &action) != nil || len(action) != 1 {
		return it, false, illegal(fmt.Sprintf("Malformed action/metadata line [%d], expected FIELD_NAME but found [END_OBJECT]", n))
	}
	for op, params := range action {
		if !slices.Contains([]string{"create", "index", "update"}, op) {
			return it, false, illegal(fmt.Sprintf("Malformed action/metadata line [%d], expected one of [create, index, update] but found [%s]", n, op))
		}
		it.op = op
		for name, v := range params {
			var text string
			_ = json.Unmarshal(v, &text)
			switch {
			case name == "_index":
				it.index = text
			case name == "_id":
				it.id, it.hasID = text, true
			case name == "_type" && s.major() < 8:
				hasType = true
			case !slices.Contains(parameters, name):
				return it, false, illegal(fmt.Sprintf("Action/metadata line [%d] contains an unknown parameter [%s]", n, name))
			}
		}
	}
	return it, hasType, nil
}

// apply applies one item.
func (s *Server) apply(it item) (status int, e *ItemFault) {
	if e := s.refuse(&it); e != nil {
		return e.Status, e
	}
	if s.opts.Item != nil {
		if f := s.opts.Item(it.op, it.index, it.id, it.document); f.Status != 0 {
			return f.Status, &f
		}
	}
	return s.store.apply(&it, s.opts.Discard)
}

// refuse returns the error of an invalid item, nil for a valid one. It doesn't depend on stored documents.
func (s *Server) refuse(it *item) *ItemFault {
	bad := func(typ, reason string) *ItemFault { return &ItemFault{http.StatusBadRequest, typ, reason} }
	if reason := badIndexName(it.index); reason != "" {
		return bad("invalid_index_name_exception", "Invalid index name ["+it.index+"], "+reason)
	}
	if s.opts.NoIDs && it.hasID {
		return bad("illegal_argument_exception", "Document ID is not supported in create/index operation request")
	}
	if it.hasID && it.id == "" {
		return bad("illegal_argument_exception", "if _id is specified it must not be empty")
	}
	stream := slices.Contains(s.opts.DataStreams, it.index)
	if stream && it.op != "create" {
		return bad("illegal_argument_exception", "only write ops with an op_type of create are allowed in data streams")
	}
	if s.opts.NoNewIndex && !s.store.exists(it.index) {
		return &ItemFault{http.StatusNotFound, "index_not_found_exception",
			"no such index [" + it.index + "] and [action.auto_create_index] is [false]"}
	}
	if s.opts.Trusting {
		return nil
	}
	if err := checkDocument(it.document); err != nil {
		return bad("mapper_parsing_exception", "failed to parse: "+err.Error())
	}
	if field, typ := s.conflict(it, stream); field != "" {
		return bad("mapper_parsing_exception", fmt.Sprintf("failed to parse field [%s] of type [%s] in document with id '%s'", field, typ, it.id))
	}
	return nil
}

// conflict returns the name and type of a field whose value doesn't have that type, "" if there is none.
func (s *Server) conflict(it *item, stream bool) (field, typ string) {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(it.document, &members)
	if it.op == "update" {
		_ = json.Unmarshal(members["doc"], &members)
	}
	if v, ok := members["@timestamp"]; ok && !isDate(v) || stream && !ok {
		return "@timestamp", "date"
	}
	for name, typ := range s.opts.Fields {
		v, ok := members[name]
		if !ok || typ == "date" && isDate(v) {
			continue
		}
		if _, err := strconv.ParseInt(strings.Trim(string(v), `"`), 10, 64); typ == "long" && err == nil {
			continue
		}
		return name, typ
	}
	return "", ""
}

// badIndexName returns why an index name is invalid, "" if it is valid.
func badIndexName(name string) string {
	switch {
	case name != strings.ToLower(name):
		return "must be lowercase"
	case strings.ContainsAny(name, "\\/*?\"<>| ,#:"):
		return `must not contain the following characters [ , ", *, \, <, |, ,, >, /, ?, #, :]`
	case strings.HasPrefix(name, "_"), strings.HasPrefix(name, "-"), strings.HasPrefix(name, "+"):
		return "must not start with '_', '-', or '+'"
	case name == ".", name == "..":
		return "must not be '.' or '..'"
	case len(name) > 255:
		return "index name is too long"
	}
	return ""
}

// appendResult appends an item's entry in the reply. Any filter_path reduces it to status and error.
func appendResult(out []byte, it item, status int, e *ItemFault, filter string) []byte {
	out = fmt.Appendf(out, `{"%s":{`, it.op)
	if filter == "" {
		out = fmt.Appendf(out, `"_index":%s,"_id":%s,"_version":1,"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,`,
			quote(it.index), quote(it.id))
	}
	out = fmt.Appendf(out, `"status":%d`, status)
	if e != nil {
		out = fmt.Appendf(out, `,"error":{"type":%s,"reason":%s,"index":%s}`, quote(e.Type), quote(e.Reason), quote(it.index))
	}
	return append(out, "}}"...)
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
