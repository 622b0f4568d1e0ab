package stream

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// framing is what stands around the items of one request.
type framing uint8

const (
	framedNot      framing = iota // items are lines, or follow one another
	framedAsArray                 // [item,item]\n
	framedNumbered                // [0] item [1] item
	framedStream                  // items without anything between them, and a newline at the end
)

// stdout writes text to a stream. Requests are written one after another.
type stdout struct {
	format  formatter
	framing framing
	w       io.Writer

	turn chan struct{} // holds a value while a request is being written
	buf  []byte        // what is being written; belongs to whoever has the turn
}

// NewStdout makes the destination that writes to the process's standard output.
func NewStdout(o *StdoutOptions, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return newStdout(o, d, env, os.Stdout)
}

func newStdout(o *StdoutOptions, d config.Dialect, env sink.Env, w io.Writer) (sink.Destination, error) {
	s := &stdout{w: w, turn: make(chan struct{}, 1)}
	if d == config.FluentBit {
		s.format, s.framing = fluentBitStdout(o)
		return s, nil
	}
	var f FormatOptions
	if o.FluentdFormat != nil {
		f = *o.FluentdFormat
	}
	kind := first(f.Type, o.OldFormat, "stdout")
	if o.OldOutputType != "" {
		f.OutputType = o.OldOutputType
	}
	var err error
	if s.format, err = fluentd(f, kind); err != nil {
		return nil, err
	}
	inject, err := newInjector(o.Inject, env)
	if err != nil {
		return nil, err
	}
	s.format = inject.wrap(s.format)
	return s, nil
}

func fluentBitStdout(o *StdoutOptions) (formatter, framing) {
	key := first(o.JSONDateKey, "date")
	switch strings.ToLower(key) {
	case "false", "off", "no":
		key = ""
	}
	switch o.Format {
	case "json":
		return fluentBitJSON(key, o.JSONDateFormat, ""), framedAsArray
	case "json_lines":
		return fluentBitJSON(key, o.JSONDateFormat, "\n"), framedNot
	case "json_stream":
		return fluentBitJSON(key, o.JSONDateFormat, ""), framedStream
	}
	return fluentBitText, framedNumbered
}

// first is the first text that isn't empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func (s *stdout) Append(body []byte, r *sink.Record) ([]byte, error) { return s.format(body, r) }

// lastWrite is how long a write may still take when the context has ended.
const lastWrite = 100 * time.Millisecond

// Send writes the request by one write. A write to a pipe that nobody reads can't be ended: some time after ctx it is
// left to itself, with a copy of the items, and they count as not written. Where it comes through after all, they are
// written once more by the next start.
func (s *stdout) Send(ctx context.Context, req *sink.Request) sink.Reply {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("waiting for stdout: %w", ctx.Err())}
	}
	if err := ctx.Err(); err != nil {
		<-s.turn
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	s.buf = s.framing.frame(s.buf[:0], req)
	done := make(chan outcome, 1)
	go func() {
		n, err := s.w.Write(s.buf)
		<-s.turn
		done <- outcome{n, err}
	}()
	select {
	case o := <-done:
		return s.written(req, o)
	case <-ctx.Done():
	}
	limit := time.NewTimer(lastWrite)
	defer limit.Stop()
	select {
	case o := <-done:
		return s.written(req, o)
	case <-limit.C:
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("writing to stdout, which nobody reads: %w", ctx.Err())}
	}
}

// An outcome is that of a write.
type outcome struct {
	n   int
	err error
}

// written says what became of a request: the items that are whole are done, where they stand in the output one by one.
func (s *stdout) written(req *sink.Request, o outcome) sink.Reply {
	if o.err == nil {
		return sink.Reply{Cause: sink.Answered}
	}
	r := sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("writing to stdout: %w", o.err)}
	for i, end := range req.Ends {
		if end > o.n || s.framing != framedNot {
			break
		}
		r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Done})
	}
	return r
}

// frame appends the request with what belongs around its items.
func (f framing) frame(dst []byte, req *sink.Request) []byte {
	switch f {
	case framedNot:
		return append(dst, req.Body...)
	case framedStream:
		return append(append(dst, req.Body...), '\n')
	}
	if f == framedAsArray {
		dst = append(dst, '[')
	}
	for i := range req.Len() {
		switch {
		case f == framedNumbered:
			dst = append(strconv.AppendInt(append(dst, '['), int64(i), 10), "] "...)
		case i > 0:
			dst = append(dst, ',')
		}
		dst = append(dst, req.Item(i)...)
	}
	if f == framedAsArray {
		dst = append(dst, ']', '\n')
	}
	return dst
}

// Close does nothing: the process's stream isn't ours.
func (s *stdout) Close() error { return nil }

// Limits keeps the requests in order, and small.
func (s *stdout) Limits() sink.Limits { return sink.Limits{Workers: 1, MaxBytes: 256 << 10} }
