package config

import (
	"fmt"
	"slices"
)

// fluentdKnown are parameters that every plugin of Fluentd has and that are handled here.
var fluentdKnown = []string{"@type", "@id", "@label", "@log_level", "log_level"}

// rootLabel is the name in a relabel for what is outside of all labels.
const rootLabel = "@ROOT"

// maxPaths is the most paths of one tag, of which each copy into a label adds one.
const maxPaths = 1000

// fluentd compiles Fluentd's dialect.
func (k *compilation) fluentd(f *file, l loader) {
	l.again, l.ruby = true, true
	r := &fluentdReader{report: &k.report, loader: l, ruby: ruby{k.Lookup, k.hostname()}}
	root := &section{pos: f.pos(1), source: f}
	for _, e := range append(slices.Clone(k.Before), k.After...) {
		k.warning(Pos{File: e.From}, fmt.Sprintf("%s is ignored: it is for Fluent Bit, and %s is a configuration of Fluentd", e.Name, f.name)).as(CodeDialect)
	}
	r.read(f, root)
	r.readFolder(root)
	k.syntax()
	k.plan.Files = r.names
	if len(k.errors) > 0 {
		return
	}
	k.plan.labels = map[string][]step{"": nil}
	for _, p := range root.params {
		k.warning(p.pos, fmt.Sprintf("%s is outside of every section and is ignored", p.key)).as(CodeSyntax)
	}
	sections := k.unwrapWorkers(root.subs)
	system := k.system(sections)
	k.declareLabels(sections)
	k.withMetadata(system, sections, k.fluentdSection)
	if len(k.errors) == 0 {
		k.ownLog(sections)
		k.checkLabels(sections)
	}
}

// unwrapWorkers replaces each <worker> by its contents, since there is only one process.
func (k *compilation) unwrapWorkers(sections []*section) []*section {
	var list []*section
	for _, s := range sections {
		if s.name == "worker" {
			list = append(list, s.subs...)
		} else {
			list = append(list, s)
		}
	}
	return list
}

// system compiles the <system> sections as one, which it returns.
func (k *compilation) system(sections []*section) (all *section) {
	all = &section{name: "system", pos: k.plan.pos()}
	for _, s := range sections {
		if s.name == "system" {
			all.override(s)
		}
	}
	k.bind("<system>", all, &k.plan.Service)
	k.grace(all)
	k.keepSettings(all)
	k.environment()
	return all
}

// declareLabels makes every label known before the first one is used.
func (k *compilation) declareLabels(sections []*section) {
	for _, s := range sections {
		if s.name != "label" {
			continue
		}
		_, twice := k.plan.labels[s.arg]
		switch {
		case s.arg == "" || s.arg[0] != '@':
			k.error(s.pos, "<label> needs a name that begins with @: <label @NAME>").as(CodeLabel)
		case s.arg == rootLabel:
			k.error(s.pos, "<label @ROOT>: the name is reserved for what is outside of all labels").as(CodeLabel)
		case twice:
			k.error(s.pos, fmt.Sprintf("<label %s> is given twice", s.arg)).as(CodeLabel)
		default:
			k.plan.labels[s.arg] = nil
		}
	}
}

// fluentdSection compiles one section outside of all others.
func (k *compilation) fluentdSection(s *section) {
	switch s.name {
	case "system":
	case "source":
		k.source(s)
	case "filter", "match":
		k.step("", s)
	case "label":
		for _, p := range s.params {
			k.warning(p.pos, fmt.Sprintf("<label %s>: unknown option %s, which is ignored", s.arg, p.key)).as(CodeOption)
		}
		for _, sub := range s.subs {
			if sub.name == "filter" || sub.name == "match" {
				k.step(s.arg, sub)
				continue
			}
			k.error(sub.pos, fmt.Sprintf("<label %s>: unknown section <%s>; want filter or match", s.arg, sub.name)).as(CodeSection)
		}
	default:
		existing := []string{"source", "filter", "match", "label", "system", "worker"}
		k.error(s.pos, fmt.Sprintf("unknown section <%s>; %s", s.name, wantOneOf(s.name, existing))).as(CodeSection)
	}
}

// typeOf is the parameter that names a section's plugin: @type, or type as before Fluentd 0.12. known are the options that
// are handled here.
func (k *compilation) typeOf(kind Kind, s *section) (p param, known []string, ok bool) {
	known = fluentdKnown
	p, ok = s.get("@type")
	if !ok {
		if p, ok = s.get("type"); ok {
			known = append([]string{"type"}, fluentdKnown...)
		}
	}
	if !ok || p.value == "" {
		k.error(s.pos, fmt.Sprintf("%s has no @type; %s", s.title(), k.wantPlugin(kind, ""))).as(CodeMissing)
		return p, known, false
	}
	return p, known, true
}

// title is a section's opening tag.
func (s *section) title() string {
	if s.arg == "" {
		return "<" + s.name + ">"
	}
	return "<" + s.name + " " + s.arg + ">"
}

func (k *compilation) source(s *section) {
	name, known, ok := k.typeOf(KindInput, s)
	if !ok {
		return
	}
	switch name.value { // they serve what the router's own page has
	case "prometheus", "prometheus_monitor", "prometheus_output_monitor", "prometheus_tail_monitor":
		k.warning(s.pos, fmt.Sprintf("input %s has no effect here: http_server in <system> serves health and metrics, also for Prometheus", name.value)).as(CodeIgnored)
		return
	}
	id, _ := s.get("@id")
	i, ok := k.instance(KindInput, s, name, id.value, known)
	in := Input{Instance: i}
	if label, given := s.get("@label"); given {
		in.Label = label.value
		ok = k.labelExists(name.value, label) && ok
	}
	if ok {
		k.plan.Inputs = append(k.plan.Inputs, in)
	}
}

// labelExists reports whether the label that user refers to exists; if not, it adds an error.
func (k *compilation) labelExists(user string, label param) bool {
	name := label.value
	if name == rootLabel {
		name = ""
	}
	if _, ok := k.plan.labels[name]; ok {
		return true
	}
	var list []string
	for l := range k.plan.labels {
		if l != "" {
			list = append(list, l)
		}
	}
	k.error(label.pos, fmt.Sprintf("%s: unknown label %s; %s", user, label.value, wantOneOf(name, list))).as(CodeLabel)
	return false
}

// step compiles one <filter> or <match>.
func (k *compilation) step(label string, s *section) {
	arg := s.arg
	if arg == "" {
		arg = "**"
	}
	m, err := fluentdPatterns(arg)
	if err != nil {
		k.error(s.pos, fmt.Sprintf("%s: %s", s.title(), err)).as(CodeMatch)
	}
	st := step{match: m, text: arg, filter: -1, pos: s.pos}
	ok := false
	if s.name == "filter" {
		st.filter, ok = k.fluentdFilter(label, s, arg)
	} else {
		st.target, ok = k.target(label, s, arg, 0)
	}
	if ok {
		k.plan.labels[label] = append(k.plan.labels[label], st)
	}
}

func (k *compilation) fluentdFilter(label string, s *section, arg string) (int, bool) {
	name, known, ok := k.typeOf(KindFilter, s)
	if !ok {
		return 0, false
	}
	id, _ := s.get("@id")
	i, ok := k.instance(KindFilter, s, name, id.value, known)
	k.plan.Filters = append(k.plan.Filters, Filter{Instance: i, Match: arg, Label: label})
	ok = ok && k.checkUsedLabels(name.value, i, s)
	return len(k.plan.Filters) - 1, ok
}

// checkLabels finds relabels that form loops, and sections that no event can reach.
func (k *compilation) checkLabels(sections []*section) {
	used := map[string]bool{"": true}
	for _, i := range k.plan.Inputs {
		used[i.label()] = true
	}
	for _, f := range k.plan.Filters {
		if f.Plugin != nil && f.Plugin.Kind == KindReroute {
			used[f.Label] = true
		}
		if u, uses := f.Options.(LabelUser); uses {
			for _, label := range u.UsesLabels() {
				used[label.Reason] = true
			}
		}
	}
	counted := map[string]int{}
	for _, label := range append([]string{""}, labelsOf(sections)...) {
		k.countPaths(label, counted, used)
		k.warnUnreachable(label)
	}
	for _, s := range sections {
		switch {
		case s.name != "label" || used[s.arg]:
		case s.arg == "@ERROR":
			k.warning(s.pos, "<label @ERROR> gets only records that filters can't handle: what can't be delivered goes to the dead letter").as(CodeLabel)
		default:
			k.warning(s.pos, fmt.Sprintf("<label %s> is not used: no source or relabel names it", s.arg)).as(CodeLabel)
		}
	}
}

func labelsOf(sections []*section) []string {
	var list []string
	for _, s := range sections {
		if s.name == "label" {
			list = append(list, s.arg)
		}
	}
	return list
}

// countPaths counts the paths of a tag from the beginning of a label, and marks the labels that relabels name as used. -1
// is a label whose paths are being counted: reaching it again is a loop.
func (k *compilation) countPaths(label string, counted map[string]int, used map[string]bool) int {
	if n, ok := counted[label]; ok {
		return n
	}
	counted[label] = -1
	most := 1
	for _, st := range k.plan.labels[label] {
		n, loop, looped := 1, "", false
		st.target.all(func(t *target) {
			for _, next := range t.labels {
				used[next] = true
				more := k.countPaths(next, counted, used)
				if more < 0 {
					loop, looped = next, true
				}
				n = min(n+max(more, 0), maxPaths+1)
			}
			n = min(n+len(t.stores), maxPaths+1)
		})
		if looped {
			k.error(st.pos, fmt.Sprintf("the relabel to %s leads back here: a loop", labelName(loop))).as(CodeLoop)
			return 1
		}
		most = max(most, n)
	}
	if most > maxPaths {
		k.error(k.plan.labels[label][0].pos, fmt.Sprintf("copies and relabels make more than %d paths for one tag", maxPaths))
		most = 1
	}
	counted[label] = most
	return most
}

func labelName(label string) string {
	if label == "" {
		return rootLabel
	}
	return label
}

// warnUnreachable warns of sections after a <match **>, which takes every event.
func (k *compilation) warnUnreachable(label string) {
	var all *step
	for i := range k.plan.labels[label] {
		st := &k.plan.labels[label][i]
		if all != nil {
			k.warning(st.pos, fmt.Sprintf("nothing gets here: <match %s> in %s:%d takes every tag", all.text, all.pos.File, all.pos.Line)).as(CodeNothing)
			continue
		}
		if st.filter < 0 && matchesAll(st.text) {
			all = st
		}
	}
}
