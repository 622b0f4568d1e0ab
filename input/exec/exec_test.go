package exec

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// source writes to a pipe that the command reads.
type source struct {
	path string
	file *os.File
}

func (s *source) Send(t *testing.T, text string) {
	t.Helper()
	if s.file == nil {
		f, err := os.OpenFile(s.path, os.O_WRONLY, 0) // waits for the command
		if err != nil {
			t.Fatal(err)
		}
		s.file = f
	}
	if _, err := io.WriteString(s.file, text+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (s *source) Acked(*testing.T) int { return 0 }
func (s *source) Close() {
	if s.file != nil {
		s.file.Close()
	}
}

func lines() []config.Instance {
	return []config.Instance{{ID: "line", Options: &parse.Options{Name: "line", Format: "regex", Regex: "^(?<log>[a-z]+)$"}}}
}

func TestPromises(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
		path := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := New(&Options{Command: "cat <" + path, Parser: "line", Nsec: 1e6, BufSize: 4096, Oneshot: true}, config.FluentBit,
			input.Env{ID: "exec.0", Parsers: lines(), AllowExec: true})
		if err != nil {
			t.Fatal(err)
		}
		return in, &source{path: path}
	}})
}

// A collector takes lines, and closes done when there are n of them.
type collector struct {
	mu      sync.Mutex
	n       int
	events  []string
	rejects []string
	done    chan struct{}
}

func (c *collector) add(list *[]string, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*list = append(*list, text)
	if c.n--; c.n == 0 { // more may come
		close(c.done)
	}
}

func (c *collector) Add(tag []byte, _ record.Time, body []byte) {
	c.add(&c.events, fmt.Sprintf("%s %s", tag, record.AppendJSON(nil, body)))
}
func (c *collector) Reject(n int, reason string) { c.add(&c.rejects, fmt.Sprint(n, " ", reason)) }
func (c *collector) Flush(context.Context) error { return nil }

// run runs an input until it has n lines and rejects.
func run(t *testing.T, o *Options, n int) (events, rejects []string) {
	t.Helper()
	return runIn(t, o, n, input.Env{ID: "exec.0", Parsers: lines(), AllowExec: true, Log: zerolog.Nop()})
}

func runIn(t *testing.T, o *Options, n int, env input.Env) (events, rejects []string) {
	t.Helper()
	in, err := New(o, config.FluentBit, env)
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{n: n, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return c }) }()
	select {
	case <-c.done:
	case <-ctx.Done():
		t.Error("timed out")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return c.events, c.rejects
}

func TestLinesOfACommand(t *testing.T) {
	for name, c := range map[string]struct {
		o       Options
		events  []string
		rejects []string
	}{
		"lines":          {Options{Command: "echo one; echo; printf two", Oneshot: true}, []string{`exec.0 {"exec":"one"}`, `exec.0 {"exec":""}`, `exec.0 {"exec":"two"}`}, nil},
		"again":          {Options{Command: "echo one", Tag: "t"}, []string{`t {"exec":"one"}`, `t {"exec":"one"}`}, nil},
		"a long line":    {Options{Command: "echo 0123456789abcdefXY", BufSize: 16, Oneshot: true}, []string{`exec.0 {"exec":"0123456789abcdef"}`, `exec.0 {"exec":"XY"}`}, nil},
		"a parser":       {Options{Command: "echo one; echo 2; echo three", Parser: "line", Oneshot: true}, []string{`exec.0 {"log":"one"}`, `exec.0 {"log":"three"}`}, []string{"1 line can't be parsed"}},
		"it fails later": {Options{Command: "echo one; exit 3", Oneshot: true}, []string{`exec.0 {"exec":"one"}`}, nil},
	} {
		if c.o.Nsec = 1e6; c.o.BufSize == 0 {
			c.o.BufSize = 4096
		}
		events, rejects := run(t, &c.o, len(c.events)+len(c.rejects))
		if len(events) > len(c.events) { // it may have run once more
			events = events[:len(c.events)]
		}
		if !slices.Equal(events, c.events) || !slices.Equal(rejects, c.rejects) {
			t.Errorf("%s: got %q and %q, want %q and %q", name, events, rejects, c.events, c.rejects)
		}
	}
}

// TestCommandEndsWithItsTime: what it has started, too, and the log says why.
func TestCommandEndsWithItsTime(t *testing.T) {
	var log bytes.Buffer
	dir := t.TempDir()
	in, err := New(&Options{Command: "trap '' TERM; echo $$ >" + dir + "/pid; echo broken >&2; sleep 600", Nsec: 1e6, BufSize: 4096, Oneshot: true, Timeout: time.Second}, config.FluentBit,
		input.Env{AllowExec: true, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := in.(*Input).run(t.Context(), t.Context(), new(collector)); err == nil || !strings.Contains(err.Error(), "it has run for 1s, and was ended") || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v, want that the command was ended", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("got the end after %v, want it after 3 s", took)
	}
}

// TestNothingRunsUnlessAllowed: and the log says what to do.
func TestNothingRunsUnlessAllowed(t *testing.T) {
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "ran")
	in, err := New(&Options{Command: "touch " + path, Nsec: 1, BufSize: 4096}, config.FluentBit, input.Env{Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := in.Run(ctx, func() input.Receiver { return new(collector) }); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil || !strings.Contains(log.String(), "set allow_exec on") {
		t.Errorf("got %v and the log %s, want no file, and what to do", err, log.String())
	}
}
