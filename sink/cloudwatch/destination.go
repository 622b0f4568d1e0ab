// Package cloudwatch is the destination CloudWatch Logs.
//
// An item is an event: its time and its message. The key of an item is its group and stream. A request becomes calls of
// PutLogEvents, at least one for each stream, with events in the order of their times; the calls are made at the same time. Groups and
// streams are created when the service says that they don't exist. PutLogEvents has no way to tell an event that is sent twice
// from two events: delivery is at least once.
package cloudwatch

import (
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
)

// linger is how long the first event of a request waits for more. The service throttles an account's calls a second, and the
// tasks of a cluster share that quota ("CloudWatch Logs quotas"); Fluent Bit, too, sends once a second.
const linger = time.Second

// Destination is CloudWatch Logs.
type Destination struct {
	encoder encoder
	names   *names
	limits  sink.Limits
	events  int // most events of a call
	api     *aws.API
	creator creator
	header  map[string]string // of PutLogEvents
	bodies  sync.Pool         // of *[]byte: bodies of calls
}

// New makes the destination.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	dest := &Destination{
		limits: sink.Limits{MaxBytes: maxBatchBytes, MaxItems: maxBatchEvents, Linger: linger},
		events: maxBatchEvents,
		header: header(o.LogFormat),
	}
	var err error
	if dest.encoder, err = newEncoder(o, d, env); err != nil {
		return nil, err
	}
	if dest.names, err = o.names(d); err != nil {
		return nil, err
	}
	service := o.ServiceOptions
	if d == config.Fluentd {
		service.Verify = service.Verify && o.SSLVerifyPeer
		dest.events = min(o.MaxEvents, maxBatchEvents)
		dest.limits.MaxItems, dest.limits.Workers = dest.events, min(o.Concurrency, sink.MaxWorkers)
	}
	connected, err := aws.NewService(&service, o.source(), d, env)
	if err != nil {
		return nil, err
	}
	dest.api = aws.NewAPI(connected, aws.APIName{Host: "logs", Target: "Logs_20140328", Env: "CLOUDWATCH_LOGS"})
	if agent := strings.Fields(o.UserAgent); len(agent) > 0 {
		dest.api.Agent = "firelane " + strings.Join(agent, "-")
	}
	dest.creator = newCreator(o, d, env)
	return dest, nil
}

// header is what requests have in their heads so that the service knows the embedded metric format ("Using the PutLogEvents operation -
// Amazon CloudWatch": x-amzn-logs-format).
func header(format string) map[string]string {
	if format == "" {
		return nil
	}
	return map[string]string{"X-Amzn-Logs-Format": format}
}

// ReadsTails implements sink.TailReader.
func (d *Destination) ReadsTails() bool { return d.encoder.whole && !d.encoder.metrics.host }

// Append encodes r as an event.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	return d.encoder.append(body, r)
}

// Key implements sink.Keyer: it is the names of r's group and stream, with a colon between them.
func (d *Destination) Key(dst []byte, r *sink.Record) ([]byte, error) {
	return d.names.appendKey(dst, &r.Event)
}

// Limits implements sink.Destination. An item is longer than what the service counts for its event: MaxBytes is never more
// than the service takes.
func (d *Destination) Limits() sink.Limits { return d.limits }

// Close closes the idle connections.
func (d *Destination) Close() error { return d.api.Close() }
