package bulk

import (
	"bytes"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// TestTheUsualWayWritesTheSameDocument: what appendUsual accepts, appendFields writes alike.
func TestTheUsualWayWritesTheSameDocument(t *testing.T) {
	many := make([]string, 40)
	for i := range many {
		many[i] = `"k` + strings.Repeat("x", i) + `":1`
	}
	for name, set := range map[string]func(*Options){
		"plain":   nil,
		"tag":     func(o *Options) { o.IncludeTag = true },
		"removed": func(o *Options) { o.RemoveKeys = "secret, other" },
		"dots":    func(o *Options) { o.ReplaceDots = true; o.TimeKey = ptr("a.b") },
		"flatten": func(o *Options) { o.Flatten = true },
		"no time": func(o *Options) { o.TimeKey = ptr("") },
	} {
		e := newDestination(t, fluentBit(set), config.FluentBit).encoder
		for _, text := range []string{
			`{}`, `{"log":"x"}`, `{"log":"x","log":"y"}`, `{"@timestamp":"2026-11-23T10:31:22Z","log":"x"}`, `{"@timestamp":"no date"}`,
			`{"@timestamp":1764000000}`, `{"flb-key":"own","log":"x"}`, `{"secret":"s","log":"x"}`, `{"a.b":"2026-11-23T10:31:22Z","c":{"d.e":1}}`,
			`{"a_name_that_is_longer_than_31_bytes":1}`, `{"n":{"log":"x","log":"y","@timestamp":1}}`, "{" + strings.Join(many, ",") + "}",
		} {
			in, err := record.AppendFromJSON(nil, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			r := &sink.Record{Event: record.Event{Tag: tag, Time: at, Body: in}}
			usual, ok := e.appendUsual([]byte("{"), r)
			want, err := e.appendFields([]byte("{"), r)
			if err != nil {
				t.Fatal(err)
			}
			if ok && !bytes.Equal(usual, want) {
				t.Errorf("%s: %s: got %s, want %s", name, text, usual, want)
			}
			if text == `{"log":"x"}` && (name == "plain" || name == "removed") && !ok {
				t.Errorf("%s: %s takes the long way", name, text)
			}
		}
	}
}
