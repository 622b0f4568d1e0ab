// Package keyed is the smallest destination with a key and limits, as an example: it keeps each line under the name of its
// stream, in memory. It isn't in the catalogue.
package keyed

import (
	"context"
	"errors"
	"sync"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// Options are the options of keyed.
type Options struct {
	StreamKey string `fluentbit:"stream_key" fluentd:"stream_key" default:"stream" help:"field that names the stream; if it is missing, the tag is used"`
	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error { return o.CheckOutput(d) }

// Limits of the imaginary service.
const (
	maxLine  = 256 // largest line in bytes, overhead included
	overhead = 26  // bytes added to each line's size
	maxLines = 100 // in a request
)

// Streams is the destination.
type Streams struct {
	key string

	mu    sync.Mutex
	lines map[string][]string
}

// New makes a Streams.
func New(o *Options, _ config.Dialect, _ sink.Env) (sink.Destination, error) {
	return &Streams{key: o.StreamKey, lines: map[string][]string{}}, nil
}

// Key is the stream's name.
func (s *Streams) Key(dst []byte, r *sink.Record) ([]byte, error) {
	if v, ok := record.Find(r.Body, s.key); ok {
		return record.AppendText(dst, v), nil
	}
	return append(dst, r.Tag...), nil
}

var errNoLog = errors.New("the record has no field log")

// Append makes an item of the field log.
func (s *Streams) Append(body []byte, r *sink.Record) ([]byte, error) {
	v, ok := record.Find(r.Body, "log")
	if !ok {
		return body, errNoLog
	}
	return record.AppendText(body, v), nil
}

// Send keeps the lines of each stream.
func (s *Streams) Send(ctx context.Context, req *sink.Request) sink.Reply {
	if err := ctx.Err(); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for stream, items := range req.ByKey() {
		for _, i := range items {
			s.lines[string(stream)] = append(s.lines[string(stream)], string(req.Item(i)))
		}
	}
	return sink.Reply{Cause: sink.Answered}
}

// Limits implements sink.Destination.
func (s *Streams) Limits() sink.Limits {
	return sink.Limits{MaxItems: maxLines, MaxItem: maxLine, ItemOverhead: overhead}
}

// Lines returns the lines of one stream, in the order in which they arrived.
func (s *Streams) Lines(stream string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines[stream]...)
}

// Close does nothing: there is no connection.
func (s *Streams) Close() error { return nil }
