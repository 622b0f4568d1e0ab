package check

import (
	"slices"
	"strings"

	"github.com/firelane/firelane/ecs/taskdef"
)

// hostRules are rules about an output's host and what must go with it.
var hostRules = []string{"F301", "F302", "F303", "F304", "F305", "F306", "F307", "F308", "F309", "F310", "F311", "F315", "F316", "F405"}

// unknownHosts are options that name a host, in lower case.
var unknownHosts = []string{"host", "hosts", "hostname", "endpoint", "url", "base_uri", "brokers", "hec_host"}

// known leaves out what the rules say of placeholders: of values that a plan or a template tells only when it is applied.
func known(s *Subject, list []Finding) []Finding {
	places, hosts := map[taskdef.Place]bool{}, map[taskdef.Place]bool{}
	for _, c := range s.logged() {
		for _, o := range c.Log.Options {
			if o.Unknown {
				places[o.Place] = true
				if slices.Contains(unknownHosts, strings.ToLower(o.Name)) {
					hosts[c.Log.Place] = true
				}
			}
		}
	}
	if len(places) == 0 {
		return list
	}
	return slices.DeleteFunc(list, func(f Finding) bool {
		number := f.Rule.Number
		if number < "F5" && places[f.At] {
			return true
		}
		if !slices.Contains(hostRules, number) {
			return false
		}
		for place := range hosts {
			if place.File == f.At.File && (f.At.Path == place.Path || strings.HasPrefix(f.At.Path, place.Path+".")) {
				return true
			}
		}
		return false
	})
}

// placeholders are the names of an output's options of which only placeholders are known, and the options with them.
func (s *Subject) placeholders(at taskdef.Place) (names, assumed []string) {
	for _, c := range s.logged() {
		if c.Log.Place != at {
			continue
		}
		for _, o := range c.Log.Options {
			if o.Unknown {
				names = append(names, o.Name)
				assumed = append(assumed, short(strings.TrimSpace(o.Name+" "+o.Text), optionText))
			}
		}
	}
	return names, assumed
}
