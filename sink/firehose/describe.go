package firehose

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, now time.Time) sink.Description {
	out := o.DescribeStream(d, o.Names(d, now)[0], "firehose", "firehose:PutRecordBatch", "deliverystream/")
	out.Service = "Amazon Data Firehose"
	return out
}

// Names implements sink.Namer: the stream.
func (o *Options) Names(d config.Dialect, now time.Time) []sink.Name {
	return []sink.Name{o.StreamOf(d, "delivery_stream", o.Stream, maxName, now)}
}
