package kinesis

import (
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink/aws/put"
)

// Options are the options of kinesis_streams, and of AWS's plugin in Go, which is called kinesis.
type Options struct {
	Stream       string `fluentbit:"stream" fluentd:"stream_name" required:"true" identity:"true" help:"name of the stream; in Fluentd with ${tag}, fields and strftime"`
	PartitionKey string `fluentbit:"partition_key" fluentd:"partition_key" help:"field that holds the partition key; a -> b is a field inside of another; default, and where it is missing: a random key"`
	Newline      *bool  `fluentbit:"append_newline" help:"end each record with a newline; default: on, but off for kinesis"`
	Aggregation  bool   `fluentbit:"aggregation" help:"send several records as one, in the format of the Kinesis Producer Library; each record of the stream then holds records of one partition key"`

	Timeout            time.Duration `fluentbit:"http_request_timeout" help:"limit of a request; default 90s"`
	Concurrency        int           `fluentbit:"experimental_concurrency" help:"most requests in flight at once, as workers"`
	ConcurrencyRetries int           `fluentbit:"experimental_concurrency_retries" help:"accepted; records are sent again until the stream takes them"`

	put.Options
}

// AggregatedOptions are the options of Fluentd's kinesis_streams_aggregated.
type AggregatedOptions struct {
	Stream   string `fluentd:"stream_name" required:"true" identity:"true" help:"name of the stream, with ${tag}, fields and strftime"`
	FixedKey string `fluentd:"fixed_partition_key" help:"partition key of all records, which makes them go to one shard; default: random keys"`

	put.Options
}

// Check reports mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if _, err := streamName(o.Stream, &o.Options, d); err != nil {
		return err
	}
	switch {
	case o.Timeout < 0:
		return &config.OptionError{Option: "http_request_timeout", Reason: "is negative; want a number of seconds, 0 for no limit of its own"}
	case o.Concurrency < 0:
		return &config.OptionError{Option: "experimental_concurrency", Reason: "is negative; want a number of requests, 0 for the output's default"}
	}
	return o.CheckPut(d)
}

// Check reports mistakes that binding can't find.
func (o *AggregatedOptions) Check(d config.Dialect) error {
	if _, err := streamName(o.Stream, &o.Options, d); err != nil {
		return err
	}
	return o.CheckPut(d)
}

// Warnings says what the options don't do here.
func (o *Options) Warnings() []string {
	w := o.Options.Warnings()
	if o.Aggregation && o.Aggregate {
		w = append(w, "simple_aggregation has no effect with aggregation")
	}
	return w
}

func streamName(value string, o *put.Options, d config.Dialect) (*put.StreamName, error) {
	option := "stream"
	if d == config.Fluentd {
		option = "stream_name"
	}
	zone, err := o.TimekeyZone()
	if err != nil {
		return nil, &config.OptionError{Option: "timekey_zone", Reason: err.Error()}
	}
	return put.NewStreamName(option, value, maxName, d, zone)
}

// partitionKey parses the option partition_key; nil for none. What isn't a path is the name of a field.
func partitionKey(value string, d config.Dialect) field.Accessor {
	path := value
	switch {
	case value == "":
		return nil
	case d == config.Fluentd:
		return field.Name(value)
	case strings.Contains(value, "->"):
		path = "$"
		for name := range strings.SplitSeq(value, "->") {
			path += `["` + strings.TrimSpace(name) + `"]`
		}
	}
	if a, err := field.ParseAccessor(path, d); err == nil {
		return a
	}
	return field.Name(value)
}
