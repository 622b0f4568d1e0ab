package sumologic

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(config.Dialect, time.Time) sink.Description {
	u, err := o.url()
	if err != nil {
		return sink.Description{Service: "Sumo Logic"}
	}
	return httpsend.Describe("Sumo Logic", u, o.Verified() && o.VerifySSL, true, "token in the URL")
}
