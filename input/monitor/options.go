// Package monitor is Fluentd's input monitor_agent: a page, and events, about the configuration's inputs, filters and outputs.
package monitor

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// Options are those of the input.
type Options struct {
	Bind          string        `fluentd:"bind" default:"0.0.0.0" help:"address to listen on"`
	Port          int           `fluentd:"port" default:"24220" help:"port to listen on"`
	Tag           string        `fluentd:"tag" help:"tag of events with what the page has; unless written, there are no events"`
	Interval      time.Duration `fluentd:"emit_interval" default:"60s" help:"time between two rounds of events"`
	IncludeConfig bool          `fluentd:"include_config" default:"false" help:"the page also has the options that differ from their defaults; secrets are hidden"`
	IncludeRetry  bool          `fluentd:"include_retry" default:"false" help:"the page also tells since when an output fails"`
	IncludeDebug  bool          `fluentd:"include_debug_info" ignored:"there are no instance variables" help:"accepted"`
}

// Check reports mistakes that the types of the options don't rule out.
func (o *Options) Check(config.Dialect) error {
	if o.Port < 0 || o.Port > 65535 {
		return &config.OptionError{Option: "port", Reason: "must be from 0 to 65535"}
	}
	return nil
}

// Listens implements input.Listener.
func (o *Options) Listens(config.Dialect) []input.Address {
	return []input.Address{input.TCP(o.Bind, o.Port)}
}
