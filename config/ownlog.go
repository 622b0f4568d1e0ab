package config

import (
	"slices"
	"strings"
)

// logLabel is Fluentd's label for its own log, and logSource the input that makes events of the router's own log there. Their tags are
// fluent.LEVEL.
const (
	logLabel  = "@FLUENT_LOG"
	logSource = "fluentd_log"
)

// ownLog adds the input for the router's own log if a section asks for its events: <label @FLUENT_LOG>, otherwise a <match> outside of
// all labels that has "fluent" in its pattern, such as <match fluent.**>. A <match **> alone doesn't: see docs/compatibility.md.
func (k *compilation) ownLog(sections []*section) {
	if k.find(KindInput, logSource) == nil {
		return
	}
	for _, in := range k.plan.Inputs {
		if slices.Contains(in.Plugin.Fluentd, logSource) {
			return // the configuration has it
		}
	}
	label, at := "", (*section)(nil)
	for _, s := range sections {
		switch {
		case s.name == "label" && s.arg == logLabel:
			label, at = logLabel, s
		case s.name == "match" && at == nil && takesLog(s.arg):
			at = s
		}
	}
	if at == nil {
		return
	}
	s := &section{name: "source", pos: at.pos, source: at.source, params: []param{{key: "@type", value: logSource, pos: at.pos}}}
	if label != "" {
		s.params = append(s.params, param{key: "@label", value: label, pos: at.pos})
	}
	k.source(s)
}

// takesLog reports whether a pattern names the tags of the log.
func takesLog(pattern string) bool {
	if !strings.Contains(pattern, "fluent") {
		return false
	}
	m, err := fluentdPatterns(pattern)
	if err != nil {
		return false
	}
	for _, level := range []string{"trace", "debug", "info", "warn", "error", "fatal"} {
		if m.match("fluent." + level) {
			return true
		}
	}
	return false
}
