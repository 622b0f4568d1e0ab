package format

import (
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// AppendMembers appends the members of a record as record.AppendJSONMembers does. Those of its Tail are encoded once for many
// records: what calls it can be a sink.TailReader.
func AppendMembers(dst []byte, r *sink.Record, opt *record.JSONOptions) []byte {
	r.EncodeTail(func(dst, tail []byte) ([]byte, bool) { return AppendTail(dst, tail, opt) })
	start := len(dst)
	dst = record.AppendJSONMembers(dst, r.Body, opt)
	if len(r.Tail) == 0 || len(r.Shared.Encoded) == 0 {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ',')
	}
	return append(dst, r.Shared.Encoded...)
}

// AppendTail appends the members of a tail, if they can be encoded apart from those of a body: if none can have the key, as written, of
// one of the body.
func AppendTail(dst, tail []byte, opt *record.JSONOptions) (out []byte, apart bool) {
	if opt != nil && opt.ReplaceDots || !record.PlainKeys(tail) {
		return dst, false
	}
	return record.AppendJSONMembers(dst, tail, opt), true
}
