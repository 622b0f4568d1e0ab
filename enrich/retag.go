package enrich

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// RetagOptions are those of Fluentd's output rewrite_tag_filter.
type RetagOptions struct {
	Rules        []RetagRule `fluentd:"<rule>" help:"gives a record whose field matches another tag; the first rule that matches is used"`
	Capitalize   bool        `fluentd:"capitalize_regex_backreference" default:"false" help:"$1 and others begin with a capital letter"`
	RemovePrefix string      `fluentd:"remove_tag_prefix" help:"beginning that ${tag} and ${tag_parts[N]} don't have"`
	RemoveRegexp string      `fluentd:"remove_tag_regexp" help:"pattern of what ${tag} and ${tag_parts[N]} don't have"`
	Hostname     string      `fluentd:"hostname_command" default:"hostname" help:"not run: hostname -s makes ${hostname} the part before the first dot"`
	EmitMode     string      `fluentd:"emit_mode" oneof:"record,batch" default:"batch" help:"accepted"`
}

// A RetagRule is a <rule> of rewrite_tag_filter.
type RetagRule struct {
	Key     string `fluentd:"key" required:"true" help:"field, a nested one as $.a.b or $['a']['b']"`
	Pattern string `fluentd:"pattern" required:"true" help:"pattern for the field as text, as /pattern/ or plain"`
	Tag     string `fluentd:"tag" required:"true" help:"new tag; it may have $1 for a group, ${tag}, ${tag_parts[N]} and ${hostname}, or __TAG__ and so on"`
	Label   string `fluentd:"label" help:"label at which the record begins again; default: the output's @label, or the label that it is in"`
	Invert  bool   `fluentd:"invert" default:"false" help:"the rule is for records whose field doesn't match, or that don't have it"`
}

// UsesLabels implements config.LabelUser.
func (o *RetagOptions) UsesLabels() (list []config.OptionError) {
	for _, r := range o.Rules {
		if r.Label != "" {
			list = append(list, config.OptionError{Option: "label", Reason: r.Label})
		}
	}
	return list
}

// Check implements config's check after binding.
func (o *RetagOptions) Check(d config.Dialect) error {
	_, err := NewRetag(o, d, Env{})
	return err
}

// Warnings implements config's warnings after binding.
func (o *RetagOptions) Warnings() []string {
	if c := strings.TrimSpace(o.Hostname); c != "hostname" && c != "hostname -s" && c != "hostname -f" {
		return []string{"hostname_command: commands are not run; ${hostname} is the host's name"}
	}
	return nil
}

// retag is the Step. A record that no rule matches, or whose tag stays the same, has nowhere to go and is unrouted.
type retag struct {
	rules      []retagRule
	capitalize bool
	remove     *pattern.Capture // what the tag of placeholders doesn't have; nil: nothing
}

type retagRule struct {
	key     field.Accessor
	pattern *pattern.Capture
	tag     []retagPart
	label   string
	invert  bool
}

// retagKind is the kind of a part of a new tag.
type retagKind uint8

const (
	retagText  retagKind = iota
	retagGroup           // group n of the pattern
	retagTag             // the old tag
	retagPiece           // part n of the old tag
)

type retagPart struct {
	kind retagKind
	text string
	n    int
}

// NewRetag makes the step of a rewrite_tag_filter.
func NewRetag(o *RetagOptions, d config.Dialect, env Env) (Step, error) {
	r := &retag{capitalize: o.Capitalize}
	hostname := env.Hostname
	if strings.TrimSpace(o.Hostname) == "hostname -s" {
		hostname, _, _ = strings.Cut(hostname, ".")
	}
	if len(o.Rules) == 0 {
		return nil, &config.OptionError{Option: "<rule>", Reason: "is missing; want at least one, with key, pattern and tag"}
	}
	var err error
	switch {
	case o.RemovePrefix != "" && o.RemoveRegexp != "":
		return nil, &config.OptionError{Option: "remove_tag_regexp", Reason: "excludes remove_tag_prefix"}
	case o.RemovePrefix != "":
		r.remove, err = pattern.CompileNumbered("/^"+quotePattern(o.RemovePrefix)+`\.?/`, nil)
	case o.RemoveRegexp != "":
		r.remove, err = numbered(o.RemoveRegexp, nil)
	}
	if err != nil {
		return nil, &config.OptionError{Option: "remove_tag_regexp", Reason: err.Error()}
	}
	for _, rule := range o.Rules {
		made := retagRule{label: rule.Label, invert: rule.Invert, tag: parseNewTag(rule.Tag, hostname, rule.Invert)}
		if made.key, err = field.ParseAccessor(rule.Key, d); err != nil {
			return nil, &config.OptionError{Option: "key", Reason: err.Error()}
		}
		made.pattern, err = numbered(rule.Pattern, func() {
			env.Log.Warn().Str("pattern", rule.Pattern).Float64("limit_s", pattern.MatchTimeout.Seconds()).Int("limit_bytes", pattern.MaxBacktrack).
				Msg("a text is too long for the pattern of a rule, or took too long, and was not matched; simplify the pattern")
		})
		if err != nil {
			return nil, &config.OptionError{Option: "pattern", Reason: err.Error()}
		}
		r.rules = append(r.rules, made)
	}
	return r, nil
}

// numbered compiles a pattern in Fluentd's notation for its numbered groups.
func numbered(source string, onTimeout func()) (*pattern.Capture, error) {
	if _, err := pattern.CompileRuby(source, nil); err != nil {
		return nil, err
	}
	return pattern.CompileNumbered(source, onTimeout)
}

// quotePattern is the pattern of a text.
func quotePattern(text string) string {
	var b strings.Builder
	for _, c := range text {
		if c < 0x80 && !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// parseNewTag parses the template of a new tag. As in the plugin, an unknown placeholder is nothing, and the tag of an inverted
// rule has no groups.
func parseNewTag(s, hostname string, inverted bool) (parts []retagPart) {
	for s != "" {
		p, size := retagPart{}, 1
		switch inner, opening, ok := placeholder(s); {
		case ok:
			size = len(opening)
			p = placeholderPart(inner, hostname)
		case s[0] == '$' && len(s) > 1 && s[1] >= '0' && s[1] <= '9' && !inverted:
			for size < len(s) && s[size] >= '0' && s[size] <= '9' {
				size++
			}
			n, err := strconv.Atoi(s[1:size])
			if p = (retagPart{kind: retagGroup, n: n}); err != nil || n > 9 {
				p = retagPart{}
			}
		default:
			p.text = s[:1]
		}
		s = s[size:]
		if n := len(parts); n > 0 && p.kind == retagText && parts[n-1].kind == retagText {
			parts[n-1].text += p.text
		} else {
			parts = append(parts, p)
		}
	}
	return parts
}

// placeholder returns the name in ${name} or __NAME__ at the beginning of s, and the whole.
func placeholder(s string) (name, whole string, ok bool) {
	opening, closing := "${", "}"
	if strings.HasPrefix(s, "__") {
		opening, closing = "__", "__"
	}
	rest, ok := strings.CutPrefix(s, opening)
	if !ok {
		return "", "", false
	}
	name, _, ok = strings.Cut(rest, closing)
	if !ok || name == "" || opening == "__" && strings.ToUpper(name) != name || strings.ContainsAny(name, " .-$") {
		return "", "", false
	}
	return strings.ToLower(name), s[:len(opening)+len(name)+len(closing)], true
}

func placeholderPart(name, hostname string) retagPart {
	base, index, _ := strings.Cut(name, "[")
	n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
	switch {
	case name == "tag":
		return retagPart{kind: retagTag}
	case name == "hostname":
		return retagPart{text: hostname}
	case base == "tag_parts" && err == nil && n >= 0:
		return retagPart{kind: retagPiece, n: n}
	}
	return retagPart{}
}

// Apply implements Step.
func (r *retag) Apply(ev *record.Event, out *Out) {
	for i := range r.rules {
		rule := &r.rules[i]
		text := rule.value(ev.Body, out.Scratch)
		if len(text) == 0 && !rule.invert {
			continue
		}
		var room [12]pattern.Group
		groups, matches := rule.pattern.Groups(room[:0], text)
		if matches == rule.invert {
			continue
		}
		tag := r.newTag(rule, ev.Tag, groups)
		switch {
		case tag == "" || len(tag) > record.MaxTag || tag == ev.Tag && rule.label == "":
			out.Next(ev)
		case rule.label == "" || !out.RerouteTo(ev, rule.label, tag):
			out.Reroute(ev, tag)
		}
		return
	}
	out.Next(ev)
}

// value is the field as text, empty if it is missing. It is in s or in body.
func (r *retagRule) value(body []byte, s *Scratch) []byte {
	value, ok := r.key.Get(body)
	if !ok || record.KindOf(value[0]) == record.KindNil {
		return nil
	}
	if text, ok := record.Text(value); ok {
		return text
	}
	return record.AppendText(s.Take(), value)
}

// newTag makes the tag.
func (r *retag) newTag(rule *retagRule, old string, groups []pattern.Group) string {
	var room, oldRoom [record.MaxTag + 1]byte
	if r.remove != nil {
		old = string(r.removed(oldRoom[:0], old))
	}
	tag := room[:0]
	for _, p := range rule.tag {
		switch p.kind {
		case retagText:
			tag = append(tag, p.text...)
		case retagTag:
			tag = append(tag, old...)
		case retagPiece:
			tag = append(tag, tagPiece(old, p.n)...)
		case retagGroup:
			for _, g := range groups {
				if g.Name == pattern.NumberOf(p.n) {
					tag = appendGroup(tag, g.Text, r.capitalize)
				}
			}
		}
		if len(tag) > record.MaxTag {
			break
		}
	}
	return string(tag)
}

// removed appends the tag without what remove_tag_prefix or remove_tag_regexp takes away.
func (r *retag) removed(dst []byte, tag string) []byte {
	dst = append(dst, tag...)
	var room [12]pattern.Group
	groups, ok := r.remove.Groups(room[:0], dst)
	if !ok || len(groups) == 0 {
		return dst
	}
	whole := groups[0].Text
	start := cap(dst) - cap(whole)
	return append(dst[:start], dst[start+len(whole):]...)
}

// tagPiece is part n of a tag.
func tagPiece(tag string, n int) string {
	for ; n > 0; n-- {
		_, rest, ok := strings.Cut(tag, ".")
		if !ok {
			return ""
		}
		tag = rest
	}
	part, _, _ := strings.Cut(tag, ".")
	return part
}

// appendGroup appends a group, as Ruby's capitalize changes it if that is wanted.
func appendGroup(dst, text []byte, capitalize bool) []byte {
	if !capitalize || len(text) == 0 {
		return append(dst, text...)
	}
	_, n := utf8.DecodeRune(text)
	return append(append(dst, bytes.ToUpper(text[:n])...), bytes.ToLower(text[n:])...)
}
