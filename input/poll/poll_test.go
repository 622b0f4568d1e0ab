package poll

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A clock is what makes a collection due: Send.
type clock struct{ texts, next chan string }

func (c *clock) Send(_ *testing.T, text string) { c.texts <- text }
func (c *clock) Acked(*testing.T) int           { return 0 }
func (c *clock) Close()                         {}

func (c *clock) due(ctx context.Context) bool {
	select {
	case text := <-c.texts:
		c.next <- text
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *clock) collect(_ context.Context, add Add) error {
	add(record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), <-c.next))
	return nil
}

func TestPromises(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Open: func(*testing.T) (input.Input, inputtest.Source) {
		c := &clock{texts: make(chan string, 10), next: make(chan string, 1)}
		in := New("t", time.Second, c.collect, input.Env{})
		in.due = c.due
		return in, c
	}})
}

type receiver struct{ added, flushed int }

func (r *receiver) Add([]byte, record.Time, []byte) { r.added++ }
func (r *receiver) Reject(int, string)              {}
func (r *receiver) Flush(context.Context) error     { r.flushed++; return nil }

// collections is how often an input collects in 3.6 s.
func collections(t *testing.T, interval time.Duration, collect Collector) (r receiver) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 3600*time.Millisecond)
		defer cancel()
		if err := New("", interval, collect, input.Env{ID: "x.0"}).Run(ctx, func() input.Receiver { return &r }); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestCollectionsComeAtTheirInterval(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want int
	}{
		{Options{Sec: 1}, 3},
		{Options{}, 3},
		{Options{Sec: -5, Nsec: -5}, 3},
		{Options{Nsec: 5e8}, 7},
		{Options{Sec: 1, Nsec: 5e8}, 2},
		{Options{Sec: 1 << 62, Nsec: 1 << 62}, 0},
	} {
		if r := collections(t, c.o.Interval(), func(_ context.Context, add Add) error { add(nil); return nil }); r.added != c.want {
			t.Errorf("%+v: got %d collections in 3.6 s, want %d", c.o, r.added, c.want)
		}
	}
}

// TestFailureEndsNothing: the next collection may succeed.
func TestFailureEndsNothing(t *testing.T) {
	n := 0
	r := collections(t, time.Second, func(_ context.Context, add Add) error {
		if n++; n < 3 {
			return errors.New("not yet")
		}
		add(nil)
		return nil
	})
	if r.added != 1 {
		t.Errorf("got %d events, want 1", r.added)
	}
}

// TestHangingCollectionIsEnded: it has its time, and the next one begins.
func TestHangingCollectionIsEnded(t *testing.T) {
	ended := 0
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = New("", time.Second, func(ctx context.Context, _ Add) error { <-ctx.Done(); ended++; return ctx.Err() }, input.Env{}).
			Run(ctx, func() input.Receiver { return &receiver{} })
	})
	if ended < 5 {
		t.Errorf("got %d collections in a minute, want that each ends after %v", ended, collectTime)
	}
}

// TestManyEventsAreFlushedInPieces: a collection of many events needs little memory.
func TestManyEventsAreFlushedInPieces(t *testing.T) {
	r := collections(t, 3*time.Second, func(_ context.Context, add Add) error {
		for range 1000 {
			add(make([]byte, 1000))
		}
		return nil
	})
	if r.flushed < 5 {
		t.Errorf("got %d flushes of 1 MB, want several", r.flushed)
	}
}

// TestMetricsWithoutAnIntervalAskNobodyAllTheTime: a scrape_interval that is no time is read as 0.
func TestMetricsWithoutAnIntervalAskNobodyAllTheTime(t *testing.T) {
	n := 0
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 65*time.Second)
		defer cancel()
		collect := func(context.Context, record.Time, AddMetric) error { n++; return nil }
		if err := NewMetrics("", 0, false, collect, input.Env{ID: "x.0"}).Run(ctx, func() input.Receiver { return &receiver{} }); err != nil {
			t.Error(err)
		}
	})
	if n != 6 || len(ScrapeWarnings(0)) != 1 || len(ScrapeWarnings(time.Second)) != 0 {
		t.Errorf("got %d readings in 65 s and the warnings %q, want 6 and one", n, ScrapeWarnings(0))
	}
}

// TestMetricsAreCollectedAtTheStart, if the input's options say so; they are records of the package metric, and may have their own time.
func TestMetricsAreCollectedAtTheStart(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		var r receiver
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second/2)
			defer cancel()
			in := NewMetrics("", time.Second, atOnce, func(_ context.Context, at record.Time, add AddMetric) error {
				add(&metric.Sample{Name: "x", Kind: metric.Gauge}, at)
				add(&metric.Sample{Name: "y", Kind: metric.Gauge}, record.Time{Sec: 5})
				return nil
			}, input.Env{ID: "x.0"})
			if !in.HasMetrics() {
				t.Error("the input has no metrics")
			}
			if err := in.Run(ctx, func() input.Receiver { return &r }); err != nil {
				t.Error(err)
			}
		})
		want := 0
		if atOnce {
			want = 2
		}
		if r.added != want {
			t.Errorf("at once %v: got %d metrics, want %d", atOnce, r.added, want)
		}
	}
}
