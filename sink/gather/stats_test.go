package gather

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/sink"
)

// Each job has a duration and a reply, each delivered record a delay, and each record that was refused too often is given up.
func TestDelaysDurationsAndRecordsGivenUpAreCounted(t *testing.T) {
	refused := errors.New("finishing test: refused")
	for name, tt := range map[string]struct {
		verdict sink.Verdict
		retries int
		givenUp int64
	}{
		"refused for good":    {sink.Never, sink.Unlimited, 0},
		"refused three times": {sink.Again, 2, 50},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFolderStore(t, 2)
				store.script = func(_ context.Context, call, name string) sink.Reply {
					time.Sleep(20 * time.Millisecond)
					if call == "finish" && strings.HasPrefix(name, "1-") {
						return sink.Reply{Verdict: tt.verdict, Cause: sink.Answered, Status: 400, Err: refused}
					}
					return sink.Reply{}
				}
				r := newRig(t, store, buffer.Options{}, sink.Retry{Limit: tt.retries, Base: time.Millisecond})
				r.start(t.Context())
				r.add(0, 100)
				s := r.finish()
				if s.Delivered != 50 || s.Dead != 50 || s.GivenUp != tt.givenUp {
					t.Errorf("got %+v, want 50 delivered, 50 dead letters and %d given up", s, tt.givenUp)
				}
				var durations, delays metric.Sample
				s.Duration.Fill(&durations)
				s.Delay.Fill(&delays)
				if int64(durations.Count) != s.Requests || durations.Sum == 0 || int64(delays.Count) != s.Delivered || delays.Sum == 0 {
					t.Errorf("got %v durations of %v s and %v delays of %v s, want those of %+v", durations.Count, durations.Sum, delays.Count, delays.Sum, s)
				}
				replies := map[string]int64{}
				s.Replies.Each(func(status string, n int64) { replies[status] = n })
				if replies["2xx"] == 0 || replies["400"] == 0 || replies["2xx"]+replies["400"] != s.Requests {
					t.Errorf("got the replies %v to %d jobs", replies, s.Requests)
				}
			})
		})
	}
}
