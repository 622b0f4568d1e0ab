package kinesis

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws/put"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, now time.Time) sink.Description {
	return describe(&o.Options, d, o.Names(d, now)[0])
}

// Names implements sink.Namer: the stream.
func (o *Options) Names(d config.Dialect, now time.Time) []sink.Name {
	return []sink.Name{o.StreamOf(d, "stream", o.Stream, maxName, now)}
}

// Describe implements sink.Describer.
func (o *AggregatedOptions) Describe(d config.Dialect, now time.Time) sink.Description {
	return describe(&o.Options, d, o.Names(d, now)[0])
}

// Names implements sink.Namer: the stream.
func (o *AggregatedOptions) Names(d config.Dialect, now time.Time) []sink.Name {
	return []sink.Name{o.StreamOf(d, "stream", o.Stream, maxName, now)}
}

func describe(o *put.Options, d config.Dialect, stream sink.Name) sink.Description {
	out := o.DescribeStream(d, stream, "kinesis", "kinesis:PutRecords", "stream/")
	out.Service = "Amazon Kinesis Data Streams"
	return out
}
