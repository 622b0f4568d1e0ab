package check

import (
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
)

// part is what of a difference's text is true at a place; nil: all of it.
func part(number string) func(*config.Plan, config.Pos) string {
	switch number {
	case "F624":
		return lenientHere
	case "F631":
		return execHere
	case "F640":
		return unparsedHere
	}
	return nil
}

// noStream is part of a warning of cloudwatch_logs.
const noStream = "neither log_stream_name nor log_stream_prefix"

// lenient finds the first filter without Match or log group without a stream, with which Fluent Bit wouldn't start. Unknown options are
// F104's.
func lenient(p *config.Plan) (list []config.Pos) {
	for i := range p.Warnings {
		if w := &p.Warnings[i]; p.Dialect == bit && (strings.Contains(w.Text, "the filter has no Match") || strings.Contains(w.Text, noStream)) {
			list = append(list, w.Pos)
			break // the reader knows after the first
		}
	}
	return list
}

// lenientHere is what F624 says at a place.
func lenientHere(p *config.Plan, at config.Pos) string {
	for _, w := range p.Warnings {
		if w.Pos == at && strings.Contains(w.Text, noStream) {
			return "firelane names each log stream by its tag, and starts; Fluent Bit does not start"
		}
	}
	return "firelane leaves out the filter without Match, and starts; Fluent Bit does not start"
}

// execHere is what F631 says: a command that only reads the router's page isn't told.
func execHere(p *config.Plan, _ config.Pos) string {
	if p.Dialect == fluentd {
		return "firelane runs the command of exec only if allow_exec is on in <system>; Fluentd always runs it"
	}
	return "firelane runs the command of exec only if allow_exec is on in [SERVICE]; Fluent Bit always runs it"
}

// unparsed finds the filters of Fluentd whose records @ERROR would get.
func unparsed(p *config.Plan) []config.Pos {
	if p.HasLabel("@ERROR") {
		return nil
	}
	filter := config.KindFilter
	return either(within(filter, fluentd, "parser", nil), within(filter, fluentd, "record_transformer", is("enable_ruby", "true")), within(filter, fluentd, "concat", gives("flush_interval")))(p)
}

// unparsedHere is what F640 says at a place.
func unparsedHere(p *config.Plan, at config.Pos) string {
	which := "that parser can't parse"
	for i := range p.Filters {
		switch f := &p.Filters[i]; {
		case f.Pos != at || f.Plugin == nil:
		case isOneOf(f.Plugin, fluentd, "record_transformer"):
			which = "for which an expression of record_transformer fails"
		case isOneOf(f.Plugin, fluentd, "concat"):
			which = "that concat hasn't completed after flush_interval"
		}
	}
	return "Without a label @ERROR, firelane passes records " + which + " on to the next filter; Fluentd drops them"
}

// matchesAll finds the first output of Fluentd that takes every tag.
func matchesAll(p *config.Plan) []config.Pos {
	for i := range p.Outputs {
		if o := &p.Outputs[i]; p.Dialect == fluentd && o.Match == "**" && !p.HasLabel("@FLUENT_LOG") {
			return []config.Pos{o.Pos}
		}
	}
	return nil
}

// parsersOf are the names of the parsers that a plugin's option names, in lower case.
func parsersOf(g *config.Given) (names []string) {
	option := strings.ToLower(g.Name)
	if option != "parser" && !strings.HasPrefix(option, "parser_") && option != "key_parser" {
		return nil
	}
	for name := range strings.SplitSeq(g.Value, ",") {
		names = append(names, strings.ToLower(strings.TrimSpace(name)))
	}
	return names
}

// parserUsed finds the parsers of a format that a plugin or a multiline parser uses, and of which an option has a text.
func parserUsed(format, option, text string) func(*config.Plan) []config.Pos {
	return func(p *config.Plan) []config.Pos {
		used := map[string]bool{}
		see := func(in *config.Instance) {
			for i := range in.Given {
				for _, name := range parsersOf(&in.Given[i]) {
					used[name] = true
				}
			}
		}
		for _, in := range allInstances(p) {
			see(in)
		}
		for i := range p.Multiline {
			see(&p.Multiline[i])
		}
		fits := some(contains(text), option)
		return within(config.KindParser, bit, format, func(i *config.Instance) bool { return used[strings.ToLower(i.ID)] && fits(i) })(p)
	}
}

// stockParsers finds where a plugin uses a parser that no file of the configuration has.
func stockParsers(p *config.Plan) (list []config.Pos) {
	if p.Dialect != bit {
		return nil
	}
	stock := map[string]bool{}
	for i := range p.Parsers {
		stock[strings.ToLower(p.Parsers[i].ID)] = strings.HasPrefix(p.Parsers[i].Pos.File, "(")
	}
	for _, in := range allInstances(p) {
		for i := range in.Given {
			if g := &in.Given[i]; g.Pos.Line > 0 && slices.ContainsFunc(parsersOf(g), func(name string) bool { return stock[name] }) {
				list = append(list, g.Pos)
			}
		}
	}
	return list
}
