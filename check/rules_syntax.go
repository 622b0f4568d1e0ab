package check

import (
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// syntaxRules are about what reading the configuration has found: F101 to F199. What keeps the router from starting is an error, all
// else is a warning.
func syntaxRules() []Rule {
	rule := func(number, name, help string, codes ...config.Code) Rule {
		return Rule{Number: number, Name: name, Help: help, Check: reading(codes...)}
	}
	warning := func(number, name, help string, codes ...config.Code) Rule {
		r := rule(number, name, help, codes...)
		r.Severity = Warning
		return r
	}
	comments := rule("F109", "inline-comment", "a # after a value begins no comment in Fluent Bit's syntax: the rest of the line is part of the value", config.CodeComment)
	comments.Check = func(s *Subject, tell func(Finding)) {
		reading(config.CodeComment)(s, tell)
		inlineComments(s, tell)
	}
	return []Rule{
		rule("F101", "syntax", "the text is not a configuration: a section or a quote isn't closed, a key stands before any section", config.CodeSyntax),
		rule("F102", "unknown-plugin", "no input, filter or output has that name, probably a misspelling", config.CodePlugin),
		rule("F103", "absent-plugin", "Fluent Bit or Fluentd has that plugin, and firelane doesn't: the router doesn't start", config.CodeAbsent),
		rule("F104", "unknown-option", "no option or section has that name: it is ignored, and its default applies", config.CodeOption, config.CodeSection),
		rule("F105", "other-dialect", "it is an option or a plugin of the other dialect, where it has another name", config.CodeDialect),
		rule("F106", "wrong-value", "the option can't have that value: the router doesn't start, or reads it as Fluent Bit does", config.CodeValue),
		warning("F107", "unset-variable", "a variable isn't set and becomes empty, often a host or a password", config.CodeVariable),
		rule("F108", "missing-file", "a file that an option or an include names doesn't exist or can't be read", config.CodeFile),
		comments,
		rule("F110", "sign-after-name", "there is a : or an = between name and value, as other formats have it: it is part of the name or the value", config.CodeSign),
		rule("F111", "given-twice", "an option, an alias or an ID is given twice: only one of them counts", config.CodeTwice, config.CodeAlias),
		rule("F112", "missing-option", "an option is missing that the plugin needs: the router doesn't start", config.CodeMissing),
		rule("F113", "parser", "a parser that is named doesn't exist, or has a format that isn't supported", config.CodeParser),
		rule("F114", "left-out", "a filter or an output is left out: it has no Match, its pattern is invalid, or its label or name doesn't exist", config.CodeNoMatch, config.CodeMatch, config.CodeLabel, config.CodeNothing),
		warning("F115", "no-input", "there is no input, so that nothing can be received", config.CodeNoInput),
		warning("F116", "environment", "an environment variable of firelane has a value that it can't have: it is ignored", config.CodeEnvironment),
		warning("F190", "no-effect", "it is accepted and does nothing here", config.CodeIgnored),
		warning("F191", "advice", "an option does something other than its value seems to say", config.CodeAdvice, config.CodeNoFile),
		rule("F199", "configuration", "anything else that is wrong with the configuration", ""),
	}
}

// reading makes the check of a rule that tells the diagnostics with these codes.
func reading(codes ...config.Code) func(*Subject, func(Finding)) {
	return func(s *Subject, tell func(Finding)) {
		if s.Plan == nil {
			return
		}
		told, unset, set := map[config.Pos]bool{}, s.unset(), s.setNames()
		say := func(d config.Diagnostic, severity Severity) {
			for _, c := range codes {
				if d.Code != c || told[d.Pos] && c == config.CodeSign || c == config.CodeVariable && s.Task != nil { // F508
					continue
				}
				told[d.Pos] = true
				text, want := splitWant(d.Text)
				switch {
				case c == config.CodeAbsent: // the plugins with similar names do something else
					want = "another plugin instead of it, or the image of " + product(s) + " for this task"
				case c == config.CodePlugin && d.Want != "":
					want = d.Want
				case want != "":
				case c == config.CodeTwice:
					want = "one of the two lines"
				case c == config.CodeNothing && strings.HasPrefix(text, "nothing gets here: <match "):
					text, want = "N"+text[1:], "put it before that <match>"
				}
				if c == config.CodeEnvironment {
					text = d.Variable() + ": " + text + ", as if the variable were not set"
				}
				if c == config.CodeFile && want == "" && s.Task == nil {
					want = "a path that exists (the check looks for it on this machine)"
				}
				if severity == Error && unset[d.Pos] {
					text, want = text+", since a variable in it isn't set", "the variable in the router's environment"
				}
				if severity == Error {
					text = sentence(text) + " The router doesn't start"
				} else {
					_, ofPlugin := set.plugins[d.Pos]
					text += consequence(&d, ofPlugin && s.Plan.Dialect == config.FluentBit)
				}
				severity, text = s.graded(&d, severity, text)
				fix := s.rewrite(d.Pos, d.Word, d.Want)
				if has := set.already(d.Pos, want); has != "" {
					fix, want = nil, "remove the line: "+has+" is set already"
				}
				tell(s.found(severity, d.Pos, fix, want, "%s", text))
			}
		}
		for _, d := range s.Errors {
			say(d, Error)
		}
		for _, d := range s.Plan.Warnings {
			say(d, Warning)
		}
	}
}

// graded is how bad a diagnostic is, with what else is to be said of it.
func (s *Subject) graded(d *config.Diagnostic, severity Severity, text string) (Severity, string) {
	switch {
	case d.Code == config.CodeAdvice && s.Task != nil && strings.Contains(text, "no such file or directory"):
		return Note, text + ": that is so on this machine; the file in the container is not checked"
	case (d.Code == config.CodeValue || d.Code == config.CodeComment) && strings.Contains(text, ": tls: ") && strings.Contains(text, "is read as off"):
		return Error, text + ". So the connection has no TLS"
	case d.Code == config.CodeSection && d.Want != "" && strings.HasPrefix(text, "unknown section ["): // probably an output
		return Error, text + ", so what it configures is missing"
	case d.Code == config.CodeNoInput && s.Task == nil:
		return Note, text + ", unless another file includes this one, as that of ECS does"
	}
	return severity, text
}

// consequence is what follows from a warning, after its text; "" if that says it. Fluent Bit doesn't start with an unknown option of
// a plugin. It ignores those of [SERVICE] and of parsers, as firelane does, and Fluentd only warns.
func consequence(d *config.Diagnostic, strandsFluentBit bool) string {
	switch {
	case d.Code == config.CodeComment && !strings.Contains(d.Text, "is read as off") && !strings.Contains(d.Text, "counts as not written"):
		return ". That works; a comment needs a line of its own"
	case !strandsFluentBit || !strings.Contains(d.Text, "unknown option"):
		return ""
	case d.Code == config.CodeSign && strings.EqualFold(d.Want, "host") && (strings.HasPrefix(d.Text, "es:") || strings.HasPrefix(d.Text, "opensearch:")):
		return ". So firelane sends to the default, 127.0.0.1, and Fluent Bit does not start"
	case d.Code == config.CodeSign && d.Want != "":
		return ". So " + d.Want + " keeps its default here, and Fluent Bit does not start"
	}
	return ". Fluent Bit does not start with it"
}

// A setNames tells which options plugins have, by the places of the unknown options beside them.
type setNames struct {
	plugins map[config.Pos]int
	names   map[pluginOption]string // as written
}

type pluginOption struct {
	plugin int
	name   string // in lower case
}

// setNames collects the options of all plugins.
func (s *Subject) setNames() setNames {
	set := setNames{map[config.Pos]int{}, map[pluginOption]string{}}
	for i, in := range allInstances(s.Plan) {
		for _, g := range in.Given {
			if g.Unknown {
				set.plugins[g.Pos] = i
			} else {
				set.names[pluginOption{i, strings.ToLower(g.Name)}] = g.Name
			}
		}
	}
	return set
}

// already is the option that a finding at a place wants, if the plugin there has it with any value; otherwise "".
func (set *setNames) already(at config.Pos, want string) string {
	plugin, ok := set.plugins[at]
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(want, " ")
	return set.names[pluginOption{plugin, strings.ToLower(name)}]
}

// unset are the places of values of which a variable isn't set.
func (s *Subject) unset() map[config.Pos]bool {
	places := map[config.Pos]bool{}
	for _, d := range s.Plan.Warnings {
		if d.Code == config.CodeVariable {
			places[d.Pos] = true
		}
	}
	return places
}

// splitWant cuts a message into what is wrong and what is wanted.
func splitWant(message string) (text, want string) {
	if i := strings.LastIndex(message, "; want "); i > 0 {
		return message[:i], message[i+len("; want "):]
	}
	if i := strings.LastIndex(message, "; here it is "); i > 0 {
		return message[:i], message[i+len("; here it is "):]
	}
	if i := strings.LastIndex(message, ": did you mean "); i > 0 {
		return message[:i], strings.TrimSuffix(message[i+len(": did you mean "):], "?")
	}
	return message, ""
}

// comment matches what looks like a comment after a value.
var comment = lazily(`[ \t]+#[ \t]*\S*.*$`)

// patterns are parts of the names of options whose values may have a # that is meant.
var patterns = []string{"regex", "rule", "exclude", "match", "code", "command", "exec", "record", "cond", "template", "header", "pass", "token", "key", "separator", "delimiter"}

// inlineComments tells of values that end in what looks like a comment. Those of numbers and booleans are diagnostics already.
func inlineComments(s *Subject, tell func(Finding)) {
	p := s.usable()
	if p.Dialect != config.FluentBit {
		return
	}
	told := map[config.Pos]bool{}
	for _, d := range p.Warnings {
		if d.Code == config.CodeComment {
			told[d.Pos] = true
		}
	}
	for _, in := range allInstances(p) {
		for _, g := range in.Given {
			at := comment().FindStringIndex(g.Value)
			if at == nil || at[0] == 0 || told[g.Pos] || g.Secret || isYAMLName(g.Pos.File) || hasAny(strings.ToLower(g.Name), patterns) {
				continue
			}
			told[g.Pos] = true
			value := g.Value[:at[0]]
			tell(s.found(Warning, g.Pos, s.rewrite(g.Pos, g.Value[at[0]:], ""), value,
				"The value of %s is %q, with all that follows the #: this syntax has comments only on lines of their own%s", g.Name, g.Value, s.illegalName(in, &g)))
		}
	}
}

// illegalName says what becomes of the value of an option that can't be a name; "" if it can be one, or isn't meant as one.
func (s *Subject) illegalName(in *config.Instance, g *config.Given) string {
	if c, ok := in.Options.(sink.NameChecker); ok {
		for _, p := range c.NameProblems(s.Plan.Dialect, s.Now) {
			if p.Kind == sink.NameChanged && strings.EqualFold(p.Option, g.Name) {
				return ". It " + strings.TrimLeft(strings.TrimPrefix(p.Text, strconv.Quote(g.Value)), ": ")
			}
		}
	}
	return ""
}

func hasAny(text string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// allInstances are the inputs, filters and outputs of a plan.
func allInstances(p *config.Plan) (list []*config.Instance) {
	for i := range p.Inputs {
		list = append(list, &p.Inputs[i].Instance)
	}
	for i := range p.Filters {
		list = append(list, &p.Filters[i].Instance)
	}
	for i := range p.Outputs {
		list = append(list, &p.Outputs[i].Instance)
	}
	return list
}
