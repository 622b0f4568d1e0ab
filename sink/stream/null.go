package stream

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// null discards all records.
type null struct{}

// NewNull makes a destination that discards all records.
func NewNull(*NullOptions, config.Dialect, sink.Env) (sink.Destination, error) { return null{}, nil }

func (null) Append(body []byte, _ *sink.Record) ([]byte, error) { return body, nil }

func (null) Send(context.Context, *sink.Request) sink.Reply { return sink.Reply{Cause: sink.Answered} }

func (null) Close() error { return nil }

func (null) Limits() sink.Limits { return sink.Limits{Workers: 1} }

// TakesMetrics implements sink.MetricTaker.
func (null) TakesMetrics() (metrics, others bool) { return true, true }
