package cloudwatch

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, now time.Time) sink.Description {
	names := o.Names(d, now)
	source := o.source()
	group := aws.ARN("logs", source.Region, "log-group:"+sink.Pattern(names[0].Used))
	out := o.DescribeService("logs", source, o.Verified() && (o.SSLVerifyPeer || d == config.FluentBit), o.grants(d, group)...)
	out.Service, out.Name = "CloudWatch Logs", sink.JoinNames(names)
	return out
}

// grants are the actions that this output calls, each only if the options ask for what needs it. The names of groups end in :* for
// all of them but those for tags ("Amazon Resource Names (ARNs) - Amazon CloudWatch Logs").
func (o *Options) grants(d config.Dialect, group string) []sink.IAMGrant {
	actions := []string{"logs:PutLogEvents"}
	creates, streams := o.creates(d)
	if streams {
		actions = append(actions, "logs:CreateLogStream")
	}
	if !creates {
		return []sink.IAMGrant{{Actions: actions, Resource: group + ":*"}}
	}
	actions = append(actions, "logs:CreateLogGroup")
	if o.retention() > 0 {
		actions = append(actions, "logs:PutRetentionPolicy")
	}
	list := []sink.IAMGrant{{Actions: actions, Resource: group + ":*"}}
	if tags, err := o.tags(); err == nil && len(tags) > 0 {
		list = append(list, sink.IAMGrant{Actions: []string{"logs:TagResource"}, Resource: group})
	}
	return list
}

// Names implements sink.Namer: the log group and the log stream.
func (o *Options) Names(d config.Dialect, now time.Time) []sink.Name {
	group := sink.Name{What: "log group", Option: "log_group_name", Max: nameLimit}
	stream := sink.Name{What: "log stream", Option: "log_stream_name", Max: nameLimit}
	groupText, streamText := o.Group, o.Stream
	if d == config.Fluentd {
		group.Zone, stream.Zone = o.zone(), o.zone()
		groupText = fluentdText(&group, groupText, o.TagAsGroup, o.GroupKey)
		streamText = fluentdText(&stream, streamText, o.TagAsStream, o.StreamKey)
	} else if o.Stream == "" {
		streamText, stream.Option = o.StreamPrefix+sink.Tag, "log_stream_prefix"
	}
	if o.GroupTemplate != "" {
		groupText, group.Option = o.GroupTemplate, "log_group_template"
	}
	if o.StreamTmpl != "" {
		streamText, stream.Option = o.StreamTmpl, "log_stream_template"
	}
	return []sink.Name{group.Fill(groupText, now, cleaned(cleanGroup)), stream.Fill(streamText, now, cleaned(cleanStream))}
}

// textDollar is what looks like a value in a name, and is text: $field is for log_group_template and log_stream_template.
var textDollar = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$[A-Za-z_]+`) })

// CheckedWarnings is called by config after binding.
func (o *Options) CheckedWarnings(d config.Dialect) []string {
	return sink.NameWarnings(o.NameProblems(d, time.Now()))
}

// NameProblems implements sink.NameChecker.
func (o *Options) NameProblems(d config.Dialect, _ time.Time) (list []sink.NameProblem) {
	for _, n := range []struct {
		option, name string
		clean        func([]byte)
	}{{"log_group_name", o.Group, cleanGroup}, {"log_stream_name", o.Stream, cleanStream}, {"log_stream_prefix", o.StreamPrefix, cleanStream}} {
		legal := cleaned(n.clean)(n.name)
		at := textDollar().FindString(n.name)
		switch {
		case at != "":
			want := "$(" + at[1:] + ")"
			if d == config.Fluentd {
				want = "${" + at[1:] + "}"
			}
			list = append(list, sink.NameProblem{
				Kind: sink.NameLiteral, Option: n.option, Want: "want " + want, Value: strings.ReplaceAll(n.name, at, want),
				Text: fmt.Sprintf("has %s as it is written, and no value: all records go to one name with that text", at),
			})
		case !strings.ContainsAny(n.name, "$%") && legal != n.name:
			list = append(list, sink.NameProblem{
				Kind: sink.NameChanged, Option: n.option, Want: "want " + legal, Value: legal,
				Text: fmt.Sprintf("%q: CloudWatch Logs takes no such name, and firelane makes it %q", n.name, legal),
			})
		}
	}
	return list
}

func (o *Options) zone() *time.Location {
	if zone, err := o.TimekeyZone(); err == nil && zone != nil {
		return zone
	}
	return time.UTC
}

// fluentdText is the text of a name in Fluentd: the option's, the tag, or a field.
func fluentdText(n *sink.Name, text string, tag bool, key string) string {
	switch {
	case tag:
		n.Zone = nil
		return sink.Tag
	case key != "":
		n.Zone, n.Option = nil, n.Option+"_key"
		return "${" + key + "}"
	}
	return text
}

// cleaned is clean for texts.
func cleaned(clean func([]byte)) func(string) string {
	return func(s string) string {
		b := []byte(s)
		clean(b)
		return string(b)
	}
}
