package enrich

import (
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
)

// Env is what stages are told about the process that they run in.
type Env struct {
	Hostname string            // what ${hostname} stands for
	Parsers  []config.Instance // the [PARSER] sections, and the built-in ones
	Log      zerolog.Logger
}
