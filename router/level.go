package router

import "github.com/rs/zerolog"

// ParseLevel maps the levels of both dialects (off, error, warn, info, debug and trace in Fluent Bit; also fatal in Fluentd)
// to zerolog's. Any other text is info.
func ParseLevel(s string) zerolog.Level {
	switch s {
	case "off":
		return zerolog.Disabled
	case "fatal", "error":
		return zerolog.ErrorLevel
	case "warn", "warning":
		return zerolog.WarnLevel
	case "debug":
		return zerolog.DebugLevel
	case "trace":
		return zerolog.TraceLevel
	}
	return zerolog.InfoLevel
}

// A partLevel lets the lines of a level and above pass. It implements zerolog.Sampler.
type partLevel zerolog.Level

// Sample implements zerolog.Sampler.
func (l partLevel) Sample(level zerolog.Level) bool { return level >= zerolog.Level(l) }

// partLog is the log of an input, a filter or an output, which doesn't repeat itself. A level of its own replaces the process's,
// whether it is higher or lower, as in both dialects; "": none.
func (r *Router) partLog(kind, id, level string) zerolog.Logger {
	log := r.log.With().Str(kind, id).Logger()
	if level != "" {
		log = log.Sample(partLevel(ParseLevel(level)))
	}
	return r.limited(kind+" "+id, log)
}

// unlimited is partLog without the limit on lines that repeat.
func (r *Router) unlimited(kind, id string) *zerolog.Logger { return &r.logs[kind+" "+id].log }
