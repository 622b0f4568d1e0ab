package kinesis

import (
	"context"
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/probe"
)

var (
	_ probe.Prober = (*Options)(nil)
	_ probe.Prober = (*AggregatedOptions)(nil)
)

// Targets implements probe.Prober.
func (o *Options) Targets(ctx context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	made, err := New(o, d, env)
	if err != nil {
		return nil, err
	}
	return made.(*Destination).targets(ctx)
}

// Targets implements probe.Prober.
func (o *AggregatedOptions) Targets(ctx context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	made, err := NewAggregated(o, d, env)
	if err != nil {
		return nil, err
	}
	return made.(*Destination).targets(ctx)
}

func (d *Destination) targets(ctx context.Context) ([]probe.Target, error) {
	return probe.OfAPI(ctx, d.api, func(ctx context.Context, region string, say func(probe.Fact)) { say(d.ask(ctx, region)) })
}

// ask asks for the stream.
func (d *Destination) ask(ctx context.Context, region string) probe.Fact {
	name, fixed := d.Fixed()
	if !fixed {
		return probe.Fact{Step: "stream", Level: probe.Note, Text: "not known: the stream depends on the record"}
	}
	var out struct {
		Summary struct {
			StreamARN, StreamStatus              string
			OpenShardCount, RetentionPeriodHours int
		} `json:"StreamDescriptionSummary"`
	}
	err := d.api.Ask(ctx, "DescribeStreamSummary", map[string]any{"StreamName": name}, &out)
	if r := aws.RefusalOf(err); r != nil && strings.HasPrefix(r.Code, "ResourceNotFound") {
		return probe.Fact{Step: "stream", Level: probe.Error, Text: fmt.Sprintf("the Kinesis stream %s doesn't exist in %s", name, region),
			Fix: "create it, or correct the stream's name or region"}
	}
	if err != nil {
		return probe.Refused("stream", err, "kinesis:DescribeStreamSummary", "kinesis:PutRecords")
	}
	s := out.Summary
	if s.StreamStatus == "" {
		return probe.Fact{Step: "stream", Level: probe.Note, Text: "not known: the service's answer has no stream"}
	}
	f := probe.Fact{Step: "stream", Text: fmt.Sprintf("the Kinesis stream %s is %s, with %d open shards; records are kept for %d hours; whether kinesis:PutRecords is allowed is not known without writing",
		s.StreamARN, s.StreamStatus, s.OpenShardCount, s.RetentionPeriodHours)}
	if s.StreamStatus != "ACTIVE" && s.StreamStatus != "UPDATING" {
		f.Level, f.Fix = probe.Error, "a stream takes records only when it is ACTIVE or UPDATING: look at it in the console"
	}
	return f
}
