package check

import (
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
)

// A difference is one row of docs/compatibility.md: where in a configuration it shows, and its sentence there.
type difference struct {
	number string // F601
	id     string
	text   string // the page's; "" if check doesn't tell it, because it depends on the records, or on files, alone
	in     func(p *config.Plan) []config.Pos
}

// DifferenceRules are the rules that tell where a configuration behaves differently from Fluent Bit or Fluentd, F601 to F699.
func DifferenceRules() (list []Rule) {
	for _, d := range differences() {
		if d.text == "" {
			continue
		}
		severity := Note
		if d.number == "F631" { // nothing is collected
			severity = Warning
		}
		list = append(list, Rule{d.number, d.id, severity, "a difference: " + d.text, func(s *Subject, tell func(Finding)) {
			if s.Plan == nil || len(s.Errors) > 0 {
				return
			}
			told := map[config.Pos]bool{}
			for _, at := range d.in(s.Plan) {
				if !told[at] {
					told[at] = true
					text := d.text
					if here := part(d.number); here != nil {
						text = here(s.Plan, at)
					}
					tell(Finding{At: s.Place(at), Severity: severity, Text: strings.ReplaceAll(text, "`", "") + "."})
				}
			}
		}})
	}
	return list
}

// within finds the instances of plugins: of one kind and dialect, by Fluent Bit's or Fluentd's names, where has holds.
func within(kind config.Kind, d config.Dialect, names string, has func(i *config.Instance) bool) func(*config.Plan) []config.Pos {
	return func(p *config.Plan) (list []config.Pos) {
		if p.Dialect != d {
			return nil
		}
		for _, i := range instances(p, kind) {
			if i.Plugin == nil || i.Pos.Line == 0 || !isOneOf(i.Plugin, d, names) || has != nil && !has(i) {
				continue
			}
			list = append(list, i.Pos)
		}
		return list
	}
}

// isOneOf reports whether a plugin has one of some names.
func isOneOf(p *config.Plugin, d config.Dialect, names string) bool {
	own := p.FluentBit
	if d == config.Fluentd {
		own = p.Fluentd
	}
	return slices.ContainsFunc(strings.Fields(names), func(n string) bool { return slices.Contains(own, n) })
}

// instances are the plugins of a kind in a plan.
func instances(p *config.Plan, kind config.Kind) (list []*config.Instance) {
	switch kind {
	case config.KindInput:
		for i := range p.Inputs {
			list = append(list, &p.Inputs[i].Instance)
		}
	case config.KindFilter:
		for i := range p.Filters {
			list = append(list, &p.Filters[i].Instance)
		}
	case config.KindOutput:
		for i := range p.Outputs {
			list = append(list, &p.Outputs[i].Instance)
		}
	case config.KindParser:
		for i := range p.Parsers {
			if !strings.HasPrefix(p.Parsers[i].Pos.File, "(") { // not built in
				list = append(list, &p.Parsers[i])
			}
		}
	}
	return list
}

// gives reports whether an instance has an option, whatever its value.
func gives(names ...string) func(*config.Instance) bool {
	return func(i *config.Instance) bool {
		return slices.ContainsFunc(names, func(n string) bool { _, ok := i.Find(n); return ok })
	}
}

// lacks is the opposite of gives.
func lacks(names ...string) func(*config.Instance) bool {
	has := gives(names...)
	return func(i *config.Instance) bool { return !has(i) }
}

// is reports whether the last value of an option is one of some, in lower case.
func is(name string, values ...string) func(*config.Instance) bool {
	return func(i *config.Instance) bool {
		g, ok := i.Find(name)
		return ok && slices.Contains(values, strings.ToLower(g.Value))
	}
}

// all reports whether all conditions hold, any whether one does.
func all(list ...func(*config.Instance) bool) func(*config.Instance) bool {
	return func(i *config.Instance) bool {
		return !slices.ContainsFunc(list, func(f func(*config.Instance) bool) bool { return !f(i) })
	}
}

func anyOf(list ...func(*config.Instance) bool) func(*config.Instance) bool {
	return func(i *config.Instance) bool {
		return slices.ContainsFunc(list, func(f func(*config.Instance) bool) bool { return f(i) })
	}
}

// some reports whether a line of some options fits.
func some(fits func(value string) bool, names ...string) func(*config.Instance) bool {
	return func(i *config.Instance) bool {
		return slices.ContainsFunc(i.Given, func(g config.Given) bool { return slices.Contains(names, strings.ToLower(g.Name)) && fits(g.Value) })
	}
}

// on are the values of a boolean that is true.
var on = []string{"on", "true", "yes", "1"}

// either joins two places where a difference shows.
func either(list ...func(*config.Plan) []config.Pos) func(*config.Plan) []config.Pos {
	return func(p *config.Plan) (all []config.Pos) {
		for _, in := range list {
			all = append(all, in(p)...)
		}
		return all
	}
}
