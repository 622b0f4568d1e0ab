package kinesis

import (
	"context"
	"fmt"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

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
	client, err := d.client.Get(ctx)
	if err != nil {
		return nil, err
	}
	opts := client.Options()
	e, err := opts.EndpointResolverV2.ResolveEndpoint(ctx, kinesis.EndpointParameters{Region: &opts.Region, Endpoint: opts.BaseEndpoint}.WithDefaults())
	if err != nil {
		return nil, err
	}
	return []probe.Target{probe.OfService(d.sender.Service, &e.URI, func(ctx context.Context, say func(probe.Fact)) {
		say(d.ask(ctx, client))
	})}, nil
}

// ask asks for the stream.
func (d *Destination) ask(ctx context.Context, client *kinesis.Client) probe.Fact {
	name, fixed := d.Fixed()
	if !fixed {
		return probe.Fact{Step: "stream", Level: probe.Note, Text: "not known: the stream depends on the record"}
	}
	out, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
	if r := aws.RefusalOf(err); r != nil && strings.HasPrefix(r.Code, "ResourceNotFound") {
		return probe.Fact{Step: "stream", Level: probe.Error, Text: fmt.Sprintf("the Kinesis stream %s doesn't exist in %s", name, client.Options().Region),
			Fix: "create it, or correct the stream's name or region"}
	}
	if err != nil {
		return probe.Refused("stream", err, "kinesis:DescribeStreamSummary", "kinesis:PutRecords")
	}
	s := out.StreamDescriptionSummary
	if s == nil {
		return probe.Fact{Step: "stream", Level: probe.Note, Text: "not known: the service's answer has no stream"}
	}
	f := probe.Fact{Step: "stream", Text: fmt.Sprintf("the Kinesis stream %s is %s, with %d open shards; records are kept for %d hours; whether kinesis:PutRecords is allowed is not known without writing",
		awssdk.ToString(s.StreamARN), s.StreamStatus, awssdk.ToInt32(s.OpenShardCount), awssdk.ToInt32(s.RetentionPeriodHours))}
	if s.StreamStatus != types.StreamStatusActive && s.StreamStatus != types.StreamStatusUpdating {
		f.Level, f.Fix = probe.Error, "a stream takes records only when it is ACTIVE or UPDATING: look at it in the console"
	}
	return f
}
