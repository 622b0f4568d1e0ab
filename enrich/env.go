package enrich

import (
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
)

// Env is what the process gives to stages.
type Env struct {
	Hostname  string            // the value of ${hostname}
	Version   string            // the router's
	Parsers   []config.Instance // the [PARSER] sections, and the built-in ones
	Multiline []config.Instance // the [MULTILINE_PARSER] sections
	Share     *budget.Share     // what a Holder holds is charged to it; nil: none
	Errors    bool              // Fluentd: there is a label @ERROR, to which events go that a stage can't handle
	Metrics   *Metrics          // what filters count is added here; may be nil
	Variables map[string]string // those that the configuration sets, for scripts
	Changed   func()            // what a TagFilter's ForTag returns has changed; it must not be called inside of ForTag. May be nil
	Log       zerolog.Logger

	AllowScriptIO bool // [SERVICE] lets scripts read and write files, and run commands
	Dry           bool // the configuration is only inspected: scripts that AllowScriptIO is for don't run, and what others print is discarded

	// ReadFile reads a file that the options name, as the configuration's own files are found. It returns its text and its
	// path. nil: there are no files.
	ReadFile func(name string) (text, path string, err error)
	// Exit stops the router in order, as SIGTERM does; the process ends with that status. It returns at once, and may be nil.
	Exit func(status int, why string)
}
