package put

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
)

// DescribeStream describes an output whose stream has that name: the service firehose or kinesis, with the action that it is called by, and
// what precedes the name in ARNs.
func (o *Options) DescribeStream(d config.Dialect, stream sink.Name, service, action, resource string) sink.Description {
	shared := *o // source sets tls.verify
	source := shared.source(d)
	grant := sink.IAMGrant{Actions: []string{action}, Resource: aws.ARN(service, source.Region, resource+sink.Pattern(stream.Used))}
	out := shared.DescribeService(service, source, shared.Verified(), grant)
	out.Name = stream.String()
	return out
}

// StreamOf is the name of the stream that an option has.
func (o *Options) StreamOf(d config.Dialect, option, text string, max int, now time.Time) sink.Name {
	n := sink.Name{What: "stream", Option: option, Max: max}
	if d == config.Fluentd {
		n.Option, n.Zone = option+"_name", time.UTC
		if zone, err := o.TimekeyZone(); err == nil && zone != nil {
			n.Zone = zone
		}
	}
	return n.Fill(text, now, nil)
}
