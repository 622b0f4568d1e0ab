package firehose

import (
	"context"
	"fmt"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// Targets implements probe.Prober.
func (o *Options) Targets(ctx context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	made, err := New(o, d, env)
	if err != nil {
		return nil, err
	}
	dest := made.(*Destination)
	client, err := dest.client.Get(ctx)
	if err != nil {
		return nil, err
	}
	opts := client.Options()
	e, err := opts.EndpointResolverV2.ResolveEndpoint(ctx, firehose.EndpointParameters{Region: &opts.Region, Endpoint: opts.BaseEndpoint}.WithDefaults())
	if err != nil {
		return nil, err
	}
	return []probe.Target{probe.OfService(dest.sender.Service, &e.URI, func(ctx context.Context, say func(probe.Fact)) {
		say(dest.ask(ctx, client))
	})}, nil
}

// ask asks for the stream.
func (d *Destination) ask(ctx context.Context, client *firehose.Client) probe.Fact {
	name, fixed := d.Fixed()
	if !fixed {
		return probe.Fact{Step: "stream", Level: probe.Note, Text: "not known: the Firehose stream depends on the record"}
	}
	out, err := client.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: &name})
	if r := aws.RefusalOf(err); r != nil && strings.HasPrefix(r.Code, "ResourceNotFound") {
		return probe.Fact{Step: "stream", Level: probe.Error, Text: fmt.Sprintf("the Firehose stream %s doesn't exist in %s", name, client.Options().Region),
			Fix: "create it, or correct delivery_stream or region"}
	}
	if err != nil {
		return probe.Refused("stream", err, "firehose:DescribeDeliveryStream", "firehose:PutRecordBatch")
	}
	if out.DeliveryStreamDescription == nil {
		return probe.Fact{Step: "stream", Level: probe.Note, Text: "not known: the service's answer has no stream"}
	}
	s := out.DeliveryStreamDescription
	f := probe.Fact{Step: "stream", Text: fmt.Sprintf("the Firehose stream %s is %s; whether firehose:PutRecordBatch is allowed is not known without writing", awssdk.ToString(s.DeliveryStreamARN), s.DeliveryStreamStatus)}
	if s.DeliveryStreamStatus != types.DeliveryStreamStatusActive {
		f.Level, f.Fix = probe.Error, "a stream takes records only when it is ACTIVE: look at it in the console"
	}
	return f
}
