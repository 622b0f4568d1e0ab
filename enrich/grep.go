package enrich

import "github.com/firelane/firelane/config"

// GrepOptions are those of grep in both dialects.
type GrepOptions struct {
	Regex     []config.Pair `fluentbit:"regex" help:"keep records whose KEY matches PATTERN, as KEY PATTERN"`
	Exclude   []config.Pair `fluentbit:"exclude" help:"drop records whose KEY matches PATTERN, as KEY PATTERN"`
	LogicalOp string        `fluentbit:"logical_op" oneof:"legacy,AND,OR" default:"legacy" help:"how several rules combine"`

	Regexps  []GrepRule    `fluentd:"<regexp>" help:"pattern that a record has to match; of several, all"`
	Excludes []GrepRule    `fluentd:"<exclude>" help:"pattern that drops a record; of several, any"`
	And      []GrepGroup   `fluentd:"<and>" help:"patterns of which all have to match"`
	Or       []GrepGroup   `fluentd:"<or>" help:"patterns of which any has to match"`
	RegexpN  []config.Pair `fluentd:"regexp1,regexp2,regexp3,regexp4,regexp5,regexp6,regexp7,regexp8,regexp9,regexp10,regexp11,regexp12,regexp13,regexp14,regexp15,regexp16,regexp17,regexp18,regexp19,regexp20" help:"older form of <regexp>, as KEY PATTERN"`
	ExcludeN []config.Pair `fluentd:"exclude1,exclude2,exclude3,exclude4,exclude5,exclude6,exclude7,exclude8,exclude9,exclude10,exclude11,exclude12,exclude13,exclude14,exclude15,exclude16,exclude17,exclude18,exclude19,exclude20" help:"older form of <exclude>, as KEY PATTERN"`
}

// A GrepRule is Fluentd's <regexp> or <exclude>.
type GrepRule struct {
	Key     string `fluentd:"key" required:"true" help:"field, a nested one as $.a.b or $['a']['b']"`
	Pattern string `fluentd:"pattern" required:"true" help:"regular expression, plain or as /pattern/ with the flags i, m and x"`
}

// A GrepGroup is Fluentd's <and> or <or>.
type GrepGroup struct {
	Regexps  []GrepRule `fluentd:"<regexp>" help:"pattern that a record has to match"`
	Excludes []GrepRule `fluentd:"<exclude>" help:"pattern that drops a record"`
}

// NewGrep makes the step of a grep.
func NewGrep(o *GrepOptions, d config.Dialect, env Env) (Step, error) {
	panic("not written yet")
}
