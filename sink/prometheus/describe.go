package prometheus

import (
	"strings"
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
		return sink.Description{Service: "Prometheus remote write"}
	}
	out := httpsend.Describe("Prometheus remote write", u, o.Verified(), false, httpsend.BasicUser(o.User))
	if o.AWSAuth {
		source := o.source()
		out.AWSRegion, out.SignIn = source.Region, source.SignIn(o.AWSService, source.Region)
		if o.AWSService == "aps" {
			out.Service = "Amazon Managed Service for Prometheus"
			out.Actions = source.Grants(sink.IAMGrant{Actions: []string{"aps:RemoteWrite"}, Resource: aws.ARN("aps", source.Region, "workspace/"+workspace(u.Path))})
		}
	}
	return out
}

// workspace is the id in the path /workspaces/ID/api/v1/remote_write, * if it has none.
func workspace(path string) string {
	if rest, ok := strings.CutPrefix(path, "/workspaces/"); ok {
		if id, _, _ := strings.Cut(rest, "/"); id != "" {
			return id
		}
	}
	return "*"
}
