package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// A slowReader reads when it is told to.
type slowReader struct {
	entered chan struct{}
	read    chan struct{}
	bytes.Buffer
}

func (s *slowReader) Write(p []byte) (int, error) {
	s.entered <- struct{}{}
	<-s.read
	return s.Buffer.Write(p)
}

// TestLogCountsWhatDidNotFit: what nobody read in time is bounded in memory, and counted at the place where it is missing.
func TestLogCountsWhatDidNotFit(t *testing.T) {
	out := &slowReader{entered: make(chan struct{}, 1000), read: make(chan struct{})}
	var log zerolog.Logger
	log, end := openLog(out)
	log.Info().Msg("first")
	<-out.entered
	const lines = 400
	for n := range lines { // 400 KiB
		log.Info().Str("text", strings.Repeat("x", 1000)).Int("n", n).Msg("more")
	}
	out.read <- struct{}{}
	<-out.entered // what was kept is being written
	log.Info().Msg("last")
	close(out.read)
	end()
	all := strings.Split(strings.TrimSpace(out.String()), "\n")
	kept := strings.Count(out.String(), `"message":"more"`)
	if kept < 200 || kept >= lines || out.Len() > maxPendingLog+1000 {
		t.Fatalf("got %d of %d lines and %d bytes, want what fits into %d bytes", kept, lines, out.Len(), maxPendingLog)
	}
	if want := fmt.Sprintf(`"lines":%d,`, lines-kept); !strings.Contains(all[len(all)-2], want) || !strings.Contains(all[len(all)-2], "lines of the log are missing here") {
		t.Errorf("got %s, want it to say %s", all[len(all)-2], want)
	}
	if !strings.Contains(all[len(all)-1], `"message":"last"`) || len(all) != kept+3 {
		t.Errorf("got %d lines, the last one %s, want %d and the one that was logged last", len(all), all[len(all)-1], kept+3)
	}
}

// Under the race detector: the line about what is missing is made while others log.
func TestLoggingGoesOnWhileMissingLinesAreCounted(t *testing.T) {
	out := &slowReader{entered: make(chan struct{}, 10_000), read: make(chan struct{})}
	log, end := openLog(out)
	log.Info().Msg("first")
	<-out.entered
	for range 400 {
		log.Info().Str("text", strings.Repeat("x", 1000)).Msg("more")
	}
	go close(out.read)
	for range 4000 {
		log.Info().Msg("more")
	}
	end()
	if got := out.String(); !strings.Contains(got, "lines of the log are missing here") || !strings.Contains(got, `"time":"20`) {
		t.Errorf("got %.300s, want the line about what is missing", got)
	}
}

func TestLoggingAllocatesNothingInTheRing(t *testing.T) {
	ring := newLogRing(discard{}, nil)
	defer ring.Close()
	line := []byte("a line\n")
	for range 1000 {
		ring.Write(line)
	}
	if n := testing.AllocsPerRun(1000, func() { ring.Write(line) }); n > 0 {
		t.Errorf("got %v allocations a line, want none", n)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
