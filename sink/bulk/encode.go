package bulk

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// The longest _id and routing that servers accept, in bytes.
const (
	maxID      = 512
	maxRouting = 32766 // as of any term in an index
)

// idLen is the length of an id made by putContentID: 16 bytes in Base64.
const idLen = 22

// An encoder turns records into items: an action line and a document, each followed by a newline.
//
//	{"create":{"_index":"web-2026-11-23","_id":"0Kq…"}}
//	{"@timestamp":"2026-11-23T10:22:55.123456789Z","log":"…","ecs_cluster":"demo"}
//
// It is safe for concurrent use, and allocates nothing for a record whose index name is cached.
type encoder struct {
	names *indexNames
	stamp stamp

	verb       string // create, index, update
	upsert     bool
	idKey      field.Accessor // nil: _id is the record's id
	generateID bool
	routing    field.Accessor // routing_key; nil: none
	target     field.Accessor // Fluentd's target_index_key; nil: none
	typeName   string         // the value of _type, if that is sent

	tagKey  []byte                // as JSON with its colon; nil: the tag isn't added
	usual   bool                  // most records can be encoded by appendUsual
	json    [2]record.JSONOptions // for a record's members, by keepTime or omitTime
	flatten string                // separator of flattened names; "": fields stay nested

	mode atomic.Uint32 // sendType, sendID: what the server accepts
}

// The indices of encoder.json: what happens to a record's own @timestamp.
const (
	keepTime = iota // it is encoded
	omitTime        // it is left out
)

// The bits of encoder.mode.
const (
	sendType uint32 = 1 << iota // write _type
	sendID                      // write _id
)

func newEncoder(o *Options, d config.Dialect) (*encoder, error) {
	e := &encoder{verb: "create", generateID: o.GenerateID && o.IDKey == "", typeName: "_doc"}
	switch {
	case o.WriteOp != nil && *o.WriteOp == "upsert":
		e.verb, e.upsert = "update", true
	case o.WriteOp != nil:
		e.verb = *o.WriteOp
	case d == config.Fluentd && o.IDKey != "":
		e.verb = "index" // Fluentd's default; without id_key it has the same effect as create
	}
	var err error
	if e.stamp, err = newStamp(o, d); err != nil {
		return nil, err
	}
	for _, a := range []struct {
		option, value string
		at            *field.Accessor
	}{{"id_key", o.IDKey, &e.idKey}, {"routing_key", o.RoutingKey, &e.routing}} {
		if a.value == "" {
			continue
		}
		if *a.at, err = field.ParseAccessor(a.value, d); err != nil {
			return nil, &config.OptionError{Option: a.option, Reason: err.Error()}
		}
	}
	if o.TargetIndex != "" {
		if e.target, err = field.ParseDotted(o.TargetIndex); err != nil {
			return nil, &config.OptionError{Option: "target_index_key", Reason: err.Error()}
		}
	}
	if e.names, err = newIndexNames(o, d, e.verb); err != nil {
		return nil, err
	}
	mode := sendID
	if o.Type != nil && *o.Type != "" && !o.SuppressType {
		e.typeName = *o.Type
		mode |= sendType
	}
	e.mode.Store(mode)
	e.membersOptions(o, d)
	return e, nil
}

// membersOptions sets the options for AppendJSONMembers.
func (e *encoder) membersOptions(o *Options, d config.Dialect) {
	var omit []string
	if o.IncludeTag {
		e.tagKey = append(record.AppendJSONString(nil, []byte(o.TagKey)), ':')
		omit = append(omit, o.TagKey)
	}
	for key := range strings.SplitSeq(o.RemoveKeys, ",") {
		if key = strings.TrimSpace(key); key != "" {
			omit = append(omit, key)
		}
	}
	if e.target != nil && !e.target.Nested() {
		omit = append(omit, e.target.Top())
	}
	if o.Flatten {
		e.flatten = o.FlattenSeparator
	}
	e.usual = !o.Flatten && !o.ReplaceDots && e.stamp.key != "" && e.stamp.source == ""
	e.json[keepTime] = record.JSONOptions{ReplaceDots: o.ReplaceDots, Omit: omit}
	e.json[omitTime] = record.JSONOptions{ReplaceDots: o.ReplaceDots, Omit: append(omit[:len(omit):len(omit)], e.stamp.key)}
}

// appendHead appends the part of an action line that depends on the index alone:
// {"create":{"_index":"web-2026-11-23"
func (e *encoder) appendHead(dst []byte, verb string, index []byte, mode uint32) []byte {
	dst = append(dst, `{"`...)
	dst = append(dst, verb...)
	dst = append(dst, `":{"_index":`...)
	dst = record.AppendJSONString(dst, index)
	if mode&sendType != 0 {
		dst = append(dst, `,"_type":`...)
		dst = record.AppendJSONString(dst, []byte(e.typeName))
	}
	return dst
}

var (
	errNoID        = errors.New("the record has no value at id_key, which update and upsert need")
	errLongID      = fmt.Errorf("the value at id_key is longer than %d bytes", maxID)
	errLongRouting = fmt.Errorf("the value at routing_key is longer than %d bytes", maxRouting)
)

// append appends r's item. On an error body is returned as it came.
func (e *encoder) append(body []byte, r *sink.Record) ([]byte, error) {
	e.encodeTail(r)
	start, mode := len(body), e.mode.Load()
	body = e.appendIndex(body, r, mode)
	var err error
	idAt := 0
	if mode&sendID != 0 {
		if body, idAt, err = e.appendID(body, r); err != nil {
			return body[:start], err
		}
	}
	if e.routing != nil {
		if v, ok := e.routing.FindScalar(&r.Event); ok {
			if len(v) > maxRouting {
				return body[:start], errLongRouting
			}
			body = appendQuoted(append(body, `,"routing":`...), v)
		}
	}
	body = append(body, "}}\n"...)

	doc := len(body)
	if body, err = e.appendDocument(body, r); err != nil {
		return body[:start], err
	}
	if idAt > 0 {
		putContentID(body[idAt:idAt+idLen], body[doc:])
	}
	return append(body, '\n'), nil
}

// appendIndex appends the head of the action line.
func (e *encoder) appendIndex(body []byte, r *sink.Record, mode uint32) []byte {
	if e.target != nil {
		if v, ok := e.target.FindScalar(&r.Event); ok && len(v) <= maxHeadKey {
			if name := ordinary(sanitise(record.AppendText(nil, v)), ""); len(name) > 0 && len(name) <= maxIndexName {
				return e.appendHead(body, e.verb, name, mode)
			}
		}
	}
	if t, ok := e.stamp.date(r); ok {
		dated := *r
		dated.Time = t
		return e.names.appendHead(body, &dated, e, mode)
	}
	return e.names.appendHead(body, r, e, mode)
}

// appendID appends the member _id. at is the offset in out of an id that is to be computed from the document, or 0.
func (e *encoder) appendID(body []byte, r *sink.Record) (out []byte, at int, err error) {
	const member = `,"_id":"`
	if e.generateID {
		body = append(body, member...)
		at = len(body)
		return append(append(body, make([]byte, idLen)...), '"'), at, nil
	}
	if e.idKey != nil {
		if v, ok := e.idKey.FindScalar(&r.Event); ok {
			if idSize(v) > maxID {
				return body, 0, errLongID
			}
			body = append(body, member[:len(member)-1]...)
			start := len(body)
			body = appendQuoted(body, v)
			if len(body)-start > 2 {
				return body, 0, nil
			}
			body = body[:start-len(member)+1] // an empty id is refused: the record's id is used instead
		}
		if e.verb == "update" {
			return body, 0, errNoID
		}
	}
	body = append(body, member...)
	return append(r.ID.Append(body), '"'), 0, nil
}

// idSize returns how many bytes the server counts of a value as an id: those of its text, not those of the JSON that it is sent as.
func idSize(value []byte) int {
	s, ok := record.Text(value)
	if !ok {
		return 0 // digits, true, false: never too long
	}
	size := 0
	for len(s) > 0 && size <= maxID {
		r, n := utf8.DecodeRune(s)
		size += utf8.RuneLen(r) // that of U+FFFD, which is sent for a byte that isn't UTF-8
		s = s[n:]
	}
	return size
}

// appendQuoted appends a scalar as a JSON string.
func appendQuoted(dst, value []byte) []byte {
	if s, ok := record.Text(value); ok {
		return record.AppendJSONString(dst, s)
	}
	dst = append(dst, '"')
	return append(record.AppendText(dst, value), '"') // digits, true, false: nothing to escape
}

// putContentID writes the id for generate_id: equal documents, time and tag included, get equal ids.
func putContentID(id, doc []byte) {
	sum := sha256.Sum256(doc)
	base64.RawURLEncoding.Encode(id, sum[:16])
}

// appendDocument appends the document, wrapped in {"doc":…} for update.
func (e *encoder) appendDocument(body []byte, r *sink.Record) (out []byte, err error) {
	if e.verb == "update" {
		body = append(body, `{"doc":`...)
	}
	body = append(body, '{')
	usual, ok := e.appendUsual(body, r)
	if ok {
		body = usual
	} else if body, err = e.appendFields(usual[:len(body)], r); err != nil {
		return body, err
	}
	body = append(body, '}')
	switch {
	case e.upsert:
		body = append(body, `,"doc_as_upsert":true}`...)
	case e.verb == "update":
		body = append(body, '}')
	}
	return body, nil
}

// appendUsual is appendFields for a record that has no value of its own at the time's key, no key twice, and nothing that is
// omitted: nearly every record. ok is false for some others, too.
func (e *encoder) appendUsual(body []byte, r *sink.Record) (out []byte, ok bool) {
	if !e.usual || r.Shared.Unusual {
		return body, false
	}
	open := len(body)
	body, _ = e.stamp.appendTime(body, r)
	body = e.appendTagField(body, r, open)
	before := len(body)
	if body, ok = record.TryAppendJSONMembers(body, r.Body, &e.json[omitTime]); !ok {
		r.Shared.Unusual = true
		return body, false
	}
	return appendTail(body, r, before), true
}

// appendFields appends the members of the document.
func (e *encoder) appendFields(body []byte, r *sink.Record) (out []byte, err error) {
	open := len(body)
	opt := &e.json[keepTime]
	body, replace := e.stamp.append(body, r)
	if replace {
		opt = &e.json[omitTime]
	}
	body = e.appendTagField(body, r, open)
	before := len(body)
	if e.flatten == "" {
		body = record.AppendJSONMembers(body, r.Body, opt)
	} else if body, err = appendFlat(body, r.Body, e.flatten, opt); err != nil {
		return body, err
	}
	return appendTail(body, r, before), nil
}

// appendTagField appends the member with the tag, if there is one, and a comma if the document, from open on, has a member.
func (e *encoder) appendTagField(body []byte, r *sink.Record, open int) []byte {
	if e.tagKey != nil {
		body = comma(body, open)
		body = append(body, e.tagKey...)
		body = appendTag(body, r.Tag)
	}
	return comma(body, open)
}

// appendTail appends the members of r's Tail to those of its Body, which begin at before.
func appendTail(body []byte, r *sink.Record, before int) []byte {
	if len(r.Tail) > 0 {
		body = append(comma(body, before), r.Shared.Encoded...)
	}
	if len(body) == before {
		body = bytes.TrimSuffix(body, []byte{','})
	}
	return body
}

// comma appends a comma if body has grown beyond open.
func comma(body []byte, open int) []byte {
	if len(body) > open {
		body = append(body, ',')
	}
	return body
}

// appendTag appends the tag as a JSON string.
func appendTag(dst []byte, tag string) []byte {
	for i := range len(tag) {
		if c := tag[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return record.AppendJSONString(dst, []byte(tag))
		}
	}
	dst = append(dst, '"')
	dst = append(dst, tag...)
	return append(dst, '"')
}

// targetOf reads the index out of an item's action line.
func targetOf(item []byte) string {
	const member = `"_index":`
	action, _, _ := bytes.Cut(item, []byte{'\n'})
	_, after, ok := bytes.Cut(action, []byte(member))
	if !ok {
		return ""
	}
	d := json.NewDecoder(bytes.NewReader(after))
	var name string
	_ = d.Decode(&name) // never fails for an item that Append wrote
	return name
}
