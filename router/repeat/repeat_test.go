package repeat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// logged parses the lines of a log.
func logged(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for dec := json.NewDecoder(log); ; {
		var l map[string]any
		if err := dec.Decode(&l); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
}

func TestRepeatedMessagePassesOncePerGrowingWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := zerolog.New(&out).Hook(New(time.Now))
		start := time.Now()
		for second := range 300 {
			log.Warn().Int("second", second).Msg("refused")
			time.Sleep(start.Add(time.Duration(second+1) * time.Second).Sub(time.Now()))
		}
		var seconds, suppressed []float64
		for _, l := range logged(t, &out) {
			n, _ := l["suppressed"].(float64)
			seconds, suppressed = append(seconds, l["second"].(float64)), append(suppressed, n)
		}
		if want := []float64{0, 10, 30, 70, 130, 190, 250}; !slices.Equal(seconds, want) {
			t.Errorf("got lines at seconds %v, want %v", seconds, want)
		}
		if want := []float64{0, 9, 19, 39, 59, 59, 59}; !slices.Equal(suppressed, want) {
			t.Errorf("got %v suppressed, want %v", suppressed, want)
		}
	})
}

func TestMessageThatStoppedStartsWithTheFirstWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := zerolog.New(&out).Hook(New(time.Now))
		log.Warn().Msg("refused")
		time.Sleep(firstWindow)
		log.Warn().Msg("refused") // a window of 2*firstWindow
		time.Sleep(2*firstWindow + maxWindow)
		log.Warn().Msg("refused")
		time.Sleep(firstWindow)
		log.Warn().Msg("refused")
		if got := len(logged(t, &out)); got != 4 {
			t.Errorf("got %d lines, want 4", got)
		}
	})
}

func TestOnlyTheSameLevelAndMessageAreSuppressed(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(&out).Hook(New(time.Now))
	for range 3 {
		log.Info().Msg("a")
		log.Warn().Msg("a")
		log.Warn().Msg("b")
		log.Debug().Msg("details are asked for")
		log.WithLevel(zerolog.FatalLevel).Msg("the end")
	}
	if got, want := len(logged(t, &out)), 3+2*3; got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
}

func TestRememberedMessagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook := New(time.Now).(*limiter)
		var out bytes.Buffer
		log := zerolog.New(&out).Hook(hook)
		for n := range 10 * maxMessages {
			log.Warn().Msg(fmt.Sprint("not a constant ", n))
			time.Sleep(time.Millisecond)
		}
		if len(hook.lines) != maxMessages {
			t.Errorf("got %d messages remembered, want %d", len(hook.lines), maxMessages)
		}
		out.Reset()
		log.Warn().Msg(fmt.Sprint("not a constant ", 10*maxMessages-1))
		if out.Len() > 0 {
			t.Error("got the newest message logged again, want it remembered")
		}
	})
}

func TestEveryLineIsLoggedOrCounted(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	var out bytes.Buffer
	log := zerolog.New(zerolog.SyncWriter(&out)).Hook(New(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Millisecond)
		return now
	}))
	const workers, each = 8, 10_000
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				log.Warn().Msg("refused")
			}
		})
	}
	wg.Wait()
	now = now.Add(time.Hour)
	log.Warn().Msg("refused")
	total := 0
	for _, l := range logged(t, &out) {
		n, _ := l["suppressed"].(float64)
		total += 1 + int(n)
	}
	if want := workers*each + 1; total != want {
		t.Errorf("got %d lines logged or counted, want %d", total, want)
	}
}

func TestSuppressedLineAllocatesNothing(t *testing.T) {
	log := zerolog.New(io.Discard).Hook(New(time.Now))
	if n := testing.AllocsPerRun(1000, func() { log.Warn().Int("records", 1).Msg("refused") }); n >= 1 {
		t.Errorf("got %v allocations for a suppressed line, want none", n)
	}
}

func BenchmarkSuppressed(b *testing.B) {
	log := zerolog.New(io.Discard).Hook(New(time.Now))
	b.ReportAllocs()
	for b.Loop() {
		log.Warn().Int("records", 1).Msg("refused")
	}
}
