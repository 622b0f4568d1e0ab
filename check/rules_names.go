package check

import (
	"fmt"
	"strings"

	"github.com/firelane/firelane/sink"
)

// namingRules are about the names that records get: indices, log groups and streams, buckets. F201 to F299.
func namingRules() []Rule {
	rule := func(number, name string, severity Severity, help string, kind sink.NameKind) Rule {
		return Rule{number, name, severity, help, eachOutlet(func(o *outlet) { o.tellNames(kind, severity) })}
	}
	return []Rule{
		rule("F201", "name-changed", Warning, "no index, log group or log stream may have that name: another one is used", sink.NameChanged),
		rule("F202", "undated-name", Warning, "the date of an index has no conversion of strftime, so that all days have one index", sink.NameUndated),
		rule("F203", "frequent-name", Warning, "there is an index for each minute or second, usually because %M (the minute) was written instead of %m (the month)", sink.NameFrequent),
		rule("F204", "quoted-name", Warning, "Fluent Bit's syntax keeps quotes around a name as a part of it", sink.NameQuoted),
		rule("F205", "long-name", Warning, "the name is longer than the service takes: another one is used", sink.NameLong),
		rule("F206", "literal-name", Warning, "what looks like a field's value in a name is text, so that all records get one name", sink.NameLiteral),
		rule("F207", "refused-name", Error, "the service has no bucket of such a name: nothing is ever delivered", sink.NameRefused),
	}
}

// tellNames tells the problems of one kind that the output's names have.
func (o *outlet) tellNames(kind sink.NameKind, severity Severity) {
	c, ok := o.Options.(sink.NameChecker)
	if !ok {
		return
	}
	for _, p := range c.NameProblems(o.Plan.Dialect, o.Now) {
		if p.Kind != kind {
			continue
		}
		g, given := o.given(p.Option)
		if given && kind == sink.NameChanged && !o.fluentd() && !isYAMLName(g.Pos.File) && comment().MatchString(g.Value) {
			continue // F109
		}
		at, option := o.Pos, p.Option
		var fix *Fix
		if given {
			at, option = g.Pos, g.Name
		}
		if given && p.Value != "" {
			fix = o.rewrite(at, g.Value, p.Value)
		}
		grade := severity
		if p.Minor {
			grade = Note
		}
		o.tell(o.found(grade, at, fix, strings.TrimPrefix(p.Want, "want "), "%s", fmt.Sprintf("%s %s", option, p.Text)))
	}
}
