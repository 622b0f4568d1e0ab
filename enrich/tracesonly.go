package enrich

import (
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// EnvelopeOptions are those of Fluent Bit's processor opentelemetry_envelope. It has none.
type EnvelopeOptions struct{}

// SamplingOptions are those of Fluent Bit's processor sampling.
type SamplingOptions struct {
	Type       string `fluentbit:"type" oneof:"probabilistic,tail,test" help:"accepted"`
	Settings   string `fluentbit:"sampling_settings" help:"accepted"`
	Conditions string `fluentbit:"conditions" help:"accepted"`
	Debug      *bool  `fluentbit:"debug" help:"accepted"`
}

// Warnings implements config's warnings after binding.
func (o *SamplingOptions) Warnings() []string {
	return []string{"sampling has no effect: it is for traces, and all logs pass it, as in Fluent Bit"}
}

// unchanged is a filter that all records pass: what the processor is for doesn't exist here.
type unchanged struct{}

func (unchanged) Apply(*record.Event, *Scratch) bool { return true }

// NewEnvelope makes the step of a processor opentelemetry_envelope. It groups records for the output opentelemetry, which does so itself.
func NewEnvelope(*EnvelopeOptions, config.Dialect, Env) (Filter, error) { return unchanged{}, nil }

// NewSampling makes the step of a processor sampling.
func NewSampling(*SamplingOptions, config.Dialect, Env) (Filter, error) { return unchanged{}, nil }
