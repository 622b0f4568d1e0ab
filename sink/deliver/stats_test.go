package deliver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/sink"
)

func TestEveryReplyCountsUnderItsStatus(t *testing.T) {
	var r Replies
	counts := func() (all map[string]int64) {
		all = map[string]int64{}
		r.Each(func(status string, n int64) { all[status] = n })
		return all
	}
	if n := len(counts()); n != len(replyStatuses) {
		t.Errorf("got %d statuses before the first reply, want all %d", n, len(replyStatuses))
	}
	failed := errors.New("no")
	want := map[string]int64{}
	for _, c := range []struct {
		status int
		err    error
		want   string
	}{
		{0, nil, "2xx"}, {200, nil, "2xx"}, {299, failed, "2xx"}, {302, failed, "3xx"}, {400, failed, "400"}, {401, failed, "401"}, {403, failed, "403"},
		{404, failed, "404"}, {409, failed, "4xx"}, {413, failed, "413"}, {429, failed, "429"}, {499, failed, "4xx"}, {500, failed, "500"}, {501, failed, "5xx"},
		{502, failed, "502"}, {503, failed, "503"}, {504, failed, "504"}, {505, failed, "5xx"}, {0, failed, "none"}, {7, failed, "other"}, {-1, failed, "other"}, {600, nil, "other"},
	} {
		r.Add(&sink.Reply{Status: c.status, Err: c.err})
		want[c.want]++
		if got := counts()[c.want]; got != want[c.want] {
			t.Errorf("status %d: got %d under %s, want %d", c.status, got, c.want, want[c.want])
		}
	}
}

// filled are the counts of times as text: those of the buckets that have any, by their upper bound, and of longer ones.
func filled(times *metric.Times) (text string) {
	var s metric.Sample
	times.Fill(&s)
	before := 0.0
	for _, p := range s.Points {
		if n := p.Value - before; n > 0 {
			text += fmt.Sprintf("%v:%v ", p.At, n)
		}
		before = p.Value
	}
	return text + fmt.Sprintf("of %v", s.Count)
}

// A delay is counted for each record, also if others of its request were refused; a duration for each request.
func TestDelaysAndDurationsAreCounted(t *testing.T) {
	d := newStrict(func(_ context.Context, n int, items []string) sink.Reply {
		time.Sleep(200 * time.Millisecond)
		switch n {
		case 0:
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 503, Cause: sink.Answered}
		case 1:
			return sink.Reply{Cause: sink.Answered, Status: 200, Items: []sink.ItemReply{{Verdict: sink.Never, Status: 400, Reason: "no"}}}
		}
		return sink.Reply{Cause: sink.Answered, Status: 200}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.put(upTo(0, 10)...)
		time.Sleep(2500 * time.Millisecond) // how long the wait after the refusal is depends on chance
		r.start(t.Context())
		eventually(t, "the first ones to be delivered", func() bool { return r.out.Stats().Delivered == 9 })
		r.put(upTo(10, 15)...)
		s := r.finish()
		if got, want := filled(&s.Duration), "0.25:3 of 3"; got != want {
			t.Errorf("durations: got %s, want %s", got, want)
		}
		if got, want := filled(&s.Delay), "0.25:5 5:9 of 14"; got != want {
			t.Errorf("delays: got %s, want %s", got, want)
		}
		if s.Requests != 3 || s.Replies[0] != 2 {
			t.Errorf("got %d requests, and the replies %v; want 3, 2 of them taken", s.Requests, s.Replies)
		}
	})
}
