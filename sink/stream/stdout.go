package stream

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/format"
)

// framing is what is written around the items of one request.
type framing uint8

const (
	unframed       framing = iota // nothing
	framedAsArray                 // [item,item]\n
	framedNumbered                // [0] item [1] item
	framedStream                  // a newline at the end
	framedCount                   // a line that counts them, instead of them
)

// stdout writes text to a stream, one request at a time.
type stdout struct {
	format  format.Func
	framing framing
	w       io.Writer

	metrics atomic.Bool // there was one

	writing chan struct{} // a lock that a select can wait for: holds a value while a request is being written
	buf     []byte        // the text being written; guarded by writing
}

// NewStdout makes a destination that writes to the process's standard output.
func NewStdout(o *StdoutOptions, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return newStdout(o, d, env, os.Stdout)
}

func newStdout(o *StdoutOptions, d config.Dialect, env sink.Env, w io.Writer) (sink.Destination, error) {
	s := &stdout{w: w, writing: make(chan struct{}, 1)}
	if d == config.FluentBit {
		s.format, s.framing = fluentBitStdout(o)
		return s, nil
	}
	var f format.Options
	if o.FluentdFormat != nil {
		f = *o.FluentdFormat
	}
	kind := first(f.Type, o.OldFormat, "stdout")
	if o.OldOutputType != "" {
		f.OutputType = o.OldOutputType
	}
	var err error
	if s.format, err = format.Fluentd(f, kind); err != nil {
		return nil, err
	}
	inject, err := format.NewInjector(o.Inject, env)
	if err != nil {
		return nil, err
	}
	s.format = inject.Wrap(s.format)
	return s, nil
}

func fluentBitStdout(o *StdoutOptions) (format.Func, framing) {
	key := format.DateKey(o.JSONDateKey)
	switch o.Format {
	case "json", "otlp_json", "otlp_json_pretty":
		return format.JSON(key, o.JSONDateFormat, ""), framedAsArray
	case "json_lines":
		return format.JSON(key, o.JSONDateFormat, "\n"), unframed
	case "json_stream":
		return format.JSON(key, o.JSONDateFormat, ""), framedStream
	}
	return format.Text, framedNumbered
}

// first returns the first text that isn't empty, "" if all are.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func (s *stdout) Append(body []byte, r *sink.Record) ([]byte, error) {
	if metric.Is(r.Body) {
		if out, ok := appendMetric(append(body, line), r); ok {
			s.metrics.Store(true)
			return out, nil
		}
	}
	return s.format(body, r)
}

// maxKeptText is the largest buffer that is kept for the next request, in bytes.
const maxKeptText = 1 << 20

// lastWrite is how long a write may go on after the context has ended.
const lastWrite = 100 * time.Millisecond

// Send writes the request with one write. A write to a pipe that nobody reads can't be interrupted: lastWrite after the end
// of ctx, Send returns while the write goes on (with a copy of the items, in buf), and the items count as not written. If
// that write succeeds after all, the next start writes them again.
func (s *stdout) Send(ctx context.Context, req *sink.Request) sink.Reply {
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("waiting for stdout: %w", ctx.Err())}
	}
	if err := ctx.Err(); err != nil {
		<-s.writing
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	s.buf = s.text(s.buf[:0], req)
	done := make(chan outcome, 1)
	go func() {
		n, err := s.w.Write(s.buf)
		if cap(s.buf) > maxKeptText {
			s.buf = nil
		}
		<-s.writing
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
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("writing to stdout, which blocks because nobody reads it: %w", ctx.Err())}
	}
}

// An outcome is the result of a write.
type outcome struct {
	n   int
	err error
}

// written returns the reply for a write. After an error, the items that were written completely are done, unless there is
// text around them.
func (s *stdout) written(req *sink.Request, o outcome) sink.Reply {
	if o.err == nil {
		return sink.Reply{Cause: sink.Answered}
	}
	r := sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("writing to stdout: %w", o.err)}
	for i, end := range req.Ends {
		if end > o.n || s.framing != unframed || s.metrics.Load() {
			break
		}
		r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Done})
	}
	return r
}

// text appends what is written for the request: its metrics, then the other items with the text around them.
func (s *stdout) text(dst []byte, req *sink.Request) []byte {
	if s.metrics.Load() {
		if dst, req = metricLines(dst, req); req.Len() == 0 {
			return dst
		}
	}
	return s.framing.frame(dst, req)
}

// frame appends the items of the request with the text around them.
func (f framing) frame(dst []byte, req *sink.Request) []byte {
	switch f {
	case unframed:
		return append(dst, req.Body...)
	case framedStream:
		return append(append(dst, req.Body...), '\n')
	case framedCount:
		return appendCount(dst, req.Len(), time.Now())
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

// Close does nothing: the stream belongs to the process.
func (s *stdout) Close() error { return nil }

// Limits implements sink.Destination. One worker keeps the records in order.
func (s *stdout) Limits() sink.Limits { return sink.Limits{Workers: 1, MaxBytes: 256 << 10} }
