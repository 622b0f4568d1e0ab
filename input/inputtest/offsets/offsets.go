// Package offsets is a small input that reads the lines of a file, and saves how far it has come in a second file: an
// example of an input that acknowledges by an offset, for the contract tests.
package offsets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

const (
	pollEvery = 10 * time.Millisecond // between two reads of a file that has not grown, or two flushes of held events
	readSize  = 32 << 10              // bytes of a line, at most: what is longer is cut
)

// Options are the options of the input.
type Options struct {
	Path   string `fluentbit:"path" fluentd:"path" required:"true" help:"file of lines, each ended by a newline"`
	Offset string `fluentbit:"offset_file" fluentd:"offset_file" required:"true" help:"file with the number of bytes that are queued"`
}

// Input reads one file.
type Input struct {
	opts Options
	tag  []byte
	file *os.File

	cancel context.CancelFunc // ends Run
	ctx    context.Context

	mu   sync.Mutex
	idle chan struct{} // closed while all that the file had is flushed
	read bool          // something is not flushed
}

// New opens the file and finds the offset at which a former run has left it.
func New(opts *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	at, err := savedOffset(opts.Offset)
	if err != nil {
		return nil, fmt.Errorf("offsets: %w", err)
	}
	file, err := os.Open(opts.Path)
	if err != nil {
		return nil, fmt.Errorf("offsets: %w", err)
	}
	if _, err := file.Seek(at, io.SeekStart); err != nil {
		return nil, errors.Join(fmt.Errorf("offsets: %w", err), file.Close())
	}
	in := &Input{opts: *opts, tag: []byte(env.ID), file: file, idle: make(chan struct{}), read: true}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in, nil
}

func savedOffset(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// Run reads lines until ctx ends or Close is called. What is flushed is saved; what is not is read again by the next run.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(in.ctx, cancel)
	defer stop()
	err := in.follow(ctx, receiver())
	if ctx.Err() != nil || in.ctx.Err() != nil {
		return nil
	}
	return err
}

func (in *Input) follow(ctx context.Context, recv input.Receiver) error {
	at, err := in.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	buf, n := make([]byte, readSize), 0
	for ctx.Err() == nil {
		k, err := in.file.Read(buf[n:])
		if err != nil && err != io.EOF {
			return err
		}
		n += k
		used := in.add(recv, buf[:n])
		if used == 0 {
			in.setIdle(n == 0)
			pause(ctx)
			continue
		}
		in.setIdle(false)
		if err := flush(ctx, recv); err != nil {
			return err
		}
		at += int64(used)
		if err := in.save(at); err != nil {
			return err
		}
		n = copy(buf, buf[used:n])
	}
	return nil
}

// add adds the whole lines of b and returns how many bytes they have.
func (in *Input) add(recv input.Receiver, b []byte) (used int) {
	for {
		line, _, whole := bytes.Cut(b[used:], []byte{'\n'})
		if !whole && (used > 0 || len(b) < readSize) {
			return used
		}
		now := time.Now()
		body := record.AppendStr(record.AppendMapHeader(nil, 1), "log")
		recv.Add(in.tag, record.Time{Sec: uint32(now.Unix()), Nsec: uint32(now.Nanosecond())}, record.AppendStrBytes(body, line))
		if !whole {
			return len(b)
		}
		used += len(line) + 1
	}
}

// flush returns when everything that was added is queued, and no step holds any of it.
func flush(ctx context.Context, recv input.Receiver) error {
	for {
		err := recv.Flush(ctx)
		if !errors.Is(err, input.ErrHeld) {
			return err
		}
		if pause(ctx); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(pollEvery):
	}
}

// save writes the offset beside the old one and renames it, so that a crash leaves one of the two.
func (in *Input) save(at int64) error {
	next := in.opts.Offset + ".new"
	if err := os.WriteFile(next, strconv.AppendInt(nil, at, 10), 0o600); err != nil {
		return err
	}
	return os.Rename(next, in.opts.Offset)
}

// setIdle notes whether everything that the file has is flushed.
func (in *Input) setIdle(idle bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case idle && in.read:
		close(in.idle)
	case !idle && !in.read:
		in.idle = make(chan struct{})
	}
	in.read = !idle
}

// WaitIdle waits until everything that the file has is flushed.
func (in *Input) WaitIdle(ctx context.Context) error {
	in.mu.Lock()
	idle := in.idle
	in.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends Run.
func (in *Input) Close() error {
	in.cancel()
	if err := in.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
