// Package stdin is Fluent Bit's input stdin: JSON, or lines for a parser, on the process's standard input.
package stdin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

const (
	maxValue  = 1 << 20                // bytes of a JSON value or a line, whatever the options say
	chunkSize = 16 << 10               // bytes of one read
	lookTime  = 250 * time.Millisecond // after which a wait for input looks whether it must stop
	flushTime = 5 * time.Second        // for putting records into the queues, at a stop
)

// Options are those of the input.
type Options struct {
	Tag     string      `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	BufSize config.Size `fluentbit:"buffer_size" default:"16000" strict:"true" help:"accepted; a JSON value or a line has 1 MiB at most"`
	Parser  string      `fluentbit:"parser" help:"parser of the lines; unless written, the input is a stream of JSON values"`
	input.CommonOptions
}

// Reasons for which input is refused.
const (
	notJSON  = "not JSON"
	notMap   = "not a JSON object, or an array of a time and an object"
	unparsed = "line can't be parsed"
	tooLong  = "value is too long"
)

// An Input reads a file.
type Input struct {
	log       zerolog.Logger
	tag       []byte
	parser    *parse.Parser // nil: JSON
	file      *os.File
	flushTime time.Duration
	reads     atomic.Int64

	buf  []byte // read and not used yet
	skip bool   // the rest of the line is skipped
	body []byte

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
}

// New makes the input.
func New(o *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	in, err := newInput(o, env, os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("stdin: %w", err)
	}
	return in, nil
}

func newInput(o *Options, env input.Env, f *os.File) (*Input, error) {
	in := &Input{log: env.Log, tag: []byte(cmp.Or(o.Tag, env.DefaultTag())), file: f, flushTime: cmp.Or(env.FlushTime, flushTime)}
	if o.Parser != "" {
		var err error
		if in.parser, err = parse.Find(o.Parser, parse.Env{Parsers: env.Parsers, Log: env.Log}); err != nil {
			return nil, err
		}
	}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in, nil
}

// Reads implements input.ReadCounter.
func (in *Input) Reads() int64 { return in.reads.Load() }

// Run reads until the end of the file, or until ctx ends and nothing more is there, or too much for the time of a stop.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	flushing, abandon := context.WithCancel(in.ctx)
	defer abandon()
	late := context.AfterFunc(ctx, func() { time.AfterFunc(in.flushTime, abandon) }) // what was read may still be queued
	defer late()
	recv, chunk := receiver(), make([]byte, chunkSize)
	for flushing.Err() == nil {
		there, err := in.wait(ctx)
		if err != nil {
			return fmt.Errorf("waiting for standard input: %w", err)
		}
		if !there {
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		n, err := unix.Read(int(in.file.Fd()), chunk)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil:
			return fmt.Errorf("reading standard input: %w", err)
		}
		in.reads.Add(1)
		in.buf = append(in.buf, chunk[:n]...)
		in.take(recv, n == 0)
		if err := recv.Flush(flushing); err != nil && !errors.Is(err, input.ErrHeld) {
			in.log.Warn().Msg("standard input was read and not queued before the input stopped")
			return nil
		}
		if n == 0 {
			in.log.Info().Msg("standard input has ended; the router goes on")
			return nil
		}
	}
	return nil
}

// wait waits a moment for input, not at all once ctx has ended.
func (in *Input) wait(ctx context.Context) (there bool, err error) {
	fds := []unix.PollFd{{Fd: int32(in.file.Fd()), Events: unix.POLLIN}}
	d := lookTime
	if ctx.Err() != nil {
		d = 0
	}
	n, err := unix.Poll(fds, int(d.Milliseconds()))
	if err == unix.EINTR {
		return false, nil
	}
	return n > 0, err
}

// take takes what is complete of the buffer; all of it at the end of the file.
func (in *Input) take(recv input.Receiver, ended bool) {
	rest := in.buf
	for len(rest) > 0 {
		var used int
		if in.skip {
			end := bytes.IndexByte(rest, '\n')
			if used = end + 1; end < 0 {
				used = len(rest)
			}
			in.skip = end < 0
		} else if in.parser != nil {
			used = in.line(recv, rest, ended)
		} else {
			used = in.value(recv, rest, ended)
		}
		if used == 0 && !in.skip {
			break
		}
		rest = rest[used:]
	}
	if len(rest) > maxValue {
		in.reject(recv, tooLong, len(rest), nil)
		rest, in.skip = nil, true
	}
	in.buf = append(in.buf[:0], rest...)
	if len(in.buf) == 0 && cap(in.buf) > 4*chunkSize {
		in.buf = nil
	}
}

// line takes a line, and returns how many bytes it took; 0 if its end has not come.
func (in *Input) line(recv input.Receiver, b []byte, ended bool) int {
	end, used := bytes.IndexByte(b, '\n'), 0
	switch {
	case end >= 0:
		used = end + 1
	case ended:
		end, used = len(b), len(b)
	default:
		return 0
	}
	text := bytes.TrimSuffix(b[:end], []byte("\r"))
	if len(text) == 0 {
		return used
	}
	at := now()
	body, ok := in.parser.Parse(in.body[:0], text, &at)
	if n, err := record.Check(body); !ok || err != nil || n != len(body) { // decoded fields may be nested too deep
		in.reject(recv, unparsed, len(text), nil)
		return used
	}
	in.body = body
	recv.Add(in.tag, at, body)
	return used
}

// value takes a JSON value: an object, or an array of a time and an object. It returns how many bytes it took; 0 if the value's
// end has not come. What isn't JSON costs its line.
func (in *Input) value(recv input.Receiver, b []byte, ended bool) int {
	text := bytes.TrimLeft(b, " \t\r\n")
	if len(text) == 0 {
		return len(b)
	}
	out, rest, err := record.NextFromJSON(in.body[:0], text)
	if errors.Is(err, record.ErrShort) && !ended {
		return 0
	}
	if err != nil {
		in.reject(recv, notJSON, len(text), err)
		in.skip = true
		return len(b) - len(text)
	}
	if len(rest) == 0 && !ended && text[0] != '{' && text[0] != '[' {
		return 0 // a number's end has not come
	}
	in.body = out
	at, body, ok := event(out)
	if !ok {
		in.reject(recv, notMap, len(text)-len(rest), nil)
	} else {
		recv.Add(in.tag, at, body)
	}
	return len(b) - len(rest)
}

// event reads an object, or [seconds, object].
func event(v []byte) (at record.Time, body []byte, ok bool) {
	at = now()
	if record.KindOf(v[0]) == record.KindArray {
		n, rest, err := record.ArrayHeader(v)
		if err != nil || n != 2 {
			return at, nil, false
		}
		body, err := record.Skip(rest)
		if err != nil || len(body) == 0 {
			return at, nil, false
		}
		if at, ok = seconds(rest[:len(rest)-len(body)]); !ok {
			return at, nil, false
		}
		v = body
	}
	return at, v, record.KindOf(v[0]) == record.KindMap
}

// seconds reads a time: seconds since 1970, a number.
func seconds(v []byte) (record.Time, bool) {
	if n, _, err := record.Int(v); err == nil && n >= 0 && n <= 1<<32-1 {
		return record.Time{Sec: uint32(n)}, true
	}
	if f, _, err := record.Float(v); err == nil && f >= 0 && f < 1<<32 {
		return record.Time{Sec: uint32(f), Nsec: uint32((f - float64(uint32(f))) * 1e9)}, true
	}
	return record.Time{}, false
}

func (in *Input) reject(recv input.Receiver, reason string, n int, err error) {
	recv.Reject(1, reason)
	in.log.Warn().Err(err).Str("reason", reason).Int("bytes", n).Msg("a part of standard input is not in the format of the input: skipped to the end of its line")
}

func now() record.Time {
	t := time.Now()
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
}

// WaitIdle returns at once: what nobody has written needn't be waited for, and Run takes the rest.
func (in *Input) WaitIdle(ctx context.Context) error { return ctx.Err() }

// Close ends Run.
func (in *Input) Close() error {
	in.cancel()
	return nil
}
