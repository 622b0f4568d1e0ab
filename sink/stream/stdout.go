package stream

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

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

	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// NewStdout makes the destination that writes to the process's standard output.
func NewStdout(o *StdoutOptions, d config.Dialect, env Env) (sink.Destination, error) {
	s := &stdout{w: env.stdout()}
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

// Send writes the request by one write. It doesn't end with its context: a stream that nobody reads holds it up.
func (s *stdout) Send(ctx context.Context, req *sink.Request) sink.Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	if s.framing == framedNot {
		n, err := s.w.Write(req.Body)
		return written(req, n, err)
	}
	s.buf = s.framing.frame(s.buf[:0], req)
	if _, err := s.w.Write(s.buf); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("writing to stdout: %w", err)}
	}
	return sink.Reply{Reached: true}
}

// written says what became of a request of which n bytes were written: the items that are whole are done.
func written(req *sink.Request, n int, err error) sink.Reply {
	if err == nil {
		return sink.Reply{Reached: true}
	}
	r := sink.Reply{Verdict: sink.Again, Err: fmt.Errorf("writing to stdout: %w", err)}
	for i, end := range req.Ends {
		if end > n {
			break
		}
		r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Done})
	}
	return r
}

// frame appends the request with what belongs around its items.
func (f framing) frame(dst []byte, req *sink.Request) []byte {
	if f == framedStream {
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
