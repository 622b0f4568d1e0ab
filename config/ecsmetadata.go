package config

import (
	"slices"
	"strings"
)

// metadataVariable is the environment variable that takes precedence over the option ecs_metadata: a task can set it without a
// configuration file of its own.
const metadataVariable = "FIRELANE_ECS_METADATA"

// metadataFields are in the names of the fields that the filter adds.
var metadataFields = [...]string{"ecs_", "availability_zone", "launch_type", "service_name", "aws_region"}

// withMetadata calls compile for the sections, and adds the filter of "ecs_metadata full" before the first filter or <match> that may
// need its fields: after the greps that ECS makes of a task's patterns, so that it is beside the fields that ECS adds, and costs nothing for
// what is dropped. service is [SERVICE] or <system>.
func (k *compilation) withMetadata(service *section, sections []*section, compile func(*section)) {
	added := false
	for _, s := range sections {
		if !added && (s.name == "filter" || s.name == "match") && !isGrepOfOthers(s) {
			k.addMetadata(service)
			added = true
		}
		compile(s)
	}
	if !added {
		k.addMetadata(service)
	}
}

// isGrepOfOthers reports whether a section is a grep that names none of metadataFields.
func isGrepOfOthers(s *section) bool {
	name, ok := s.get("name")
	if !ok {
		name, _ = s.get("@type")
	}
	return strings.EqualFold(name.value, "grep") && !namesMetadata(s)
}

func namesMetadata(s *section) bool {
	for _, p := range s.params {
		if slices.ContainsFunc(metadataFields[:], func(field string) bool { return strings.Contains(p.value, field) }) {
			return true
		}
	}
	return slices.ContainsFunc(s.subs, namesMetadata)
}

// addMetadata adds the filter. service is [SERVICE] or <system>.
func (k *compilation) addMetadata(service *section) {
	const plugin = "ecs_metadata"
	if k.plan.Service.Metadata != "full" || k.find(KindFilter, plugin) == nil {
		return
	}
	option, ok := service.get("ecs_metadata")
	pos := option.pos
	if !ok || !strings.EqualFold(option.value, "full") {
		pos = Pos{File: variablePlace + metadataVariable}
	}
	s := &section{name: "filter", pos: pos}
	if k.plan.Dialect == Fluentd {
		s.arg, s.params = "**", []param{{key: "@type", value: plugin, pos: pos}}
		k.step("", s)
		return
	}
	s.params = []param{{key: "name", value: plugin, pos: pos}, {key: "match", value: "*", pos: pos}}
	k.classicFilter(s)
}
