package cloudwatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
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
	return probe.OfAPI(ctx, dest.api, dest.ask)
}

// ask asks for the group and the stream.
func (d *Destination) ask(ctx context.Context, region string, say func(probe.Fact)) {
	group, _ := d.names.group.append(nil, &record.Event{})
	if !d.names.group.constant() {
		say(probe.Fact{Step: "group", Level: probe.Note, Text: "not known: the log group depends on the record"})
		return
	}
	found, fact := d.askGroup(ctx, region, string(group))
	say(fact)
	if !found {
		return
	}
	if !d.names.stream.constant() {
		say(probe.Fact{Step: "stream", Text: "the log stream depends on the record; " + d.creation(d.creator.streams)})
		return
	}
	stream, _ := d.names.stream.append(nil, &record.Event{})
	say(d.askStream(ctx, string(group), string(stream)))
}

// creation says what happens to a stream that doesn't exist.
func (d *Destination) creation(created bool) string {
	if created {
		return "streams that don't exist are created, which needs logs:CreateLogStream"
	}
	return "streams that don't exist are waited for, since auto_create_stream is off"
}

const (
	groupNeeds = "logs:PutLogEvents"
	// mostDescribed is the most groups or streams of an answer ("DescribeLogGroups - Amazon CloudWatch Logs"). They are sorted by name:
	// the one whose name is the prefix is the first.
	mostDescribed = 50
)

func (d *Destination) askGroup(ctx context.Context, region, group string) (found bool, f probe.Fact) {
	var out struct {
		Groups []struct {
			Name      string `json:"logGroupName"`
			Retention int    `json:"retentionInDays"` // 0: for ever
		} `json:"logGroups"`
	}
	err := d.api.Ask(ctx, "DescribeLogGroups", map[string]any{"logGroupNamePrefix": group, "limit": mostDescribed}, &out)
	if err != nil {
		return true, probe.Refused("group", err, "logs:DescribeLogGroups", groupNeeds)
	}
	for _, g := range out.Groups {
		if g.Name != group {
			continue
		}
		if g.Retention == 0 {
			return true, probe.Fact{Step: "group", Level: probe.Note, Text: fmt.Sprintf("the log group %s exists in %s, and keeps its events for ever", group, region), Fix: "set a retention, for example 30 days: each stored GB costs a little each month"}
		}
		return true, probe.Fact{Step: "group", Text: fmt.Sprintf("the log group %s exists in %s, and keeps its events for %d days", group, region, g.Retention)}
	}
	if d.creator.groups {
		return false, probe.Fact{Step: "group", Level: probe.Note, Text: fmt.Sprintf("the log group %s doesn't exist in %s; it is created with the first record, which needs logs:CreateLogGroup", group, region)}
	}
	return false, probe.Fact{Step: "group", Level: probe.Error, Text: fmt.Sprintf("the log group %s doesn't exist in %s, and %s is off", group, region, d.creator.option), Fix: "create it, write " + d.creator.option + " on, or correct the region"}
}

func (d *Destination) askStream(ctx context.Context, group, stream string) probe.Fact {
	var out struct {
		Streams []struct {
			Name string `json:"logStreamName"`
		} `json:"logStreams"`
	}
	err := d.api.Ask(ctx, "DescribeLogStreams", map[string]any{"logGroupName": group, "logStreamNamePrefix": stream, "limit": mostDescribed}, &out)
	if r := aws.RefusalOf(err); r != nil && strings.HasPrefix(r.Code, "ResourceNotFound") {
		return probe.Fact{Step: "stream", Level: probe.Error, Text: "the log group " + group + " doesn't exist", Fix: "create it, or write " + d.creator.option + " on"}
	}
	if err != nil {
		return probe.Refused("stream", err, "logs:DescribeLogStreams", groupNeeds+" and logs:CreateLogStream")
	}
	for _, s := range out.Streams {
		if s.Name == stream {
			return probe.Fact{Step: "stream", Text: "the log stream " + stream + " exists; whether " + groupNeeds + " is allowed is not known without writing"}
		}
	}
	f := probe.Fact{Step: "stream", Text: "the log stream " + stream + " doesn't exist yet; " + d.creation(d.creator.streams)}
	if !d.creator.streams {
		f.Level, f.Fix = probe.Error, "create it, or write auto_create_stream on"
	}
	return f
}
