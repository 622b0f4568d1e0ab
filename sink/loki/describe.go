package loki

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, _ time.Time) sink.Description {
	u, err := o.target(d)
	if err != nil {
		return sink.Description{Service: "Grafana Loki"}
	}
	signIn := httpsend.BasicUser(o.User)
	if signIn == "" && (o.Bearer != "" || o.BearerFile != "") {
		signIn = "bearer token"
	}
	t := o.tls()
	out := httpsend.Describe("Grafana Loki", u, t.Verified(), false, signIn)
	switch {
	case o.TenantKey != "":
		out.Name = "tenant of the field " + o.TenantKey
	case o.TenantID != "":
		out.Name = "tenant " + o.TenantID
	}
	return out
}
