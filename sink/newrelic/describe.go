package newrelic

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, _ time.Time) sink.Description {
	u, err := o.url()
	if err != nil {
		return sink.Description{Service: "New Relic"}
	}
	signIn := "license key"
	if header, _ := o.key(d); header == "X-Insert-Key" {
		signIn = "API key"
	}
	return httpsend.Describe("New Relic", u, o.verified(d), false, signIn)
}

// verified reports whether the server's certificate is verified.
func (o *Options) verified(d config.Dialect) bool {
	return o.Verified() && (o.Validate || d == config.Fluentd)
}
