package config

import (
	"fmt"
	"slices"
	"strings"
)

// metadataVariable is the environment variable that takes precedence over the option ecs_metadata: a task can set it without a
// configuration file of its own.
const metadataVariable = "FIRELANE_ECS_METADATA"

// addMetadata adds the filter that "ecs_metadata full" puts before all others. service is [SERVICE] or <system>.
func (k *compilation) addMetadata(service *section) {
	option, _ := service.get("ecs_metadata")
	pos, full := option.pos, k.plan.Service.Metadata == "full"
	if value, ok := k.Lookup(metadataVariable); ok && value != "" {
		choices := []string{"agent", "full"}
		if level := strings.ToLower(value); slices.Contains(choices, level) {
			pos, full = Pos{File: metadataVariable}, level == "full"
			k.plan.Service.Metadata = level
		} else {
			k.warning(Pos{File: metadataVariable}, fmt.Sprintf("%q is ignored; want %s", value, enumerate(choices, "or"))).as(CodeValue)
		}
	}
	const plugin = "ecs_metadata"
	if !full || k.find(KindFilter, plugin) == nil {
		return
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
