package ownlog

import (
	"time"

	"github.com/firelane/firelane/record"
)

// fields are those of a line of the log.
type fields struct {
	level, message, stamp []byte
	output, filter, input []byte
	list                  [maxFields]field // the others
	n                     int
}

// A field is one of a line. value is MessagePack.
type field struct{ key, value []byte }

// readFields reads the members of a map.
func readFields(body []byte) (f fields) {
	f.level = []byte("info")
	n, rest, err := record.MapHeader(body)
	if err != nil {
		return f
	}
	for range n {
		key, after, err := record.Str(rest)
		if err != nil {
			return f
		}
		next, err := record.Skip(after)
		if err != nil {
			return f
		}
		f.add(key, after[:len(after)-len(next)])
		rest = next
	}
	return f
}

func (f *fields) add(key, value []byte) {
	text, isText := record.Text(value)
	switch name := string(key); {
	case name == "level" && isText:
		f.level = text
		return
	case name == "message" && isText:
		f.message = text
		return
	case name == "time" && isText:
		f.stamp = text
		return
	case name == "output" && isText:
		f.output = text
	case name == "filter" && isText:
		f.filter = text
	case name == "input" && isText:
		f.input = text
	}
	if f.n < len(f.list) {
		f.list[f.n] = field{key, value}
		f.n++
	}
}

// about reports whether a line is about a part that gets the events of in. What a filter or an input logs in detail is left out, too:
// the other lines of a part don't repeat themselves.
func (f *fields) about(in *Input) bool {
	detail := string(f.level) == "debug" || string(f.level) == "trace"
	switch {
	case string(f.input) == in.id && in.id != "":
		return true
	case detail && len(f.filter)+len(f.input) > 0:
		return true
	}
	return len(f.output) > 0 && in.feeds != nil && in.feeds(string(f.output))
}

// time is that of the line, now if it has none.
func (f *fields) time() record.Time {
	t, err := time.Parse(time.RFC3339Nano, string(f.stamp))
	if err != nil || t.Unix() < 0 {
		t = time.Now()
	}
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
}
