package firehose

import (
	"context"
	"fmt"
	"strings"

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
	return probe.OfAPI(ctx, dest.api, func(ctx context.Context, region string, say func(probe.Fact)) { say(dest.ask(ctx, region)) })
}

// ask asks for the stream.
func (d *Destination) ask(ctx context.Context, region string) probe.Fact {
	name, fixed := d.Fixed()
	if !fixed {
		return probe.Fact{Step: "stream", Level: probe.Note, Text: "not known: the Firehose stream depends on the record"}
	}
	var out struct {
		Description struct{ DeliveryStreamARN, DeliveryStreamStatus string } `json:"DeliveryStreamDescription"`
	}
	err := d.api.Ask(ctx, "DescribeDeliveryStream", map[string]any{"DeliveryStreamName": name}, &out)
	if r := aws.RefusalOf(err); r != nil && strings.HasPrefix(r.Code, "ResourceNotFound") {
		return probe.Fact{Step: "stream", Level: probe.Error, Text: fmt.Sprintf("the Firehose stream %s doesn't exist in %s", name, region),
			Fix: "create it, or correct delivery_stream or region"}
	}
	if err != nil {
		return probe.Refused("stream", err, "firehose:DescribeDeliveryStream", "firehose:PutRecordBatch")
	}
	s := out.Description
	if s.DeliveryStreamStatus == "" {
		return probe.Fact{Step: "stream", Level: probe.Note, Text: "not known: the service's answer has no stream"}
	}
	f := probe.Fact{Step: "stream", Text: fmt.Sprintf("the Firehose stream %s is %s; whether firehose:PutRecordBatch is allowed is not known without writing", s.DeliveryStreamARN, s.DeliveryStreamStatus)}
	if s.DeliveryStreamStatus != "ACTIVE" {
		f.Level, f.Fix = probe.Error, "a stream takes records only when it is ACTIVE: look at it in the console"
	}
	return f
}
