// Package kinesis delivers records to Amazon Kinesis Data Streams by PutRecords. It implements Fluent Bit's kinesis_streams,
// AWS's plugin in Go for Fluent Bit, which is called kinesis, and Fluentd's kinesis_streams and kinesis_streams_aggregated.
//
// An item is a partition key and the data of one record (item.go). Send makes the stream's records of them: one of each item, or
// with aggregation one of several (aggregate.go). Kinesis can't tell a record that it is sent twice, since sequence numbers only
// order: delivery is at least once.
package kinesis

import (
	"bytes"
	"cmp"
	"context"
	"iter"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/aws/put"
	"github.com/firelane/firelane/sink/httpsend"
)

// Limits of Kinesis ("PutRecords", "Quotas and limits"). Streams may be set to take larger records and requests than these,
// which every stream takes.
const (
	maxRecords = 500     // of a request
	maxRequest = 5 << 20 // bytes of data and partition keys in a request, before Base64
	maxRecord  = 1 << 20 // bytes of data and partition key in a record, before Base64
	maxKey     = 256     // characters of a partition key
	maxName    = 128     // characters of a stream's name
)

const (
	// requestBytes is the size in bytes at which a request is sent.
	requestBytes = 1 << 20
	// aggregatedItems is how many records a request has at most if they are aggregated.
	aggregatedItems = 10_000
	// compressionMargin is by how much a record is smaller than maxRecord if it is compressed after it is checked: text that
	// can't be compressed becomes longer.
	compressionMargin = 2 << 10
)

// Destination delivers to Kinesis Data Streams.
type Destination struct {
	*put.Encoder
	*put.StreamName
	keyer   keyer
	sender  put.Sender
	api     *aws.API
	isAWS   func(ctx context.Context) bool
	limits  sink.Limits
	largest int // bytes of a key and its data

	aggregate  bool                // several items make a record
	simple     bool                // by their text, one after the other, not in the Producer Library's format
	compressor httpsend.Compressor // of simple records; nil: none
}

var (
	_ sink.Destination = (*Destination)(nil)
	_ sink.Keyer       = (*Destination)(nil)
)

// New makes the destination for the plugins called kinesis_streams.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return o.destination(put.Text{Newline: d == config.FluentBit}, d, env)
}

// NewGo makes it for the plugin in Go, which is called kinesis.
func NewGo(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return o.destination(put.Text{GoPlugin: true}, d, env)
}

// NewAggregated makes it for Fluentd's kinesis_streams_aggregated.
func NewAggregated(o *AggregatedOptions, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return newDestination(o.Stream, &o.Options, &Destination{keyer: keyer{fixed: string(cut(bytes.ToValidUTF8([]byte(o.FixedKey), []byte("\ufffd"))))}, aggregate: true}, put.Text{}, d, env)
}

func (o *Options) destination(t put.Text, d config.Dialect, env sink.Env) (sink.Destination, error) {
	if o.Newline != nil {
		t.Newline = *o.Newline
	}
	shared := o.Options
	shared.Aggregate = shared.Aggregate && !o.Aggregation
	dest := &Destination{keyer: keyer{at: partitionKey(o.PartitionKey, d)}, aggregate: o.Aggregation || shared.Aggregate, simple: shared.Aggregate}
	dest.limits.Workers = min(o.Concurrency, sink.MaxWorkers)
	dest.sender.Timeout = o.Timeout
	return newDestination(o.Stream, &shared, dest, t, d, env)
}

func newDestination(stream string, o *put.Options, dest *Destination, t put.Text, d config.Dialect, env sink.Env) (_ sink.Destination, err error) {
	if dest.StreamName, err = streamName(stream, o, d); err != nil {
		return nil, err
	}
	if dest.Encoder, err = put.NewEncoder(o, t, d, env); err != nil {
		return nil, err
	}
	if dest.sender.Service, err = put.NewService(o, d, env); err != nil {
		return nil, err
	}
	dest.largest = put.Clip(maxRecord, o.MaxRecord)
	if dest.simple {
		if dest.compressor, err = put.Compressor(o, env.Common); err != nil {
			return nil, err
		}
		if dest.compressor != nil {
			dest.largest -= compressionMargin
		}
	}
	dest.setLimits(o)
	s := &dest.sender
	s.What, s.Action, s.Field, s.MaxRecords, s.MaxBytes, s.Put = "Kinesis stream", "kinesis:PutRecords", "StreamName", maxRecords, maxRequest, dest.put
	dest.api = aws.NewAPI(s.Service, aws.APIName{Host: "kinesis", Target: "Kinesis_20131202", Env: "KINESIS"})
	dest.isAWS, s.CBOR = dest.api.IsAWS, dest.useCBOR
	return dest, nil
}

// setLimits sets the limits of requests. Aggregated records of many keys are as many as the items, those of random keys few.
func (d *Destination) setLimits(o *put.Options) {
	d.limits.MaxBytes = put.Clip(requestBytes, o.MaxSize)
	d.limits.MaxItems = put.Clip(maxRecords, o.MaxCount)
	if d.aggregate && d.keyer.at == nil {
		d.limits.MaxItems = cmp.Or(o.MaxCount, aggregatedItems)
	}
}

// Limits implements sink.Destination. What is too large, Append refuses.
func (d *Destination) Limits() sink.Limits { return d.limits }

// Send makes one attempt.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	return d.sender.Send(ctx, req, func(items []int) iter.Seq[put.Record] {
		if d.aggregate {
			return d.aggregated(req, items)
		}
		return func(yield func(put.Record) bool) {
			for k, i := range items {
				_, key, data := keyOf(req.Item(i))
				if !yield(put.Record{Key: key, Data: data, Items: items[k : k+1]}) {
					return
				}
			}
		}
	})
}

// useCBOR reports whether to call in CBOR: only AWS itself, since some stand-ins for Kinesis store such data in another form, and only
// while it doesn't seem to refuse it.
func (d *Destination) useCBOR(ctx context.Context) bool {
	return !d.api.RefusesCBOR() && d.isAWS(ctx)
}

// put makes one call.
func (d *Destination) put(ctx context.Context, body *httpsend.Payload, cbor bool) ([]put.Result, error) {
	var answer struct {
		FailedRecordCount *int
		Records           []put.Entry
	}
	var header map[string]string
	if cbor {
		header = map[string]string{"Content-Type": aws.CBOR}
	}
	stored, err := d.api.Post(ctx, "PutRecords", body, header, "FailedRecordCount", &answer)
	if err != nil || stored || answer.FailedRecordCount != nil && *answer.FailedRecordCount == 0 {
		return nil, err
	}
	return put.Results(answer.Records)
}

// Close closes the idle connections.
func (d *Destination) Close() error { return d.sender.Service.Close() }
