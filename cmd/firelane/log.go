package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// What is repeated is said repeatBurst times in each repeatWindow; after that it is counted, and the next line of the
// same text that is let through says how many were left out.
const (
	repeatWindow = 10 * time.Second
	repeatBurst  = 5
	// repeatTexts is how many different texts are remembered; texts are constants of the program, so it is never
	// reached unless one of them is not.
	repeatTexts = 1024
)

// newLogger makes the log of the process: JSON lines in a container, and a readable form on a terminal.
func newLogger(w io.Writer) zerolog.Logger {
	zerolog.TimeFieldFormat = time.RFC3339Nano
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(zerolog.SyncWriter(w)).Hook(&repeats{now: time.Now, seen: map[string]*repeat{}}).With().Timestamp().Logger()
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// repeats is a zerolog.Hook that holds back repeated lines.
type repeats struct {
	now  func() time.Time
	mu   sync.Mutex
	seen map[string]*repeat
}

type repeat struct {
	window time.Time
	said   int
	held   int
}

// Run implements zerolog.Hook. Lines are the same when their level and text are; their fields may differ.
func (r *repeats) Run(e *zerolog.Event, level zerolog.Level, text string) {
	if level < zerolog.InfoLevel || level > zerolog.ErrorLevel {
		return
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	line := r.seen[text]
	if line == nil {
		if len(r.seen) >= repeatTexts {
			clear(r.seen)
		}
		line = &repeat{window: now}
		r.seen[text] = line
	}
	if now.Sub(line.window) >= repeatWindow {
		line.window, line.said = now, 0
	}
	if line.said >= repeatBurst {
		line.held++
		e.Discard()
		return
	}
	line.said++
	if line.held > 0 {
		e.Int("repeated", line.held)
		line.held = 0
	}
}

// parseLevel maps the levels of both dialects (Fluent Bit: off, error, warn, info, debug, trace; Fluentd has fatal
// besides) to zerolog's. An unknown one, which the configuration has warned about, is info.
func parseLevel(s string) zerolog.Level {
	switch s {
	case "off":
		return zerolog.Disabled
	case "fatal", "error":
		return zerolog.ErrorLevel
	case "warn", "warning":
		return zerolog.WarnLevel
	case "debug":
		return zerolog.DebugLevel
	case "trace":
		return zerolog.TraceLevel
	}
	return zerolog.InfoLevel
}
