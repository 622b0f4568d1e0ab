package enrich

import "github.com/firelane/firelane/config"

// TransformerOptions are those of Fluentd's record_transformer.
type TransformerOptions struct {
	Record       []config.Pair `fluentd:"<record>" help:"fields to set; values may hold placeholders such as ${tag} and ${record[\"key\"]}"`
	EnableRuby   bool          `fluentd:"enable_ruby" default:"false" help:"accepted; expressions are limited to the placeholders either way"`
	AutoTypecast bool          `fluentd:"auto_typecast" default:"true" help:"keep the type of a value that is one placeholder alone"`
	RenewRecord  bool          `fluentd:"renew_record" default:"false" help:"start from an empty record"`
	RenewTimeKey string        `fluentd:"renew_time_key" help:"field that holds the event's new time, in Unix seconds"`
	KeepKeys     []string      `fluentd:"keep_keys" help:"fields that renew_record keeps"`
	RemoveKeys   []string      `fluentd:"remove_keys" help:"fields to remove, nested ones as $.a.b or $['a']['b']"`
}

// NewTransformer makes the step of a record_transformer.
func NewTransformer(o *TransformerOptions, d config.Dialect, env Env) (Step, error) {
	panic("not written yet")
}
