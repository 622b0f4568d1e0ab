// Package ownlog makes events of the router's own log: Fluent Bit's input fluentbit_logs, and Fluentd's label @FLUENT_LOG.
//
// A line about an output that gets these events is left out: otherwise an output that fails would get an event for each failure,
// without end.
package ownlog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

const (
	// pace is the time between two flushes: what is logged meanwhile is flushed together.
	pace = 100 * time.Millisecond
	// flushTime is how long events may wait for a full queue after a stop.
	flushTime = 5 * time.Second
	// maxFields is how many fields of a line an event has.
	maxFields = 64
)

// Reasons of lines that don't become events.
const (
	missed  = "own log: too many lines, or too long"
	notJSON = "own log: not a line of JSON"
)

// Options are those of the input.
type Options struct {
	Tag string `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	input.CommonOptions
}

// An Input follows the log.
type Input struct {
	id        string
	dialect   config.Dialect
	tag       []byte // Fluent Bit
	log       *input.LogReader
	feeds     func(output string) bool
	flushTime time.Duration

	body, parsed, message []byte

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
}

// New makes the input. It gets what is logged from then on.
func New(o *Options, d config.Dialect, env input.Env) (input.Input, error) {
	in := &Input{
		id: env.ID, dialect: d, tag: []byte(cmp.Or(o.Tag, env.DefaultTag())), feeds: env.Feeds, flushTime: cmp.Or(env.FlushTime, flushTime),
	}
	log := env.OwnLog
	if log == nil {
		log = new(input.OwnLog) // nothing is logged
	}
	in.log = log.Follow()
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in, nil
}

// ReadsOwnLog implements input.LogSource.
func (in *Input) ReadsOwnLog() bool { return true }

// Reads implements input.ReadCounter: what the router itself logs doesn't keep it from stopping.
func (in *Input) Reads() int64 { return 0 }

// Run makes events until ctx ends, and then of what has been logged already.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(in.ctx, cancel)
	defer stop()
	flushing, abandon := context.WithCancel(in.ctx)
	defer abandon()
	late := context.AfterFunc(ctx, func() { time.AfterFunc(in.flushTime, abandon) })
	defer late()
	recv := receiver()
	var spare []byte
	for {
		select {
		case <-in.log.Wake():
		case <-ctx.Done():
		}
		lines, n := in.log.Take(spare)
		if n > 0 {
			recv.Reject(n, missed)
		}
		for line := range bytes.Lines(lines) {
			in.line(recv, line)
		}
		spare = lines
		if err := recv.Flush(flushing); err != nil && !errors.Is(err, input.ErrHeld) {
			return nil // the stop came before a queue had room
		}
		if ctx.Err() != nil {
			return nil
		}
		pause(ctx)
	}
}

func pause(ctx context.Context) {
	timer := time.NewTimer(pace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// line makes an event of a line, unless it is about a part that gets the event.
func (in *Input) line(recv input.Receiver, line []byte) {
	parsed, err := record.AppendFromJSON(in.parsed[:0], line)
	if err != nil || record.KindOf(parsed[0]) != record.KindMap {
		recv.Reject(1, notJSON)
		return
	}
	in.parsed = parsed
	f := readFields(parsed)
	if f.about(in) {
		return
	}
	at := f.time()
	if in.dialect == config.Fluentd {
		recv.Add(append([]byte("fluent."), f.level...), at, in.fluentd(&f))
		return
	}
	recv.Add(in.tag, at, in.fluentBit(&f))
}

// fluentd is the record that Fluentd makes: the fields, and the message, which has them, too.
func (in *Input) fluentd(f *fields) []byte {
	b := record.AppendMapHeader(in.body[:0], f.n+1)
	for _, m := range f.list[:f.n] {
		b = append(record.AppendStrBytes(b, m.key), m.value...)
	}
	in.body = record.AppendStrBytes(record.AppendStr(b, "message"), in.text(f))
	return in.body
}

// fluentBit is the record that Fluent Bit makes: the level, and the message with all fields.
func (in *Input) fluentBit(f *fields) []byte {
	b := record.AppendMapHeader(in.body[:0], 2)
	b = record.AppendStrBytes(record.AppendStr(b, "level"), f.level)
	in.body = record.AppendStrBytes(record.AppendStr(b, "message"), in.text(f))
	return in.body
}

// text is the message and the fields, as NAME=VALUE.
func (in *Input) text(f *fields) []byte {
	b := append(in.message[:0], f.message...)
	for _, m := range f.list[:f.n] {
		b = append(append(append(b, ' '), m.key...), '=')
		b = record.AppendJSON(b, m.value)
	}
	in.message = b
	return b
}

// WaitIdle returns at once: Run makes events of what has been logged after its context has ended.
func (in *Input) WaitIdle(ctx context.Context) error { return ctx.Err() }

// Close ends Run.
func (in *Input) Close() error {
	in.log.Close()
	in.cancel()
	return nil
}
