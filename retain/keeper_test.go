package retain

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/retain/retaintest"
	"github.com/firelane/firelane/sink"
)

// logged is the log of a Keeper.
type logged struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

// lines are those of a level.
func (l *logged) lines(level string) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, `"level":"`+level+`"`) {
			list = append(list, line)
		}
	}
	return list
}

// finish starts a Keeper and waits for its end.
func finish(t *testing.T, r sink.Retainer) *logged {
	t.Helper()
	l := new(logged)
	k := Start(t.Context(), r, zerolog.New(l))
	select {
	case <-k.done:
	case <-time.After(time.Minute):
		t.Error("the Keeper doesn't end")
	}
	k.Close()
	return l
}

func TestWithoutPermissionThereIsOneLineThatNamesIt(t *testing.T) {
	for _, kind := range kinds[:3] {
		s, base := newCluster(t, retaintest.Options{OldISM: kind.OldISM, Elasticsearch: kind.Elasticsearch, Deny: func(_, path string) bool { return path != "/" }})
		l := finish(t, to(t, base, daily))
		warnings := l.lines("warn")
		want := "manage_ilm"
		if !kind.Elasticsearch {
			want = "cluster:admin/opendistro/ism/policy/get"
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], "indices:admin/index_template/get") || !strings.Contains(warnings[0], want) {
			t.Errorf("%s: got %q, want one line with the permissions", kind.name, warnings)
		}
		if n := len(l.lines("error")) + len(l.lines("info")); n > 0 {
			t.Errorf("%s: got %d more lines: %s", kind.name, n, l)
		}
		if w := s.Writes(); len(w) > 0 {
			t.Errorf("%s: it wrote %q", kind.name, w)
		}
	}
}

func TestWhatIsThereAlreadyIsSilent(t *testing.T) {
	_, base := newCluster(t, retaintest.Options{})
	if l := finish(t, to(t, base, daily)); len(l.lines("info")) != 2 {
		t.Errorf("the first time: got %s, want two lines", l)
	}
	if l := finish(t, to(t, base, daily)); l.Len() > 0 {
		t.Errorf("the second time: got %s, want nothing", l)
	}
}

// A fakeCluster answers like one that is away at first.
type fakeCluster struct {
	want  *sink.Retention
	away  int // requests that fail
	hang  bool
	calls int
	times []time.Time
}

func (f *fakeCluster) Retention() *sink.Retention { return f.want }

func (f *fakeCluster) Administer(ctx context.Context, method, path string, _ []byte) (int, []byte, error) {
	f.calls++
	f.times = append(f.times, time.Now())
	switch {
	case f.hang:
		<-ctx.Done()
		return 0, nil, ctx.Err()
	case f.calls <= f.away:
		return http.StatusServiceUnavailable, []byte("no master"), nil
	case method == http.MethodPut:
		return http.StatusOK, []byte("{}"), nil
	}
	return http.StatusNotFound, []byte("{}"), nil
}

func (f *fakeCluster) Dashboards(context.Context, string, string, []byte) (int, []byte, error) {
	return http.StatusOK, []byte("{}"), nil
}

func TestAClusterThatIsAwayIsAskedAgainLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeCluster{want: &sink.Retention{Own: &sink.OwnRetention{Name: "x", Patterns: []string{"x-*"}}}, away: 12}
		l := new(logged)
		k := Start(t.Context(), f, zerolog.New(l))
		<-k.done
		k.Close()
		if n := len(l.lines("warn")); n != 1 {
			t.Errorf("got %d warnings, want one: %s", n, l)
		}
		if n := len(l.lines("info")); n != 2 {
			t.Errorf("got %d lines in the end, want two: %s", n, l)
		}
		if f.calls != 12+3 {
			t.Errorf("got %d requests, want 15", f.calls)
		}
		for i := range f.away {
			if pause := f.times[i+1].Sub(f.times[i]); pause < firstPause/2 || pause > longestPause {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, firstPause/2, longestPause)
			}
		}
	})
}

func TestAClosedKeeperEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeCluster{want: &sink.Retention{Own: &sink.OwnRetention{Name: "x", Patterns: []string{"x-*"}}}, hang: true}
		k := Start(t.Context(), f, zerolog.Nop())
		synctest.Wait()
		begin := time.Now()
		k.Close()
		if took := time.Since(begin); took > 0 {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestARequestThatHangsEndsAndTheLineSaysAfterHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeCluster{want: &sink.Retention{Own: &sink.OwnRetention{Name: "x", Patterns: []string{"x-*"}}}, hang: true}
		l := new(logged)
		k := Start(t.Context(), f, zerolog.New(l))
		<-k.first
		synctest.Wait()
		if w := l.lines("warn"); len(w) != 1 || !strings.Contains(w[0], "GET /_index_template/x: no reply in time (40s)") {
			t.Errorf("got %q, want one line with the limit", w)
		}
		k.Close()
	})
}

func TestOnlyAStreamOrAnAliasWaitsAndNotForLong(t *testing.T) {
	for _, tt := range []struct {
		want *sink.Retention
		wait time.Duration
	}{
		{&sink.Retention{Own: &sink.OwnRetention{Name: "x", Patterns: []string{"x-*"}}}, 0},
		{&sink.Retention{Own: &sink.OwnRetention{Name: "x", Patterns: []string{"x"}, DataStream: true}}, firstTime},
		{&sink.Retention{Alias: &sink.WriteAlias{Name: "x", Index: "x-1"}}, firstTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := Start(t.Context(), &fakeCluster{want: tt.want, hang: true}, zerolog.Nop())
			begin := time.Now()
			k.AwaitFirst(t.Context())
			if took := time.Since(begin); took != tt.wait {
				t.Errorf("it waits %v, want %v", took, tt.wait)
			}
			k.Close()
		})
	}
}

func TestADestinationWithoutRetentionHasNoKeeper(t *testing.T) {
	k := Start(t.Context(), nil, zerolog.Nop())
	k.AwaitFirst(t.Context())
	k.Close()
	if k = Start(t.Context(), &fakeCluster{}, zerolog.Nop()); k != nil {
		t.Error("got a Keeper, want none")
	}
}
