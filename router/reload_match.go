package router

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// inputChanges say which inputs of two configurations are the same.
type inputChanges struct {
	ids      []string            // of those of the new plan that go on
	kept     map[*source]int     // go on, retired ones among them; with their index in the new plan
	replaced map[*source]*source // listen where another input listens in the new plan, which takes over
	removed  []*source           // end before the new configuration takes over
	made     []int               // indices of inputs of the new plan that are made
}

func (c *inputChanges) isKept(id string) bool { return slices.Contains(c.ids, id) }

// goesOn reports whether an input of the old configuration goes on for its clients.
func (c *inputChanges) goesOn(in *source) bool {
	_, kept := c.kept[in]
	return kept || c.replaced[in] != nil
}

// matchInputs compares the inputs, and puts those that are kept into next.
func matchInputs(old, next *Router) inputChanges {
	c := inputChanges{kept: make(map[*source]int), replaced: make(map[*source]*source)}
	byAddress := make(map[input.Address]*source)
	for n := range next.plan.Inputs {
		if in := old.sameInput(next, n); in != nil {
			next.inputs[n] = in
			next.keepLog(old, "input", in.id)
			c.kept[in], c.ids = n, append(c.ids, in.id)
			continue
		}
		c.made = append(c.made, n)
		for _, a := range next.addresses(n) {
			byAddress[a] = next.inputs[n]
		}
	}
	for n, in := range old.inputs {
		if _, kept := c.kept[in]; kept {
			continue
		}
		var heir *source
		for _, a := range old.addresses(n) {
			heir = byAddress[a]
		}
		if heir == nil {
			c.removed = append(c.removed, in)
			continue
		}
		c.replaced[in] = heir
		if heir.id == in.id {
			heir.accounts = in.accounts
		}
	}
	for _, in := range old.leftOver().inputs { // those that were replaced before go where their heirs go
		switch n, kept := c.kept[old.inputs[in.index]]; {
		case kept:
			c.kept[in] = n
		case c.replaced[old.inputs[in.index]] != nil:
			c.replaced[in] = c.replaced[old.inputs[in.index]]
		default:
			c.removed = append(c.removed, in)
		}
	}
	return c
}

// sameInput returns the input of r that is the same as the n-th of next; nil if there is none.
func (r *Router) sameInput(next *Router, n int) *source {
	a := &next.plan.Inputs[n]
	p, q := r.plan, next.plan
	if p.Dialect != q.Dialect || p.Service.JoinPartial != q.Service.JoinPartial || p.Service.AllowExec != q.Service.AllowExec ||
		r.stateDir() != next.stateDir() || !sameParts(p.Parsers, q.Parsers) || !sameParts(p.Multiline, q.Multiline) {
		return nil
	}
	for i := range p.Inputs {
		b := &p.Inputs[i]
		in := r.inputs[i]
		if p.Dialect == config.FluentBit && i != n {
			continue // Env.Tag
		}
		if b.ID == a.ID && samePart(&b.Instance, &a.Instance) && in.files == filesOf(a.Options) && in.isRunning() {
			return in
		}
	}
	return nil
}

// isRunning reports whether the input has not failed.
func (in *source) isRunning() bool {
	select {
	case <-in.done:
		return false
	default:
		return true
	}
}

func samePart(a, b *config.Instance) bool {
	return a.Name == b.Name && reflect.DeepEqual(a.Options, b.Options)
}

func sameParts(a, b []config.Instance) bool {
	return slices.EqualFunc(a, b, func(x, y config.Instance) bool { return samePart(&x, &y) })
}

// addresses are where the n-th input listens.
func (r *Router) addresses(n int) []input.Address {
	if l, ok := r.plan.Inputs[n].Options.(input.Listener); ok {
		return l.Listens(r.plan.Dialect)
	}
	return nil
}

func (r *Router) listens(n int) bool {
	_, ok := r.plan.Inputs[n].Options.(input.Listener)
	return ok
}

// outputChanges say which outputs of two configurations are the same.
type outputChanges struct {
	old      []*output           // all that have a queue
	kept     map[*output]int     // go on; with their index in the new plan
	changed  map[*output]*output // others go on with their queues
	removed  []*output           // have no place in the new configuration
	made     []*output           // of the new configuration, with queues of their own
	back     []*output           // of old: they had been retired, and are not any more
	all      []*output           // of next, before those that are kept took their places
	reopened []*output           // made again of those that are removed, to deliver what is left
	unused   []*output           // of these, those whose destinations are not needed
}

// matchOutputs compares the outputs by their queues, and puts those that are kept into next.
func matchOutputs(old, next *Router) outputChanges {
	c := outputChanges{kept: make(map[*output]int), changed: make(map[*output]*output), old: old.allOutputs(), all: slices.Clone(next.outputs)}
	byQueue := make(map[string]*output)
	for _, o := range c.old {
		byQueue[old.queueKey(o)] = o
	}
	final := make(map[*output]*output) // for those of next that are kept
	for n, o := range next.outputs {
		before := byQueue[next.queueKey(o)]
		if before != nil && before.retiree != nil {
			if !old.takeBack(before) { // it has ended meanwhile
				before = nil
			} else {
				c.back = append(c.back, before)
			}
		}
		switch {
		case before == nil:
			c.made = append(c.made, o)
		case before.retiree == nil && old.sameOutput(next, before, o):
			c.kept[before] = o.is.index
			c.unused = append(c.unused, o)
			next.outputs[n], final[o] = before, before
			next.keepLog(old, "output", o.id)
		default:
			c.changed[before] = o
			o.queue, o.tally, o.taps, o.reserved, o.loop = before.queue, before.tally, before.taps, before.reserved, before.loop
			o.isNew = false
		}
	}
	for _, o := range next.outputs {
		if kept := final[o.deadTo]; kept != nil {
			o.deadTo = kept
		}
	}
	for _, o := range old.outputs {
		if _, kept := c.kept[o]; !kept && c.changed[o] == nil {
			c.removed = append(c.removed, o)
		}
	}
	return c
}

// queueKey is what two configurations call the same queue.
func (r *Router) queueKey(o *output) string { return filepath.Join(r.queueDir(o), o.name) }

// sameOutput reports whether an output needn't be replaced.
func (r *Router) sameOutput(next *Router, a, b *output) bool {
	p, q := r.plan, next.plan
	return a.id == b.id && p.Dialect == q.Dialect && p.Service.Flush == q.Service.Flush && p.Service.Sync == q.Service.Sync &&
		a.is.alias == b.is.alias && a.files == b.files && reflect.DeepEqual(a.config, b.config)
}

// keepLog has a part that goes on keep its limit on lines that repeat.
func (r *Router) keepLog(old *Router, kind, id string) {
	if l := old.logs[kind+" "+id]; l != nil {
		r.logs[kind+" "+id] = l
	}
}

// filesOf says what the certificates and keys are that options name, by their sizes and times: a reload reads those again that
// have changed.
func filesOf(options any) string {
	var b strings.Builder
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() && v.Elem().Kind() == reflect.Struct {
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && isKeyFile(f.Name) && v.Field(i).Kind() == reflect.String {
					if info, err := os.Stat(v.Field(i).String()); err == nil {
						fmt.Fprintln(&b, f.Name, info.Size(), info.ModTime().UnixNano())
					}
				} else if f.IsExported() {
					walk(v.Field(i))
				}
			}
		}
	}
	walk(reflect.ValueOf(options))
	return b.String()
}

// isKeyFile reports whether an option of that name is the path of a certificate or key.
func isKeyFile(name string) bool {
	if !strings.HasSuffix(name, "File") && !strings.HasSuffix(name, "Path") {
		return false
	}
	return slices.ContainsFunc([]string{"CA", "Cert", "Crt", "Key"}, func(s string) bool { return strings.HasPrefix(name, s) })
}
