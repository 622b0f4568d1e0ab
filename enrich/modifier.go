package enrich

import "github.com/firelane/firelane/config"

// ModifierOptions are those of Fluent Bit's record_modifier.
type ModifierOptions struct {
	Record    []config.Pair `fluentbit:"record" help:"field to add, as KEY VALUE; it replaces a field of that name"`
	Remove    []string      `fluentbit:"remove_key" help:"field to remove; a * at the end stands for any ending"`
	Allow     []string      `fluentbit:"allowlist_key,whitelist_key" help:"field to keep, all others go; a * at the end stands for any ending"`
	UUIDField string        `fluentbit:"uuid_key" help:"field to add with a new random UUID for each record"`
}

// NewModifier makes the step of a record_modifier.
func NewModifier(o *ModifierOptions, d config.Dialect, env Env) (Step, error) {
	panic("not written yet")
}
