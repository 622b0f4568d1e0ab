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

// inputChanges is the difference between the inputs of two configurations.
type inputChanges struct {
	ids      []string            // of the kept inputs that are in the new plan
	kept     map[*source]int     // keep running, including retired ones; with their index in the new plan
	replaced map[*source]*source // old inputs, and the new ones that take over their addresses
	removed  []*source           // stopped before the new configuration takes over
	made     []int               // indices in the new plan of the inputs to create
}

func (c *inputChanges) isKept(id string) bool { return slices.Contains(c.ids, id) }

// goesOn reports whether an input of the old configuration keeps serving its clients.
func (c *inputChanges) goesOn(in *source) bool {
	_, kept := c.kept[in]
	return kept || c.replaced[in] != nil
}

// matchInputs compares the inputs of two configurations, and puts the kept ones into next.
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
	for _, in := range old.leftOver().inputs { // an input that an earlier reload replaced shares the fate of its replacement
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

// sameInput returns the running input of r that is the same as the n-th of next, nil if there is none.
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
			continue // its default tag contains its index
		}
		if b.ID == a.ID && samePart(&b.Instance, &a.Instance) && in.files == filesOf(a.Options) && in.isRunning() {
			return in
		}
	}
	return nil
}

// isRunning reports whether the input's Run has not returned.
func (in *source) isRunning() bool {
	select {
	case <-in.done:
		return false
	default:
		return true
	}
}

func samePart(a, b *config.Instance) bool {
	return a.Name == b.Name && a.LogLevel == b.LogLevel && reflect.DeepEqual(a.Options, b.Options)
}

func sameParts(a, b []config.Instance) bool {
	return slices.EqualFunc(a, b, func(x, y config.Instance) bool { return samePart(&x, &y) })
}

// addresses returns the addresses that the n-th input listens on, nil if it doesn't listen.
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

// outputChanges is the difference between the outputs of two configurations.
type outputChanges struct {
	old      []*output           // all outputs of old, including retired ones
	kept     map[*output]int     // keep running; with their index in the new plan
	changed  map[*output]*output // old outputs, and the new ones that take over their queues
	removed  []*output           // outputs of old that next doesn't have
	made     []*output           // outputs of next that don't have an old output's queue
	back     []*output           // outputs that an earlier reload retired, taken back for their queues
	all      []*output           // the outputs of next as built, before kept ones replaced some of them
	reopened []*output           // removed outputs, created again to deliver what is left
	unused   []*output           // outputs of all that kept ones replaced: their destinations are closed
}

// matchOutputs compares the outputs of two configurations by their queues, and puts the kept ones into next.
func matchOutputs(old, next *Router) outputChanges {
	c := outputChanges{kept: make(map[*output]int), changed: make(map[*output]*output), old: old.allOutputs(), all: slices.Clone(next.outputs)}
	byQueue := make(map[string]*output)
	for _, o := range c.old {
		byQueue[old.queueKey(o)] = o
	}
	for _, o := range slices.Backward(next.outputs) { // one that gets another's dead letters first: it would end when that one does
		key := next.queueKey(o)
		if before := byQueue[key]; before != nil && before.retiree != nil && !old.takeBack(before) {
			delete(byQueue, key) // it has been closed meanwhile
		}
	}
	final := make(map[*output]*output) // outputs of next, and the kept ones that replace them
	for n, o := range next.outputs {
		before := byQueue[next.queueKey(o)]
		if before != nil && before.retiree != nil {
			c.back = append(c.back, before)
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
			o.queue, o.tally, o.reserved, o.loop = before.queue, before.tally, before.reserved, before.loop
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

// queueKey identifies the output's queue across configurations.
func (r *Router) queueKey(o *output) string { return filepath.Join(r.queueDir(o), o.name) }

// sameOutput reports whether b, an output of next, is the same as a, so that a keeps running.
func (r *Router) sameOutput(next *Router, a, b *output) bool {
	p, q := r.plan, next.plan
	return a.id == b.id && p.Dialect == q.Dialect && p.Service.Flush == q.Service.Flush && p.Service.Sync == q.Service.Sync &&
		a.is.alias == b.is.alias && a.files == b.files && a.level == b.level && reflect.DeepEqual(a.config, b.config)
}

// keepLog keeps the log of a part that keeps running, with its limit on repeated lines.
func (r *Router) keepLog(old *Router, kind, id string) {
	if l := old.logs[kind+" "+id]; l != nil {
		r.logs[kind+" "+id] = l
	}
}

// filesOf describes the certificate and key files that options name, by size and modification time. A part whose files have changed
// is replaced at a reload.
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

// isKeyFile reports whether an option with this name is the path of a certificate or a key.
func isKeyFile(name string) bool {
	if !strings.HasSuffix(name, "File") && !strings.HasSuffix(name, "Path") {
		return false
	}
	return slices.ContainsFunc([]string{"CA", "Cert", "Crt", "Key"}, func(s string) bool { return strings.HasPrefix(name, s) })
}
