package splitter_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/enrich/steptest/splitter"
	"github.com/firelane/firelane/record"
)

func newSplitter(t *testing.T) enrich.Holder {
	s, err := splitter.New(&splitter.Options{Key: "log", FlushAfter: 5 * time.Second}, config.FluentBit, enrich.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func event(text string) record.Event {
	b := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), text)
	return record.Event{Tag: "app", Body: b}
}

func TestContract(t *testing.T) {
	steptest.Run(t, func() enrich.Stage { return newSplitter(t) }, event("one\ntwo\nthr"), event("ee"), event("\nfour\nfi"), event("ve"))
}

func TestEveryLineIsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSplitter(t)
		var got []string
		out := enrich.NewOut(func(ev *record.Event, _ int) {
			value, _ := record.Find(ev.Body, "log")
			text, _ := record.Text(value)
			got = append(got, string(text))
		}, nil)
		out.Scratch = new(enrich.Scratch)
		for _, text := range []string{"one\ntwo\nthr", "e", "e\nfour\n", "five"} {
			out.Reset()
			ev := event(text)
			s.Apply(&ev, out)
		}
		time.Sleep(time.Until(s.Expire(time.Now(), out)))
		if want := []string{"one", "two", "three", "four"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		s.Expire(time.Now(), out)
		if want := []string{"one", "two", "three", "four", "five"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
