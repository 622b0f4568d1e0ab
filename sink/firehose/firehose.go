// Package firehose delivers records to Amazon Data Firehose by PutRecordBatch. It implements Fluent Bit's kinesis_firehose,
// AWS's plugin in Go for Fluent Bit, which is called firehose, and Fluentd's kinesis_firehose.
//
// An item is the data of one record: its text and a newline, compressed or not. Send makes Firehose's records of them: one of
// each item, or with simple_aggregation one of as many as fit. Firehose can't tell a record that it is sent twice: delivery is
// at least once.
package firehose

import (
	"context"
	"fmt"
	"iter"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/aws/put"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of the destination, the same for all three plugins.
type Options struct {
	Stream  string `fluentbit:"delivery_stream" fluentd:"delivery_stream_name" required:"true" identity:"true" help:"name of the Firehose stream; in Fluentd with ${tag}, fields and strftime"`
	Newline bool   `fluentd:"append_new_line" default:"true" help:"end each record with a newline"`

	put.Options
}

// Check reports mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if _, err := o.stream(d); err != nil {
		return err
	}
	return o.CheckPut(d)
}

// Limits of Firehose ("Amazon Data Firehose Quota"). None can be raised.
const (
	maxRecords = 500        // of a request
	maxRequest = 4 << 20    // bytes of data in a request, before Base64
	maxRecord  = 1000 << 10 // bytes of data in a record, before Base64
	maxName    = 64         // characters of a stream's name
)

const (
	// requestBytes is the size in bytes at which a request is sent.
	requestBytes = 1 << 20
	// aggregatedItems is how many records a request has at most if they are aggregated.
	aggregatedItems = 10_000
	// compressionMargin is by how much the text of an aggregated record is shorter than maxRecord if it is compressed: text that
	// can't be compressed becomes longer.
	compressionMargin = 2 << 10
)

func (o *Options) stream(d config.Dialect) (*put.StreamName, error) {
	option := "delivery_stream"
	if d == config.Fluentd {
		option = "delivery_stream_name"
	}
	zone, err := o.TimekeyZone()
	if err != nil {
		return nil, &config.OptionError{Option: "timekey_zone", Reason: err.Error()}
	}
	return put.NewStreamName(option, o.Stream, maxName, d, zone)
}

// Destination delivers to Firehose.
type Destination struct {
	*put.Encoder
	*put.StreamName
	sender  put.Sender
	api     *aws.API
	limits  sink.Limits
	largest int // bytes of an item

	together   int                 // bytes of an aggregated record; 0: each item is a record
	compressor httpsend.Compressor // of aggregated records; nil: none
}

var (
	_ sink.Destination = (*Destination)(nil)
	_ sink.Keyer       = (*Destination)(nil)
)

// New makes the destination for the plugins called kinesis_firehose.
func New(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return newDestination(o, put.Text{Newline: d == config.FluentBit || o.Newline}, d, env)
}

// NewGo makes it for the plugin in Go, which is called firehose.
func NewGo(o *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	return newDestination(o, put.Text{Newline: true, GoPlugin: true}, d, env)
}

func newDestination(o *Options, t put.Text, d config.Dialect, env sink.Env) (sink.Destination, error) {
	name, err := o.stream(d)
	if err != nil {
		return nil, err
	}
	encoder, err := put.NewEncoder(&o.Options, t, d, env)
	if err != nil {
		return nil, err
	}
	service, err := put.NewService(&o.Options, d, env)
	if err != nil {
		return nil, err
	}
	dest := &Destination{Encoder: encoder, StreamName: name, largest: put.Clip(maxRecord, o.MaxRecord)}
	dest.limits = sink.Limits{MaxBytes: put.Clip(requestBytes, o.MaxSize), MaxItems: put.Clip(maxRecords, o.MaxCount)}
	if o.Aggregate {
		dest.together, dest.limits.MaxItems = maxRecord, aggregatedItems
		if dest.compressor, err = put.Compressor(&o.Options, env.Common); err != nil {
			return nil, err
		}
		if dest.compressor != nil {
			dest.together -= compressionMargin
		}
		dest.largest = dest.together
	}
	dest.sender = put.Sender{
		Service: service, What: "Firehose stream", Action: "firehose:PutRecordBatch", Field: "DeliveryStreamName", MaxRecords: maxRecords, MaxBytes: maxRequest, Put: dest.put,
	}
	dest.api = aws.NewAPI(service, aws.APIName{Host: "firehose", Target: "Firehose_20150804", Env: "FIREHOSE"})
	return dest, nil
}

// Append encodes r as the data of one record.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	start := len(body)
	body, err := d.Encoder.Append(body, r)
	if n := len(body) - start; err == nil && n > d.largest {
		return body[:start], fmt.Errorf("the record is %d bytes long; Firehose takes at most %d", n, d.largest)
	}
	return body, err
}

// Limits implements sink.Destination. What is too large, Append refuses.
func (d *Destination) Limits() sink.Limits { return d.limits }

// Send makes one attempt.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	return d.sender.Send(ctx, req, func(items []int) iter.Seq[put.Record] {
		if d.together > 0 {
			return d.aggregated(req, items)
		}
		return func(yield func(put.Record) bool) {
			for k, i := range items {
				if !yield(put.Record{Data: req.Item(i), Items: items[k : k+1]}) {
					return
				}
			}
		}
	})
}

// aggregated yields records of as many items as fit.
func (d *Destination) aggregated(req *sink.Request, items []int) iter.Seq[put.Record] {
	return func(yield func(put.Record) bool) {
		for len(items) > 0 {
			n := 1
			for size := len(req.Item(items[0])); n < len(items); n++ {
				if size += len(req.Item(items[n])); size > d.together {
					break
				}
			}
			if !d.yieldCompressed(yield, joined(req, items[:n]), items[:n]) {
				return
			}
			items = items[n:]
		}
	}
}

// joined returns the items' bytes, one after the other. Unless there are others between them, that is a part of req.Body.
func joined(req *sink.Request, items []int) []byte {
	first, last := items[0], items[len(items)-1]
	if end := req.Ends[last]; last-first == len(items)-1 {
		return req.Body[end-total(req, items) : end]
	}
	data := make([]byte, 0, total(req, items))
	for _, i := range items {
		data = append(data, req.Item(i)...)
	}
	return data
}

// total is the size of items together.
func total(req *sink.Request, items []int) (n int) {
	for _, i := range items {
		n += len(req.Item(i))
	}
	return n
}

func (d *Destination) yieldCompressed(yield func(put.Record) bool, data []byte, items []int) bool {
	if d.compressor == nil {
		return yield(put.Record{Data: data, Items: items})
	}
	z := d.compressor.Compress(data)
	defer d.compressor.Put(z)
	return yield(put.Record{Data: z.Bytes(), Items: items})
}

// put makes one call.
func (d *Destination) put(ctx context.Context, body *httpsend.Payload, _ bool) ([]put.Result, error) {
	var answer struct {
		FailedPutCount   *int
		RequestResponses []put.Entry
	}
	stored, err := d.api.Post(ctx, "PutRecordBatch", body, nil, "FailedPutCount", &answer)
	if err != nil || stored || answer.FailedPutCount != nil && *answer.FailedPutCount == 0 {
		return nil, err
	}
	return put.Results(answer.RequestResponses)
}

// Close closes the idle connections.
func (d *Destination) Close() error { return d.sender.Service.Close() }
