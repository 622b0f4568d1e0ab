package config

import "fmt"

// Dialect is one of the two configuration languages.
type Dialect uint8

// The dialects.
const (
	FluentBit Dialect = iota
	Fluentd
)

func (d Dialect) String() string {
	if d == Fluentd {
		return "fluentd"
	}
	return "fluentbit"
}

// Pos is a place in a configuration file. Line counts from 1.
type Pos struct {
	File string
	Line int
}

// Kind is the kind of a plugin.
type Kind uint8

// The kinds of plugin. A parser is a [PARSER] section of Fluent Bit, which filters name; its plugin is the one that its Format
// names. A multiline parser is a [MULTILINE_PARSER]; its plugin is the one that its Type names.
// A stream task is a [STREAM_TASK] of the stream processor. A reroute is an output of Fluentd that gives events another tag: here
// it is a filter at the end of a path.
const (
	KindInput Kind = iota
	KindFilter
	KindOutput
	KindParser
	KindMultiline
	KindStream
	KindReroute
)

// A Plugin is one row of the catalogue: a plugin's names in each dialect, its options and its constructor.
type Plugin struct {
	Kind      Kind
	FluentBit []string   // its names in Fluent Bit, the usual one first; none: it doesn't exist there
	Fluentd   []string   // its names in Fluentd
	Options   func() any // a new options struct: a pointer to a struct that is declared as the package's doc says
	New       any        // the constructor, for the router; config doesn't call it
	Help      string     // one line for the reference page
}

// A Plan is what a configuration means: pure data, which the router turns into running parts.
type Plan struct {
	Dialect Dialect
	Files   []string // every file that was read, in order
	Service Service
	Inputs  []Input
	Filters []Filter
	Outputs []Output
	Parsers []Instance // the [PARSER] sections, and the built-in parsers

	Multiline []Instance        // the [MULTILINE_PARSER] sections
	Variables map[string]string // those that the configuration sets, by @SET
	Warnings  []Diagnostic
	Settings  []Given // of [SERVICE] or <system>, if Compiler.KeepGiven

	rules // for Route

	inMemory map[string]string // Compiler.Files, for a tool
}

// An Instance is one plugin of a configuration.
type Instance struct {
	Plugin  *Plugin
	Name    string // the plugin's name as the configuration spells it
	ID      string // alias or @id, otherwise the plugin's name and a number: es.0, es.1
	Options any    // bound and checked; of the type that Plugin.Options makes
	Pos     Pos
	Given   []Given // the options as the configuration spells them, if Compiler.KeepGiven

	LogLevel string // of its own log lines, one of logLevels; "": that of Service

	hidden []string // lower-case names of options whose values came from ECS's secrets
}

// A Given is one option as the configuration spells it.
type Given struct {
	Name  string // with its sections in Fluentd: buffer.flush_interval
	Value string // with variables already replaced; "" if it is a secret
	Pos   Pos

	Secret  bool // the option is for a secret
	Unknown bool // there is no such option: it is ignored
}

// DefaultTag is the tag of the events of an input whose options have none. Fluent Bit numbers all inputs together, whatever they are, and an
// alias doesn't matter.
func (p *Plan) DefaultTag(input int) string {
	in := &p.Inputs[input]
	if p.Dialect == FluentBit && in.Plugin != nil {
		return fmt.Sprintf("%s.%d", in.Plugin.FluentBit[0], input)
	}
	return in.ID
}

// Find returns the last option of that name, ignoring case; ok is false if the configuration doesn't have it.
func (i *Instance) Find(name string) (g Given, ok bool) {
	for n := len(i.Given) - 1; n >= 0; n-- {
		if fold(i.Given[n].Name) == fold(name) {
			return i.Given[n], true
		}
	}
	return Given{}, false
}

// An Input is where events come from. Label is Fluentd's @label, "" for none.
type Input struct {
	Instance
	Label string

	processors []int       // Fluent Bit's: filters of this input's events alone
	routes     []planRoute // and where they go, whatever their tag; none: to the outputs that match
}

// A Filter is one step on the path of the events that match.
type Filter struct {
	Instance
	Match string // as written, for people; of a processor, the ID of its input or output
	Label string // Fluentd: the label at which events begin again that get another tag; "" for outside of all labels

	When   *Condition // the filter is for the records for which it holds; the others go on unchanged. nil: for all
	Select bool       // there is no plugin: the records for which When doesn't hold are filtered out
}

// An Output is a destination of the events that match.
type Output struct {
	Instance
	Match string // as written, for people

	processors []int // Fluent Bit's: filters of what this output gets
}

// A Route is the path of one tag: filters in order, then outputs, as indices into the plan's Filters and Outputs. Next are
// the paths that begin after those filters (Fluentd's copy into a label, Fluent Bit's routes and processors of outputs); most
// routes have none. Without Outputs and Next the tag's events match nothing, and are counted as unrouted.
//
// With Turns an event goes on by one of Next alone: by those whose numbers Turns has, one after another.
type Route struct {
	Tag     string // the tag that the events get at the beginning of a path of Next; "": they keep theirs
	Filters []int
	Outputs []int
	Next    []Route
	Turns   []int
}
