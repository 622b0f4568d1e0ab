package splunk

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, now time.Time) sink.Description {
	u, err := o.url(d)
	if err != nil {
		return sink.Description{Service: "Splunk"}
	}
	signIn := "token of the HTTP Event Collector"
	if o.User != "" {
		signIn = httpsend.BasicUser(o.User)
	}
	out := httpsend.Describe("Splunk", u, o.Verified() && !o.Insecure, false, signIn)
	out.Name = sink.JoinNames(o.Names(d, now))
	return out
}

// Names implements sink.Namer: the index, if the output names one. Splunk's own default is for the rest.
func (o *Options) Names(d config.Dialect, now time.Time) []sink.Name {
	option, key, text := "event_index", "event_index_key", o.Index
	if d == config.Fluentd {
		option, key = "index", "index_key"
	}
	if o.IndexKey != "" {
		option, text = key, "${"+o.IndexKey+"}"
	}
	if text == "" {
		return nil
	}
	return []sink.Name{sink.Name{What: "index", Option: option}.Fill(text, now, nil)}
}
