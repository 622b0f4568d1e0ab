package fetch

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counting returns a Cache whose nth attempt returns n after a delay. Values are complete from completeFrom on.
func counting(o Options, delay time.Duration, completeFrom int64) (*Cache[int64], *atomic.Int64) {
	var n atomic.Int64
	return New(o, func(ctx context.Context, _ string, last int64) (int64, bool) {
		now := n.Add(1)
		select {
		case <-time.After(delay):
			return now, now >= completeFrom
		case <-ctx.Done():
			return last, false
		}
	}), &n
}

var usual = Options{Max: 3, Retry: 2 * time.Second, Timeout: 10 * time.Second, FirstWait: time.Second}

func TestTheFirstCallsWaitForAValueAndLaterOnesForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := counting(usual, 500*time.Millisecond, 1)
		defer c.Close()
		got := make(chan int64)
		for range 3 {
			go func() { got <- c.Get([]byte("a")) }()
		}
		for range 3 {
			if v := <-got; v != 1 {
				t.Errorf("got %d, want the value of the first attempt", v)
			}
		}
		time.Sleep(time.Hour)
		if c.Get([]byte("a")); n.Load() != 1 {
			t.Errorf("got %d attempts, want 1", n.Load())
		}
	})
}

func TestNobodyWaitsForASlowServiceTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := counting(usual, time.Minute, 99)
		defer c.Close()
		begin := time.Now()
		for n := range 10 {
			c.Get(fmt.Appendf(nil, "%d", n))
		}
		if took := time.Since(begin); took != usual.FirstWait {
			t.Errorf("ten keys of a service that doesn't answer took %v, want %v", took, usual.FirstWait)
		}
	})
}

func TestWhatIsMissingIsFetchedAgainMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := counting(usual, 0, 1000)
		defer c.Close()
		begin := time.Now()
		for _, step := range []struct {
			at   time.Duration
			want int64
		}{{0, 1}, {time.Second, 1}, {2 * time.Second, 2}, {5 * time.Second, 2}, {6 * time.Second, 3}} {
			time.Sleep(step.at - time.Since(begin))
			c.Get([]byte("a"))
			synctest.Wait()
			if n.Load() != step.want {
				t.Errorf("after %v: got %d attempts, want %d", step.at, n.Load(), step.want)
			}
		}
		for range 1000 {
			time.Sleep(time.Minute)
			c.Get([]byte("a"))
		}
		if got := n.Load(); got < 190 || got > 260 {
			t.Errorf("got %d attempts in 1000 minutes, want one in about five minutes", got)
		}
	})
}

func TestAttemptsEndAndBeginAgainAfterTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := usual
		o.Attempts, o.TTL = 2, time.Hour
		c, n := counting(o, 0, 1000)
		defer c.Close()
		for range 50 {
			c.Get([]byte("a"))
			time.Sleep(time.Minute)
		}
		if n.Load() != 2 {
			t.Errorf("got %d attempts, want 2", n.Load())
		}
		time.Sleep(time.Hour)
		c.Get([]byte("a"))
		synctest.Wait()
		if n.Load() != 3 {
			t.Errorf("after the TTL: got %d attempts, want 3", n.Load())
		}
	})
}

func TestACacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := counting(usual, time.Minute, 1)
		for k := range 10_000 {
			c.Get(fmt.Appendf(nil, "%d", k))
			if len(c.entries) > usual.Max || c.running > maxRunning {
				t.Fatalf("got %d entries and %d attempts at once", len(c.entries), c.running)
			}
		}
		c.Close() // cancels the attempt that would take a minute
		before := n.Load()
		if c.Get([]byte("new")); n.Load() != before {
			t.Error("an attempt began after Close")
		}
	})
}

func TestKeysThatClientsMakeUpCauseFewRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := counting(usual, 0, 1000)
		defer c.Close()
		for second := range int64(3) {
			for k := range 1000 {
				c.Get(fmt.Appendf(nil, "%d-%d", second, k))
				synctest.Wait()
			}
			if want := (second + 1) * maxPerSecond; n.Load() != want {
				t.Errorf("second %d: got %d attempts, want %d", second, n.Load(), want)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestAClientRefusesWhatIsNoSmallDocument(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			fmt.Fprint(w, strings.Repeat("x", 11))
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/ok":
			fmt.Fprint(w, r.Method, r.Header.Get("X-A"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	c := NewClient(nil)
	if b, err := c.Do(t.Context(), http.MethodPut, s.URL+"/ok", 10, "X-A", "b"); string(b) != "PUTb" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := c.Do(t.Context(), http.MethodGet, s.URL+"/large", 10); err == nil {
		t.Error("a reply that is too large was taken")
	}
	for path, status := range map[string]int{"/moved": 302, "/none": 404} {
		if _, err := c.Do(t.Context(), http.MethodGet, s.URL+path, 10); StatusOf(err) != status {
			t.Errorf("%s: got %v, want status %d", path, err, status)
		}
	}
}
