package opentelemetry

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(config.Dialect, time.Time) sink.Description {
	u, err := o.target()
	if err != nil {
		return sink.Description{Service: "OpenTelemetry"}
	}
	signIn := httpsend.BasicUser(o.User)
	if signIn == "" && o.Bearer != "" {
		signIn = "bearer token"
	}
	out := httpsend.Describe("OpenTelemetry", u, o.Verified(), false, signIn)
	if o.AWSAuth {
		source := o.source()
		out.AWSRegion, out.SignIn = source.Region, source.SignIn(o.AWSService, source.Region)
		if o.AWSService == "logs" { // the group is in a header
			out.Actions = source.Grants(sink.IAMGrant{Actions: []string{"logs:PutLogEvents"}, Resource: aws.ARN("logs", source.Region, "log-group:*")})
		}
	}
	return out
}
