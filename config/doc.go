// Package config reads the two dialects, binds their sections to option structs and compiles a Plan.
//
// # Options
//
// A plugin's options are one struct, declared in the plugin's package, with each option once:
//
//	type Options struct {
//		Host string         `fluentbit:"host" fluentd:"host,hostname" default:"127.0.0.1" help:"server's name or address"`
//		Port int            `fluentbit:"port" fluentd:"port" default:"9200" help:"server's port"`
//		User string         `fluentbit:"http_user" fluentd:"user" help:"user of basic authentication"`
//		Op   string         `fluentbit:"write_operation" fluentd:"write_operation" oneof:"create,index" default:"create" help:"…"`
//		Rec  []config.Pair  `fluentbit:"record" fluentd:"<record>" help:"fields to add"`
//		Regexps []Regexp    `fluentd:"<regexp>" help:"…"`
//		Endpoint *Endpoint  `fluentd:"<endpoint>" help:"…"`
//		Net                 // an embedded struct's options count as its own
//	}
//
// A tag is the option's name in that dialect, in lower case, other names after commas; a field without a dialect's tag does
// not exist there. "<name>" is a sub-section of Fluentd: a struct or pointer for at most one, a slice for any number,
// []Pair for one whose keys are free (<record>). "<>" is the argument of the section itself (<user NAME>, <buffer tag>).
// default applies to both dialects, default.fluentbit and default.fluentd to one. oneof lists the allowed values (case is
// ignored; the field gets the spelling of the list); other is the one that Fluent Bit takes for any other value, so that this is
// only a warning. required:"true" makes omitting it an error.
//
// Types: string, bool, int, int64, float64, time.Duration (5s, 10m; a bare number is seconds), Size (512k, 10M; bytes),
// Secret, Pair (a value split at its first blanks: "key rest of the line"), []Pair (such an option repeated), []Ordered, []string
// (repeated, or a list with commas in Fluent Bit; a JSON array or a list with commas in Fluentd), and a pointer to any of
// these, which stays nil where the option isn't written.
//
// ignored:"why" makes the option a warning that it has no effect here, with the reason. secret:"true" hides a value that isn't
// a Secret, and the values of pairs. quotes:"true" on a Pair or []Pair removes quotes from its two halves, as Fluent Bit does
// for some options (record) and not for others (regex); Fluentd's values have no quotes at this point. split:"blank" on these
// splits at one blank: "log  DEBUG" is log and " DEBUG", as Fluent Bit reads regex and exclude.
//
// In Fluent Bit's dialect a value that isn't the number, time or size that it should be is only a warning: it is read as Fluent Bit reads
// it. strict:"true" makes it a mistake, for options with which Fluent Bit doesn't start then, and strict:"zero" unless a number above 0 is
// at its beginning. other on a bool is what anything else than a boolean means; other:"(not written)": it counts as not written.
//
// negative:"DURATION" on a time.Duration is what a negative number means: for Fluent Bit's grace, no limit.
//
// identity:"true" makes an option part of what an output is: where its records go, and under which name, but not how or how
// fast they get there. See Plan.Identity.
//
// If a pointer to the struct has a method Check(Dialect) error, it is called after binding. An *OptionError names the option
// to which the message points; for any other error that is the section. A method Warnings() []string is called, too: each
// text becomes one warning. So does each text of a method CheckedWarnings(Dialect) []string: those of which firelane check tells more,
// by a rule of its own; and of a method FileWarnings() []string: of files that don't exist, and without which the plugin works.
//
// Options that every plugin has (match, match_regex, alias, log_level, log_suppress_interval, @type, @id, @label, @log_level) are not declared;
// those that every output has (retry_limit, storage.*, net.*, tls.*, <buffer>) are embedded from package sink.
package config

// An Ordered is the value of an option of which the order matters, also among options of other names: a []Ordered has each
// value with its place among all lines of the section.
type Ordered struct {
	Order int
	Value string
}

// A Pair is a key and a value.
type Pair struct{ Key, Value string }

// Size is a number of bytes.
type Size int64

// Unlimited is the Size of "false" and "unlimited".
const Unlimited Size = -1

// Secret is a string that never appears in an output or a log.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// An OptionError is an error in one option of a section.
type OptionError struct {
	Option string // its name in the dialect of the configuration
	Reason string // what is wrong, and what is wanted

	// Instead is the value that the option has in Fluent Bit's dialect, with a warning, where Fluent Bit starts with the wrong one:
	// NotWritten, or another value. The struct is checked again then. "": it is a mistake.
	Instead string
}

// NotWritten stands for the value of an option that isn't written: its default.
const NotWritten = "(not written)"

func (e *OptionError) Error() string { return e.Option + ": " + e.Reason }
