// Package multiline joins lines that belong together, such as those of a stack trace, by the built-in multiline parsers of
// Fluent Bit and those of its [MULTILINE_PARSER].
//
// A Parser says which lines belong together. A Set tries several Parsers. A Stream is the state of the lines of one
// source; the joined lines are a Block.
package multiline

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/pattern"
)

// DefaultFlush is how long lines wait for their next one, where nothing else is configured: Fluent Bit's own.
const DefaultFlush = 4 * time.Second

// maxFlush is the longest flush_timeout: clients may wait for their acks that long.
const maxFlush = 10 * time.Minute

// Options are those of Fluent Bit's [MULTILINE_PARSER].
type Options struct {
	Name        string           `fluentbit:"name" required:"true" help:"name that filters and inputs refer to"`
	Type        string           `fluentbit:"type" required:"true" oneof:"regex,endswith,equal,eq" help:"regex: the rules say which lines follow each other; endswith, equal: a line that ends with match_string, or is it, is the last one"`
	Parser      string           `fluentbit:"parser" unknown:"left out" help:"[PARSER] that reads each line first; key_content, key_group and key_pattern are its fields then"`
	KeyContent  string           `fluentbit:"key_content" help:"field that holds the text; default: log"`
	KeyGroup    string           `fluentbit:"key_group" help:"field whose value tells lines apart that are mixed, such as stream"`
	KeyPattern  string           `fluentbit:"key_pattern" help:"field that match_string is compared with, instead of the text"`
	MatchString string           `fluentbit:"match_string" help:"text of the types endswith and equal"`
	Negate      bool             `fluentbit:"negate" other:"(not written)" default:"false" help:"types endswith and equal: a line that doesn't match is the last one"`
	Flush       string           `fluentbit:"flush_timeout" help:"milliseconds that lines wait for their next one; default: that of the filter or input"`
	Rules       []config.Ordered `fluentbit:"rule" help:"type regex: \"STATE\" \"/REGEX/\" \"NEXT\": in that state (several with commas) a line that matches is added, and the next state begins. start_state begins a record"`
}

// Check implements config's check after binding.
func (o *Options) Check(config.Dialect) error {
	without := *o
	without.Parser = "" // config has looked it up
	_, err := New(&without, config.FluentBit, parse.Env{})
	return err
}

// Env is what the process gives to multiline parsers.
type Env struct {
	parse.Env
	Multiline []config.Instance // the [MULTILINE_PARSER] sections
}

// New makes the parser of a section.
func New(o *Options, _ config.Dialect, env parse.Env) (*Parser, error) {
	p := &Parser{Name: o.Name, content: o.KeyContent, group: o.KeyGroup, pattern: o.KeyPattern, match: unescape(o.MatchString), negate: o.Negate}
	if o.Flush != "" {
		ms, err := strconv.Atoi(o.Flush)
		if err != nil || ms < 1 || int64(ms) > maxFlush.Milliseconds() {
			return nil, &config.OptionError{Option: "flush_timeout", Reason: fmt.Sprintf("%q is not a number of milliseconds from 1 to %d", o.Flush, maxFlush.Milliseconds()), Instead: config.NotWritten}
		}
		p.flush = time.Duration(ms) * time.Millisecond
	}
	if o.Parser != "" {
		sub, err := parse.Find(o.Parser, env)
		if err != nil {
			return nil, &config.OptionError{Option: "parser", Reason: err.Error()}
		}
		p.parser = sub
	}
	switch strings.ToLower(o.Type) {
	case "endswith":
		p.kind = endsWith
	case "equal", "eq":
		p.kind = equal
	default:
		return p, p.addRules(o, env)
	}
	if len(p.match) == 0 {
		return nil, &config.OptionError{Option: "match_string", Reason: "is missing; want the text of the last line, or its end"}
	}
	return p, nil
}

// unescape replaces \n, \r and \t, as Fluent Bit's configuration has no other way to write them.
func unescape(s string) []byte {
	return []byte(strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t").Replace(strings.Trim(s, `"`)))
}

// addRules adds the rules of type regex.
func (p *Parser) addRules(o *Options, env parse.Env) error {
	fail := func(format string, args ...any) error {
		return &config.OptionError{Option: "rule", Reason: fmt.Sprintf(format, args...)}
	}
	var list []rule3
	for _, r := range o.Rules {
		words := tokens(r.Value)
		if len(words) < 2 || len(words) > 3 || words[0] == "" || words[1] == "" {
			return fail(`%s is not a rule; want three words in quotes, as in "start_state" "/^\d{4}-/" "cont"`, r.Value)
		}
		list = append(list, rule3{states: words[0], pattern: words[1], next: strings.Join(words[2:], "")})
	}
	return p.compile(list, func(name string) {
		env.Log.Warn().Str("multiline_parser", o.Name).Str("rule", name).Float64("limit_s", pattern.MatchTimeout.Seconds()).
			Int("limit_bytes", pattern.MaxBacktrack).
			Msg("a line is too long for the rule's pattern, or took too long, and was not matched; simplify the pattern")
	}, fail)
}

// tokens splits a value at blanks. A word may be in double quotes, in which \" is a quote, as in Fluent Bit.
func tokens(text string) (words []string) {
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		if text[0] == '"' {
			end = 1
			for end < len(text) && (text[end] != '"' || text[end-1] == '\\') {
				end++
			}
			words = append(words, strings.ReplaceAll(text[1:end], `\"`, `"`))
			text = text[min(end+1, len(text)):]
			continue
		}
		words, text = append(words, text[:end]), text[end:]
	}
	return words
}

// FirstLine makes the parser of Fluent Bit's Parser_Firstline: a line that p can parse begins a record with its fields, and all
// others are added to the last of them that is a text.
func FirstLine(p *parse.Parser, flush time.Duration) *Parser {
	return &Parser{Name: "parser_firstline", kind: firstLine, parser: p, flush: flush}
}

// FirstText makes the parser of Fluentd's format_firstline: a line that the pattern matches begins a text, and all others are
// added to it.
func FirstText(p *pattern.Pattern, flush time.Duration) *Parser {
	return &Parser{Name: "format_firstline", kind: firstText, rules: []rule{{pattern: p, start: true}}, flush: flush}
}

// Find returns the multiline parser of that name. As in Fluent Bit, a built-in one comes before a section of the same name.
func Find(name string, env Env) (*Parser, error) {
	if p, err := builtIn(strings.ToLower(name)); p != nil || err != nil {
		return p, err
	}
	for _, instance := range env.Multiline {
		if strings.EqualFold(instance.ID, name) {
			return New(instance.Options.(*Options), config.FluentBit, env.Env)
		}
	}
	return nil, fmt.Errorf("multiline parser %q is not defined; want %s, or a [MULTILINE_PARSER] of that name in a parsers_file",
		name, strings.Join(config.MultilineBuiltIns(), ", "))
}

// FindAll returns the multiline parsers of those names, in the option that lists them.
func FindAll(option string, names []string, env Env) (list []*Parser, err error) {
	if len(names) > maxParsers {
		return nil, &config.OptionError{Option: option, Reason: fmt.Sprintf("has %d names; want at most %d", len(names), maxParsers)}
	}
	for _, name := range names {
		p, err := Find(name, env)
		if err != nil {
			return nil, &config.OptionError{Option: option, Reason: err.Error()}
		}
		list = append(list, p)
	}
	return list, nil
}
