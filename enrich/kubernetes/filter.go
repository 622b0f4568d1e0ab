package kubernetes

import (
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/fetch"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// filter is the filter.
type filter struct {
	o         Options
	env       enrich.Env
	merge     *parse.Parser // of merge_parser; nil: JSON
	tagParser *parse.Parser // of regex_parser; nil: pattern
	pattern   *pattern.Capture
	pods      *fetch.Cache[pod]

	mu      sync.Mutex
	tags    map[string]*identity     // by tag; nil for tags that don't name a pod
	parsers map[string]*parse.Parser // by the name in annotations; only parsers that are defined
}

// An identity is what a tag tells: which container of which pod.
type identity struct {
	pod, namespace, container, id string
	key                           []byte        // cache key in filter.pods
	fields                        enrich.Filter // with use_tag_for_meta: fields from the tag only
}

// A pod is the cache's value for a container of a pod.
type pod struct {
	fields         enrich.Filter // nil: nothing is known yet
	stdout, stderr properties
}

// properties are what a pod's annotations say about one of its streams.
type properties struct {
	parser  *parse.Parser
	exclude bool
}

// maxTags is how many tags are remembered; then all are forgotten.
const maxTags = 1024

// identify returns the identity in a tag, nil if the tag doesn't name a pod.
func (f *filter) identify(tag string) *identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	is, known := f.tags[tag]
	if known {
		return is
	}
	if len(f.tags) >= maxTags {
		clear(f.tags)
	}
	if is = f.read(tag); is == nil {
		f.env.Log.Error().Str("tag", tag).Str("kube_tag_prefix", f.o.TagPrefix).
			Msg("kubernetes: the tag doesn't name a pod: its records pass unchanged; check kube_tag_prefix")
	}
	f.tags[strings.Clone(tag)] = is
	return is
}

func (f *filter) read(tag string) *identity {
	rest, ok := strings.CutPrefix(tag, f.o.TagPrefix)
	if !ok {
		return nil
	}
	found := map[string]string{}
	if f.tagParser != nil {
		var at record.Time
		fields, ok := f.tagParser.Parse(nil, []byte(rest), &at)
		if !ok {
			return nil
		}
		for m := record.FieldsOf(fields); m.Next(); {
			text, _ := record.Text(m.Value())
			found[string(m.Key())] = string(text)
		}
	} else {
		groups, ok := f.pattern.Groups(nil, []byte(rest))
		if !ok {
			return nil
		}
		for _, g := range groups {
			found[g.Name] = string(g.Text)
		}
	}
	is := &identity{pod: found["pod_name"], namespace: found["namespace_name"], container: found["container_name"], id: found["docker_id"]}
	key := []string{is.namespace, is.pod, is.container, is.id}
	is.key = []byte(strings.Join(key, "\x00"))
	if f.o.UseTag {
		is.fields = enrich.NewFields([]enrich.Field{{Name: "kubernetes", Value: texts(
			"pod_name", is.pod, "namespace_name", is.namespace, "container_name", is.container, "docker_id", is.id)}})
	}
	return is
}

// texts returns a map made of pairs of name and text, as MessagePack. It leaves out empty texts.
func texts(pairs ...string) []byte {
	n := 0
	var members []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			n++
			members = record.AppendStr(record.AppendStr(members, pairs[i]), pairs[i+1])
		}
	}
	return append(record.AppendMapHeader(nil, n), members...)
}

// Apply implements enrich.Filter.
func (f *filter) Apply(ev *record.Event, s *enrich.Scratch) bool {
	var now pod
	if f.o.Dummy {
		now.fields = enrich.NewFields([]enrich.Field{{Name: "kubernetes", Value: texts("dummy", time.Now().Format(time.ANSIC))}})
	} else {
		is := f.identify(ev.Tag)
		if is == nil {
			return true
		}
		if now.fields = is.fields; now.fields == nil {
			now = f.pods.Get(is.key)
		}
	}
	parser := f.merge
	if now.stdout != (properties{}) || now.stderr != (properties{}) {
		p := now.of(ev.Body)
		if p.exclude {
			return false
		}
		if p.parser != nil {
			parser = p.parser
		}
	}
	if f.o.MergeLog {
		f.mergeLog(ev, s, parser)
	}
	return now.fields == nil || now.fields.Apply(ev, s)
}

// of returns the annotations that apply to a record's stream. For a record without a stream, a setting counts only if it is the same
// for stdout and stderr.
func (p *pod) of(body []byte) properties {
	value, _ := record.Find(body, "stream")
	switch stream, _ := record.Text(value); string(stream) {
	case "stdout":
		return p.stdout
	case "stderr":
		return p.stderr
	}
	if p.stdout == p.stderr {
		return p.stdout
	}
	return properties{exclude: p.stdout.exclude && p.stderr.exclude}
}

// Close implements enrich.Closer.
func (f *filter) Close() { f.pods.Close() }
