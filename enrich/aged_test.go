package enrich

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// Each gets the beginning of a text in the stream a, then in b, and then another beginning in a, which ends the first one.
func TestHoldersKnowSinceWhenTheyHoldEvents(t *testing.T) {
	log := func(stream, text string) []byte {
		b := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 2), "log"), text)
		return record.AppendStr(record.AppendStr(b, "container_id"), stream)
	}
	part := func(stream, id, ordinal, last string) []byte {
		b := record.AppendMapHeader(nil, 6)
		for _, text := range []string{"log", "x", "container_id", stream, "partial_message", "true", "partial_id", id, "partial_ordinal", ordinal, "partial_last", last} {
			b = record.AppendStr(b, text)
		}
		return b
	}
	for name, tt := range map[string]struct {
		make   func() (Holder, error)
		events [][]byte // in a; in b; what ends a's, and what begins another one there
	}{
		"multiline": {func() (Holder, error) {
			return NewMultiline(&MultilineOptions{Mode: "parser", Parsers: []string{"java"}, Key: "log"}, config.FluentBit, Env{})
		}, [][]byte{log("a", "java.lang.Error: x"), log("b", "java.lang.Error: x"), log("a", "java.lang.Error: y"), nil}},
		"concat": {func() (Holder, error) {
			o := &ConcatOptions{Key: "log", Start: "/^start/", Identity: "container_id", Flush: time.Minute}
			return NewConcat(o, config.Fluentd, Env{})
		}, [][]byte{log("a", "start x"), log("b", "start x"), log("a", "start y"), nil}},
		"the parts of a line": {func() (Holder, error) { return NewJoiner(JoinerConfig{}), nil },
			[][]byte{part("a", "1", "1", "false"), part("b", "2", "1", "false"), part("a", "1", "2", "true"), part("a", "3", "1", "false")}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, err := tt.make()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			aged := h.(Aged)
			ignore := func(*record.Event, int) {}
			out := NewOut(ignore, func(*record.Event, string, int) {})
			out.Scratch = new(Scratch)
			begun := time.Now()
			if at := aged.Oldest(); !at.IsZero() {
				t.Errorf("%s: got %v, want that nothing is held", name, at)
			}
			for n, body := range tt.events {
				if body == nil {
					continue
				}
				time.Sleep(time.Second)
				h.Apply(&record.Event{Tag: "t", Body: body}, out)
				want := 1 // the second in which a's text was begun
				if n >= 2 {
					want = 2 // b's
				}
				if got := aged.Oldest().Sub(begun); got != time.Duration(want)*time.Second {
					t.Errorf("%s, event %d: got %v, want %d s", name, n, got, want)
				}
			}
			h.Expire(Everything, out)
			if at := aged.Oldest(); !at.IsZero() {
				t.Errorf("%s: got %v, want that nothing is held", name, at)
			}
		})
	}
}
