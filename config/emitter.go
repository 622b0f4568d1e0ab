package config

// An Emitter is implemented by the options of a filter that makes events of its own, besides those that pass it: an input adds them.
type Emitter interface {
	// Emits returns the name of the input's plugin and its options, which also get the filter's ID as filter; "" if the filter makes no
	// events.
	Emits() (plugin, alias string, options []Pair)
}

// addEmitters adds the inputs of the filters that make events, after all others: they don't change the numbers of those.
func (k *compilation) addEmitters() {
	for n := range k.plan.Filters {
		f := &k.plan.Filters[n]
		e, ok := f.Options.(Emitter)
		if !ok {
			continue
		}
		plugin, alias, options := e.Emits()
		if plugin == "" || k.find(KindInput, plugin) == nil {
			continue
		}
		if alias == "" {
			alias = "emitter_for_" + f.ID
		}
		s := &section{name: "input", pos: f.Pos, params: []param{{key: "name", value: plugin, pos: f.Pos}, {key: "alias", value: alias, pos: f.Pos}, {key: "filter", value: f.ID, pos: f.Pos}}}
		for _, o := range options {
			s.params = append(s.params, param{key: o.Key, value: o.Value, pos: f.Pos})
		}
		if i, ok := k.classicInstance(KindInput, s); ok {
			k.plan.Inputs = append(k.plan.Inputs, Input{Instance: i})
		}
	}
}
