package input

import (
	"time"

	"github.com/firelane/firelane/config"
)

// A Monitor tells an input what the router counts of its parts, so that the input can report it. It is safe for concurrent use.
type Monitor interface {
	// Parts returns what is counted of each input, output and filter of the running configuration, in that order. With options,
	// Part.Options are set.
	Parts(options bool) []Part
	// OutputOf returns the ID of the first output that gets the events of a tag; "" if there is none.
	OutputOf(tag string) string
	// About returns what the process runs.
	About() About
}

// A Part is an input, a filter or an output of the configuration.
type Part struct {
	Kind    config.Kind
	ID      string
	Type    string        // the plugin's name in the configuration
	Options []config.Pair // that differ from their defaults; secrets are hidden
	Records int64         // received; of a filter, passed on
	Output  *OutputPart   // nil if it isn't an output
}

// An OutputPart is what is counted of an output.
type OutputPart struct {
	QueueBytes, QueueLimit int64
	Requests, Failed       int64     // attempts, and those of them that failed as a whole
	Dropped                int64     // records that made room for newer ones
	FailingSince           time.Time // zero: it doesn't fail
}

// About is what a process runs.
type About struct {
	Version string
	Config  string // the main file of the configuration
	RootDir string // the folder of the queues, as configured
}
