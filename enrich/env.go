package enrich

import (
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
)

// Env is what the process gives to stages.
type Env struct {
	Hostname string            // the value of ${hostname}
	Parsers  []config.Instance // the [PARSER] sections, and the built-in ones
	Log      zerolog.Logger
}
