package datadog

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, _ time.Time) sink.Description {
	u, err := o.url(d)
	if err != nil {
		return sink.Description{Service: "Datadog"}
	}
	return httpsend.Describe("Datadog", u, o.Verified() && !o.NoVerify, o.V1, "API key")
}
