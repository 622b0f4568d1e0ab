package config

import (
	"fmt"
	"strconv"
	"strings"
)

// A LabelUser is an options struct of a filter that sends events to labels of Fluentd.
type LabelUser interface {
	// UsesLabels returns the options that name a label: each option, and as the reason the label.
	UsesLabels() []OptionError
}

// checkUsedLabels reports whether the labels exist that a filter sends events to.
func (k *compilation) checkUsedLabels(name string, i Instance, s *section) bool {
	u, uses := i.Options.(LabelUser)
	if !uses {
		return true
	}
	ok := true
	for _, label := range u.UsesLabels() {
		ok = k.labelExists(name, param{value: label.Reason, pos: s.placeOf(label.Option, label.Reason)}) && ok
	}
	return ok
}

// placeOf is where an option has a value, in the section or one inside it; otherwise where the section begins.
func (s *section) placeOf(option, value string) Pos {
	for _, p := range s.params {
		if p.key == option && p.value == value {
			return p.pos
		}
	}
	for _, sub := range s.subs {
		if at := sub.placeOf(option, value); at != sub.pos {
			return at
		}
	}
	return s.pos
}

// target compiles the contents of a <match> or a <store>: an output, a copy, a roundrobin, a relabel or a reroute.
func (k *compilation) target(label string, s *section, match string, depth int) (t target, ok bool) {
	name, known, ok := k.typeOf(KindOutput, s)
	if !ok {
		return t, false
	}
	switch name.value {
	case "copy":
		return k.copy(label, s, match, depth)
	case "roundrobin", "round_robin":
		return k.roundrobin(label, s, match, depth)
	case "relabel":
		to, given := s.get("@label")
		if !given {
			k.error(s.pos, "relabel: needs the option @label").as(CodeMissing)
			return t, false
		}
		if !k.labelExists("relabel", to) {
			return t, false
		}
		return target{labels: []string{strings.TrimSuffix(to.value, rootLabel)}}, true
	}
	id, _ := s.get("@id")
	if k.find(KindReroute, name.value) != nil {
		return k.reroute(label, s, name, match, known)
	}
	i, ok := k.instance(KindOutput, s, name, id.value, known)
	k.plan.Outputs = append(k.plan.Outputs, Output{Instance: i, Match: match})
	return target{outputs: []int{len(k.plan.Outputs) - 1}}, ok
}

// reroute compiles an output that gives events another tag. They begin again in the section's own label, or in its @label.
func (k *compilation) reroute(label string, s *section, name param, match string, known []string) (t target, ok bool) {
	id, _ := s.get("@id")
	i, ok := k.instance(KindReroute, s, name, id.value, known)
	ok = ok && k.checkUsedLabels(name.value, i, s)
	if to, given := s.get("@label"); given {
		ok = k.labelExists(name.value, to) && ok
		label = strings.TrimSuffix(to.value, rootLabel)
	}
	k.plan.Filters = append(k.plan.Filters, Filter{Instance: i, Match: match, Label: label})
	return target{reroute: true, filter: len(k.plan.Filters) - 1}, ok
}

// copyOptions are the options of Fluentd's copy. They have no effect, since outputs never share a record here.
type copyOptions struct {
	DeepCopy *bool  `fluentd:"deep_copy"`
	Mode     string `fluentd:"copy_mode" oneof:"no_copy,shallow,deep,marshal"`
}

// stores compiles the <store> sections of a copy or a roundrobin. rest is the section without them.
func (k *compilation) stores(what, label string, s *section, match string, depth int) (list []target, rest *section, ok bool) {
	rest = &section{name: s.name, pos: s.pos, params: s.params}
	ok = true
	if depth > maxNesting {
		k.error(s.pos, fmt.Sprintf("%s: stores are nested more than %d deep", what, maxNesting))
		return nil, rest, false
	}
	for _, sub := range s.subs {
		if sub.name != "store" {
			rest.subs = append(rest.subs, sub)
			continue
		}
		if strings.Contains(sub.arg, "ignore_if_prev_success") {
			k.warning(sub.pos, "<store ignore_if_prev_success> has no effect: every store gets every record").as(CodeIgnored)
		}
		one, fine := k.target(label, sub, match, depth+1)
		ok = ok && fine
		list = append(list, one)
	}
	if len(list) == 0 {
		k.error(s.pos, what+": needs at least one <store>").as(CodeMissing)
		ok = false
	}
	return list, rest, ok
}

func (k *compilation) copy(label string, s *section, match string, depth int) (t target, ok bool) {
	list, rest, ok := k.stores("copy", label, s, match, depth)
	for _, one := range list {
		if one.reroute || len(one.stores) > 0 {
			t.stores = append(t.stores, one)
			continue
		}
		t.outputs = append(t.outputs, one.outputs...)
		t.labels = append(t.labels, one.labels...)
	}
	known := append([]string{"type"}, fluentdKnown...)
	return t, k.bind("copy", rest, &copyOptions{}, known...) && ok
}

// maxWeight is the largest weight of a store of a roundrobin.
const maxWeight = 1000

// roundrobin compiles a roundrobin: its stores get events in turn, each as often as its weight says.
func (k *compilation) roundrobin(label string, s *section, match string, depth int) (t target, ok bool) {
	var weights []int
	fine := true
	for _, sub := range s.subs {
		if sub.name != "store" {
			continue
		}
		weight := 1
		for n, p := range sub.params {
			if p.key != "weight" {
				continue
			}
			var err error
			if weight, err = strconv.Atoi(p.value); err != nil || weight < 1 || weight > maxWeight {
				k.error(p.pos, fmt.Sprintf("roundrobin: weight: %q is not a weight; want a number from 1 to %d", p.value, maxWeight))
				weight, fine = 1, false
			}
			sub.params = append(sub.params[:n:n], sub.params[n+1:]...)
			break
		}
		weights = append(weights, weight)
	}
	list, rest, ok := k.stores("roundrobin", label, s, match, depth)
	known := append([]string{"type"}, fluentdKnown...)
	ok = k.bind("roundrobin", rest, &struct{}{}, known...) && ok && fine
	if ok {
		t = target{stores: list, turns: turns(weights)}
	}
	return t, ok
}

// turns is an order in which each store comes as often as its weight says, spread out.
func turns(weights []int) (order []int) {
	divisor, total := 0, 0
	for _, w := range weights {
		for a, b := divisor, w; ; a, b = b, a%b {
			if b == 0 {
				divisor = a
				break
			}
		}
	}
	credit := make([]int, len(weights))
	for _, w := range weights {
		total += w / divisor
	}
	for range total {
		best := 0
		for n, w := range weights {
			credit[n] += w / divisor
			if credit[n] > credit[best] {
				best = n
			}
		}
		credit[best] -= total
		order = append(order, best)
	}
	return order
}
