package retain

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/sink"
)

// A babbler answers each request with the next of its answers.
type babbler struct {
	want    *sink.Retention
	answers []string
	n       int
}

func (b *babbler) Retention() *sink.Retention { return b.want }

func (b *babbler) Administer(context.Context, string, string, []byte) (int, []byte, error) {
	answer := b.answers[b.n%len(b.answers)]
	b.n++
	status := 200
	if strings.HasPrefix(answer, "!") {
		status, answer = 400+len(answer)%5, answer[1:]
	}
	return status, []byte(answer), nil
}

func (b *babbler) Dashboards(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	return b.Administer(ctx, method, path, body)
}

// FuzzAnswers: whatever a server answers, Apply ends after a bounded number of requests, and its lines have no control characters.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"{}\n{}", `{"index_templates":[{"name":"x","index_template":{"index_patterns":"x","template":[1,{}]}}]}`,
		`{"policy":{"description":"(mark 0011223344556677)","states":[null,[[]]]},"_seq_no":{"a":1}}`,
		`{"x":{"policy":{"_meta":{"firelane":"0011223344556677:0011223344556677"},"phases":3}}}`, "!{\"error\":\"no handler found\"}\n{}",
		`{"web-1":{"settings":{"index.creation_date":"99999999999999"}}}`, "!\x1b[31m<html>", `{"saved_objects":[{"attributes":{"title":1}}]}`, "[", `{"template":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 201),
	} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, dynamic bool) {
		want := &sink.Retention{
			Own: &sink.OwnRetention{Name: "x", Patterns: []string{"x-*"}, Days: 3, Shards: 1, Current: func(now time.Time) string {
				if dynamic {
					return ""
				}
				return "x-1"
			}},
			Templates: []sink.IndexTemplate{{Name: "t", Body: []byte(text), Policy: "x"}},
			Policies:  []sink.IndexPolicy{{Name: "p", Body: []byte(text)}},
			Alias:     &sink.WriteAlias{Name: "a", Index: "<a>"},
			Pattern:   &sink.DashboardsPattern{URL: "http://d", ID: "x", Title: "x-*"},
		}
		b := &babbler{want: want, answers: strings.Split(text, "\n")}
		results, _ := Apply(t.Context(), b, now, false)
		if b.n > 60+2*maxAttached {
			t.Errorf("%d requests", b.n)
		}
		for i := range results {
			if line := results[i].Line(false); strings.ContainsAny(line, "\x1b\n\x00") {
				t.Errorf("%q has control characters", line)
			}
		}
	})
}
