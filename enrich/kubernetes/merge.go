package kubernetes

import (
	"bytes"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// mergeLog parses log and merges its fields into the record. A text that can't be parsed is left unchanged.
func (f *filter) mergeLog(ev *record.Event, s *enrich.Scratch, parser *parse.Parser) {
	value, ok := record.Find(ev.Body, "log")
	if !ok {
		return
	}
	merged, trim, at := value, false, ev.Time
	if text, isText := record.Text(value); isText {
		if merged, ok = parsed(s.Take(), text, parser, &ev.Time); !ok {
			ev.Time = at
			return
		}
		merged, trim = s.Keep(merged), f.o.MergeTrim
	}
	if record.KindOf(merged[0]) != record.KindMap {
		return
	}
	out := s.Take()
	if f.o.MergeLogKey != "" {
		out = f.underKey(out, ev.Body, merged, trim)
	} else {
		out = f.asFields(out, ev.Body, merged, trim)
	}
	if n, err := record.Check(out); err != nil || n != len(out) {
		ev.Time = at // the result would be nested deeper than a record may be: keep the event unchanged
		return
	}
	ev.Body = s.Keep(out)
}

// parsed appends the fields of a text as a map; ok is false if the text can't be parsed.
func parsed(dst, text []byte, parser *parse.Parser, at *record.Time) ([]byte, bool) {
	if parser != nil {
		return parser.Parse(dst, text, at)
	}
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return dst, false
	}
	out, err := record.AppendFromJSON(dst, text)
	return out, err == nil
}

// stays reports whether a member of the original record stays in the result.
func (f *filter) stays(key []byte) bool {
	return f.o.KeepLog || string(key) != "log"
}

// underKey appends the record with the merged fields as one map, under merge_log_key.
func (f *filter) underKey(out, body, merged []byte, trim bool) []byte {
	size, _, _ := record.MapHeader(merged)
	n := 0
	for m := record.FieldsOf(body); m.Next(); {
		if f.stays(m.Key()) && string(m.Key()) != f.o.MergeLogKey {
			n++
		}
	}
	if size > 0 {
		n++
	}
	out = record.AppendMapHeader(out, n)
	for m := record.FieldsOf(body); m.Next(); {
		if f.stays(m.Key()) && string(m.Key()) != f.o.MergeLogKey {
			out = append(append(out, m.RawKey()...), m.Value()...)
		}
	}
	if size == 0 {
		return out
	}
	out = record.AppendMapHeader(record.AppendStr(out, f.o.MergeLogKey), size)
	return appendMembers(out, merged, trim)
}

// asFields appends the record with the merged fields. A merged field replaces a field of the record with the same name.
func (f *filter) asFields(out, body, merged []byte, trim bool) []byte {
	n, members, _ := record.MapHeader(merged)
	names := enrich.NamesOf(members, n)
	stays := func(m *record.Fields) bool { return f.stays(m.Key()) && (m.Key() == nil || !names.Has(m.Key())) }
	for m := record.FieldsOf(body); m.Next(); {
		if stays(&m) {
			n++
		}
	}
	out = record.AppendMapHeader(out, n)
	for m := record.FieldsOf(body); m.Next(); {
		if stays(&m) {
			out = append(append(out, m.RawKey()...), m.Value()...)
		}
	}
	return appendMembers(out, merged, trim)
}

// appendMembers appends the members of a map.
func appendMembers(out, merged []byte, trim bool) []byte {
	for m := record.FieldsOf(merged); m.Next(); {
		out = append(out, m.RawKey()...)
		if text, ok := record.Text(m.Value()); ok && trim {
			out = record.AppendStrBytes(out, trimmed(text))
		} else {
			out = append(out, m.Value()...)
		}
	}
	return out
}

// trimmed removes newlines from the end, and also the two-character sequences \n and \r, but never the first character, as Fluent Bit
// does.
func trimmed(text []byte) []byte {
	for n := len(text); n > 1; n = len(text) {
		switch {
		case text[n-1] == '\n':
			text = text[:n-1]
		case text[n-2] == '\\' && (text[n-1] == 'n' || text[n-1] == 'r'):
			text = text[:n-2]
		default:
			return text
		}
	}
	return text
}
