package enrich

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// RewriteOptions are those of Fluent Bit's rewrite_tag.
type RewriteOptions struct {
	Rules       []config.Ordered `fluentbit:"rule" help:"as $KEY PATTERN NEW_TAG KEEP: an event whose field matches goes on with the new tag, from the first filter on; with keep true also with its own. The tag may have $1 for a group, $TAG, $TAG[1] and $field['inner']. The first rule that matches is used"`
	EmitterName string           `fluentbit:"emitter_name" help:"accepted"`
	StorageType string           `fluentbit:"emitter_storage.type" help:"accepted; events with a new tag are queued as all others"`
	MemBufLimit string           `fluentbit:"emitter_mem_buf_limit" help:"accepted"`
	Recursive   *bool            `fluentbit:"recursive_action" help:"accepted; a filter never matches an event to which it has given the tag"`
}

// Check implements config's check after binding.
func (o *RewriteOptions) Check(d config.Dialect) error {
	_, err := NewRewrite(o, d, Env{})
	return err
}

// Warnings returns a line for each part of a rule that Fluent Bit starts with and ignores.
func (o *RewriteOptions) Warnings() (w []string) {
	for _, v := range o.Rules {
		words := splitQuoted(v.Value, 5)
		if len(words) < 4 {
			continue // Check has said so
		}
		if _, ok := parseKeep(words[3]); !ok {
			w = append(w, fmt.Sprintf("rule: in %q, %q is not a boolean and counts as false, as in Fluent Bit; want true to keep the event with its own tag, too, or false", v.Value, words[3]))
		}
		if len(words) > 4 {
			w = append(w, fmt.Sprintf("rule: in %q, the text after KEEP has no effect: %q; a comment needs a line of its own", v.Value, words[4]))
		}
	}
	return w
}

// rewrite is the Step.
type rewrite struct{ rules []rewriteRule }

// A rewriteRule gives events whose field matches another tag.
type rewriteRule struct {
	key     field.Accessor
	pattern *pattern.Capture
	tag     []tagPart
	keep    bool
	last    *atomic.Pointer[string] // the tag that was made last; most events get the same one
}

// A tagPart is a template, or with one the number of a group.
type tagPart struct {
	text  *field.Template
	group int // if text is nil; 0 is the whole match
}

// NewRewrite makes the step of a rewrite_tag.
func NewRewrite(o *RewriteOptions, _ config.Dialect, env Env) (Step, error) {
	r := &rewrite{}
	for _, v := range o.Rules {
		rule, err := newRewriteRule(v.Value, func() {
			env.Log.Warn().Str("rule", v.Value).Float64("limit_s", pattern.MatchTimeout.Seconds()).Int("limit_bytes", pattern.MaxBacktrack).
				Msg("a text is too long for the rule's pattern, or took too long, and was not matched; simplify the pattern")
		})
		if err != nil {
			return nil, &config.OptionError{Option: "rule", Reason: fmt.Sprintf("%q: %s", v.Value, err)}
		}
		r.rules = append(r.rules, rule)
	}
	return r, nil
}

func newRewriteRule(text string, onTimeout func()) (rule rewriteRule, err error) {
	words := splitQuoted(text, 5)
	if len(words) < 4 {
		return rule, fmt.Errorf("want $KEY PATTERN NEW_TAG KEEP, as in: $level ^ERROR$ errors.$TAG false")
	}
	if rule.key, err = accessorOf(words[0]); err != nil {
		return rule, err
	}
	if rule.pattern, err = pattern.CompileNumbered(words[1], onTimeout); err != nil {
		return rule, err
	}
	rule.keep, _ = parseKeep(words[3])
	rule.last = new(atomic.Pointer[string])
	rule.tag, err = parseTag(words[2])
	return rule, err
}

// parseKeep parses a rule's last word. Fluent Bit reads any word that isn't a boolean as false; ok is then false.
func parseKeep(word string) (keep, ok bool) {
	switch strings.ToLower(word) {
	case "true", "on", "yes":
		return true, true
	case "false", "off", "no":
		return false, true
	}
	return false, false
}

// parseTag parses the template of a new tag. $N is group N of the pattern.
func parseTag(text string) (parts []tagPart, err error) {
	start := 0
	add := func(end int) error {
		if end == start {
			return nil
		}
		t, err := field.ParseTemplate(text[start:end], field.Notation{Dialect: config.FluentBit})
		parts = append(parts, tagPart{text: t})
		return err
	}
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '$' || text[i+1] < '0' || text[i+1] > '9' {
			continue
		}
		if err := add(i); err != nil {
			return nil, err
		}
		parts = append(parts, tagPart{group: int(text[i+1] - '0')})
		start = i + 2
		i++
	}
	return parts, add(len(text))
}

// Apply implements Step. An event that comes back with the tag that the rewrite has given it passes.
func (r *rewrite) Apply(ev *record.Event, out *Out) {
	if out.From == Step(r) {
		out.Next(ev)
		return
	}
	for i := range r.rules {
		rule := &r.rules[i]
		value, ok := rule.key.Find(ev)
		if !ok {
			continue
		}
		text, ok := record.Text(value)
		if !ok {
			continue
		}
		var room [12]pattern.Group
		groups, ok := rule.pattern.Groups(room[:0], text)
		if !ok {
			continue
		}
		tag := rule.newTag(ev, groups)
		if tag == "" || len(tag) > record.MaxTag {
			break // no tag can be made: the event keeps its own
		}
		if rule.keep {
			kept := *ev
			out.Next(&kept)
		}
		out.Reroute(ev, tag)
		return
	}
	out.Next(ev)
}

// newTag makes the tag.
func (r *rewriteRule) newTag(ev *record.Event, groups []pattern.Group) string {
	var room [256]byte
	tag := room[:0]
	for _, p := range r.tag {
		if p.text != nil {
			tag = p.text.Append(tag, ev)
			continue
		}
		for _, g := range groups {
			if g.Name == pattern.NumberOf(p.group) {
				tag = append(tag, g.Text...)
			}
		}
	}
	if last := r.last.Load(); last != nil && *last == string(tag) {
		return *last
	}
	made := string(tag)
	r.last.Store(&made)
	return made
}
