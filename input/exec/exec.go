// Package exec is the input exec of both dialects: the lines that a command writes. It runs nothing unless [SERVICE] or <system> has
// allow_exec.
package exec

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// unparsed is the reason for which a line is rejected.
const unparsed = "line can't be parsed"

const (
	maxLine     = 1 << 20              // bytes of a line (buf_size); a longer one is cut into several
	minLine     = 16                   // bufio's own minimum
	maxBatch    = 128 << 10            // bytes of lines that are flushed together, about
	maxInterval = 365 * 24 * time.Hour // between two runs of the command
	maxErrors   = 400                  // bytes of what a command that fails writes to its standard error, in the log
	killTime    = 2 * time.Second      // for a command to end after SIGTERM, before SIGKILL
	flushTime   = 5 * time.Second      // for putting lines into the queues, at a stop
)

// Options are those of the input.
type Options struct {
	Tag       string        `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	Command   string        `fluentbit:"command" required:"true" secret:"true" help:"command line, which /bin/sh runs if allow_exec is on in [SERVICE]"`
	Parser    string        `fluentbit:"parser" unknown:"left out" help:"parser of the lines; unless written, each is the field exec"`
	Sec       int64         `fluentbit:"interval_sec" default:"1" help:"seconds between two starts of the command"`
	Nsec      int64         `fluentbit:"interval_nsec" default:"0" help:"nanoseconds more between two starts"`
	BufSize   config.Size   `fluentbit:"buf_size" default:"4096" strict:"true" help:"longest line; a longer one becomes several; at most 1 MiB"`
	Oneshot   bool          `fluentbit:"oneshot" default:"false" help:"run the command once"`
	Timeout   time.Duration `fluentbit:"timeout" help:"how long the command may run; unless written, as long as it likes"`
	ExitAfter bool          `fluentbit:"exit_after_oneshot" ignored:"the router goes on" help:"accepted"`
	Propagate bool          `fluentbit:"propagate_exit_code" ignored:"the router's exit code is its own" help:"accepted"`
	input.CommonOptions
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *Options) Warnings() (w []string) {
	if o.BufSize > maxLine {
		w = append(w, "buf_size is 1 MiB here at most")
	}
	return w
}

// An Input runs a command.
type Input struct {
	log       zerolog.Logger
	command   string
	page      string // the command only reads this page of the router; "": it is another one
	allowed   bool
	stderr    bool          // its standard error is read, too
	interval  time.Duration // between two starts; 0: it is started at once, and not again
	once      bool          // it is started only once
	timeout   time.Duration // 0: none
	lineSize  int           // longest line, in bytes
	flushTime time.Duration
	lines     taker

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
}

// A taker takes the lines of a command. What is no event is rejected.
type taker interface {
	take(recv input.Receiver, line []byte)
	end(recv input.Receiver) // the command has ended
}

// New makes the input of Fluent Bit.
func New(o *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	in := newInput(o.Command, env)
	in.interval = min(time.Duration(min(max(o.Sec, 0), int64(maxInterval/time.Second)))*time.Second+time.Duration(max(o.Nsec, 0)), maxInterval)
	if in.interval <= 0 {
		in.interval = time.Second
	}
	in.page, in.once, in.timeout = OwnPage(o.Command), o.Oneshot, o.Timeout
	in.lineSize = min(max(int(o.BufSize), minLine), maxLine)
	l := &bitLines{log: env.Log, tag: []byte(cmp.Or(o.Tag, env.DefaultTag())), name: o.Parser}
	if o.Parser != "" {
		var err error
		if l.parser, err = parse.Find(o.Parser, parse.Env{Parsers: env.Parsers, Log: env.Log}); err != nil {
			return nil, fmt.Errorf("exec: %w", err)
		}
	}
	in.lines = l
	return in, nil
}

func newInput(command string, env input.Env) *Input {
	in := &Input{log: env.Log, command: command, allowed: env.AllowExec, flushTime: cmp.Or(env.FlushTime, flushTime)}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in
}

// Run runs the command until ctx ends or Close is called.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(in.ctx, cancel)
	defer stop()
	flushing, abandon := context.WithCancel(in.ctx)
	defer abandon()
	late := context.AfterFunc(ctx, func() { time.AfterFunc(killTime+in.flushTime, abandon) }) // what was read may still be queued
	defer late()
	run := in.run
	if in.page != "" {
		run = in.readPage
	} else if !in.allowed {
		in.log.Error().Msg("the command is not run: inputs of the kind exec are off; set allow_exec on in [SERVICE] or <system> to allow them")
		<-ctx.Done()
		return nil
	}
	recv := receiver()
	var due <-chan time.Time
	if in.interval > 0 {
		tick := time.NewTicker(in.interval)
		defer tick.Stop()
		due = tick.C
	} else {
		now := make(chan time.Time, 1)
		now <- time.Time{}
		due = now
	}
	for {
		select {
		case <-due:
		case <-ctx.Done():
			return nil
		}
		if err := run(ctx, flushing, recv); err != nil && ctx.Err() == nil {
			in.log.Warn().Err(err).Msg("the command failed")
		}
		if in.once {
			<-ctx.Done()
			return nil
		}
	}
}

// run runs the command to its end.
func (in *Input) run(ctx, flushing context.Context, recv input.Receiver) error {
	if in.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, in.timeout)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", in.command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what the command has started ends with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	errs := new(beginning)
	cmd.Stderr, cmd.WaitDelay = errs, killTime
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if in.stderr {
		cmd.Stderr = cmd.Stdout
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	kill := context.AfterFunc(ctx, func() { // the pipe stays open as long as what the command has started has it
		select {
		case <-time.After(killTime):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // all of it may be ending just now
			_ = out.Close()
		case <-ended:
		}
	})
	defer kill()
	err = in.read(flushing, out, recv)
	if err != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nobody reads it any more
	}
	err = errors.Join(err, cmd.Wait())
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it has run for %v, and was ended: %w", in.timeout, err)
	}
	if text := errs.String(); err != nil && text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// A beginning keeps the first bytes of what a command writes.
type beginning struct {
	mu sync.Mutex
	b  []byte
}

func (w *beginning) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p[:min(len(p), maxErrors-len(w.b))]...)
	return len(p), nil
}

func (w *beginning) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(w.b), "?"))
}

// read takes lines until the end, and flushes when no more are there.
func (in *Input) read(ctx context.Context, out io.Reader, recv input.Receiver) error {
	r := bufio.NewReaderSize(out, in.lineSize)
	added := 0
	for {
		line, err := r.ReadSlice('\n')
		if n := len(line); n > 0 {
			if line[n-1] == '\n' {
				line = line[:n-1]
			}
			in.lines.take(recv, line)
			added += n
		}
		ended := err != nil && !errors.Is(err, bufio.ErrBufferFull)
		if ended {
			in.lines.end(recv)
		}
		if added > 0 && (ended || r.Buffered() == 0 || added >= maxBatch) {
			added = 0
			if ferr := recv.Flush(ctx); ferr != nil && !errors.Is(ferr, input.ErrHeld) {
				return ferr
			}
		}
		if ended {
			return nil // reading fails only where the command is killed, which Wait tells
		}
	}
}

// bitLines makes an event of each line, as Fluent Bit does.
type bitLines struct {
	log    zerolog.Logger
	tag    []byte
	name   string        // of the parser
	parser *parse.Parser // nil: none
	body   []byte
}

func (l *bitLines) take(recv input.Receiver, line []byte) {
	at := now()
	if l.parser == nil {
		l.body = record.AppendStrBytes(record.AppendStr(record.AppendMapHeader(l.body[:0], 1), "exec"), line)
		recv.Add(l.tag, at, l.body)
		return
	}
	body, ok := l.parser.Parse(l.body[:0], line, &at)
	l.body = body
	if n, err := record.Check(body); !ok || err != nil || n != len(body) { // decoded fields may be nested too deep
		recv.Reject(1, unparsed)
		l.log.Warn().Str("parser", l.name).Int("bytes", len(line)).Msg("a line is not in the format of the parser: skipped")
		return
	}
	recv.Add(l.tag, at, body)
}

func (l *bitLines) end(input.Receiver) {}

func now() record.Time {
	t := time.Now()
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
}

// WaitIdle returns at once: what the command has not written needn't be waited for.
func (in *Input) WaitIdle(ctx context.Context) error { return ctx.Err() }

// Close ends Run.
func (in *Input) Close() error {
	in.cancel()
	return nil
}
