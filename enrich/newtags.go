package enrich

import (
	"regexp"
	"strings"
	"sync"

	"github.com/firelane/firelane/record"
)

// A Retagger is an options struct of a step that gives records other tags. It is for tools that tell where records go.
type Retagger interface {
	// NewTags are the tags that a record of that tag may get.
	NewTags(tag string) []NewTag
}

// A NewTag is a tag that a step may give to a record.
type NewTag struct {
	Text  string // as the rule has it, with what is known of the old tag filled in: errors.$1
	Tag   string // one that fits: what depends on the record is the letter x
	Label string // Fluentd: where the record begins again; "" for the label that the filter is in
	For   string // for people: which records get it
}

// fromRecord finds what of a new tag depends on the record.
var fromRecord = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$\{[^}]*\}|__[A-Z_\[\]0-9]+__|\$[A-Za-z0-9_]+((\[[^\]]*\])*)`)
})

// newTag fills in what is known of a tag's template. The variables are those of both dialects. For a tag that is too long it is empty.
func newTag(template, old string) NewTag {
	if len(template)+(len(fromRecord().FindAllStringIndex(template, record.MaxTag))+strings.Count(template, "${tag}"))*len(old) > record.MaxTag {
		return NewTag{}
	}
	parts := strings.Split(old, ".")
	text := strings.NewReplacer("${tag}", old, "__TAG__", old).Replace(template)
	text = fromRecord().ReplaceAllStringFunc(text, func(v string) string {
		name, index, ok := strings.Cut(strings.Trim(v, "${}_"), "[")
		n := strings.IndexByte("0123456789", (strings.TrimSuffix(index, "]") + "x")[0])
		switch {
		case name == "TAG" && !ok:
			return old
		case ok && strings.EqualFold(strings.TrimSuffix(name, "_parts"), "tag") && len(strings.TrimSuffix(index, "]")) == 1 && n >= 0 && n < len(parts):
			return parts[n]
		}
		return v
	})
	return NewTag{Text: text, Tag: fromRecord().ReplaceAllString(text, "x")}
}

// NewTags implements Retagger.
func (o *RewriteOptions) NewTags(tag string) (list []NewTag) {
	for _, rule := range o.Rules {
		words := splitQuoted(rule.Value, 4)
		if len(words) < 3 {
			continue
		}
		t := newTag(words[2], tag)
		t.For = words[0] + " matches " + words[1]
		list = append(list, t)
	}
	return list
}

// NewTags implements Retagger.
func (o *RetagOptions) NewTags(tag string) (list []NewTag) {
	tag = strings.TrimPrefix(tag, o.RemovePrefix)
	for _, rule := range o.Rules {
		t := newTag(rule.Tag, tag)
		t.Label = rule.Label
		t.For = rule.Key + " matches " + rule.Pattern
		if rule.Invert {
			t.For = rule.Key + " doesn't match " + rule.Pattern
		}
		list = append(list, t)
	}
	return list
}
