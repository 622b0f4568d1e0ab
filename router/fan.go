package router

import (
	"bytes"
	"slices"

	"github.com/firelane/firelane/buffer"
)

// A fan is outputs that get the same records, whatever their tag, so that their queues can have files in common.
type fan struct {
	*buffer.Fan
	places  []int     // in Router.outputs, ascending
	outputs []*output // at these places
}

// refine takes into account that a route leads to the outputs at these places. Outputs are in one class for as long as each
// route leads to all of them or to none. r.routesMu is held.
func (r *Router) refine(places []int) {
	for len(r.classes) < len(r.outputs) {
		r.classes = append(r.classes, 0)
	}
	size, found := make(map[int]int), make(map[int][]int)
	for _, class := range r.classes {
		size[class]++
	}
	for _, place := range places {
		class := r.classes[place]
		found[class] = append(found[class], place)
	}
	changed := false
	for class, part := range found {
		if class != 0 && len(part) == size[class] {
			continue
		}
		r.lastClass++
		for _, place := range part {
			r.classes[place] = r.lastClass
		}
		changed = true
	}
	if changed {
		r.makeFans()
	}
}

// makeFans makes a fan of the outputs of each class whose queues can have files in common, and are alike. Its first output has it.
// Queues whose records may be dropped to make room on a full disk have none in common with others.
func (r *Router) makeFans() {
	type key struct {
		class int
		full  string
		like  buffer.Likeness
	}
	fans, keys := make(map[key][]int), make([]key, len(r.outputs))
	for place, o := range r.outputs {
		k := key{class: r.classes[place], full: o.options.Queue().WhenFull}
		if k.class == 0 || o.queue == nil {
			continue
		}
		var ok bool
		if k.like, ok = o.queue.Likeness(); ok {
			keys[place], fans[k] = k, append(fans[k], place)
		}
	}
	for place, o := range r.outputs {
		places, f := fans[keys[place]], o.fan.Load()
		switch {
		case len(places) < 2 || places[0] != place:
			f = nil
		case f == nil || !slices.Equal(f.places, places):
			f = r.newFan(places)
		}
		o.fan.Store(f)
	}
}

func (r *Router) newFan(places []int) *fan {
	f := &fan{places: places}
	var queues []*buffer.Queue
	for _, place := range places {
		o := r.outputs[place]
		f.outputs, queues = append(f.outputs, o), append(queues, o.queue)
	}
	f.Fan = buffer.NewFan(queues)
	return f
}

// queueShared appends what was added for the outputs of a fan to those of their queues that take it at once.
func (i *intake) queueShared() {
	for n := range i.pending {
		f := i.pending[n].out.fan.Load()
		if f == nil || !i.hasOutputs(f) {
			continue
		}
		for i.shareNext(f) {
		}
		for _, place := range f.places {
			i.pending[place].behind = false
		}
	}
}

// hasOutputs reports whether the outputs of a fan are where it expects them. A reload may have given them other places.
func (i *intake) hasOutputs(f *fan) bool {
	for n, place := range f.places {
		if place >= len(i.pending) || i.pending[place].out != f.outputs[n] {
			return false
		}
	}
	return true
}

// shareNext appends the first batch that waits for the outputs of a fan, if that is the same for all, and reports whether a queue took
// it. A queue that did not is behind: what comes after the batch can't be appended to it.
func (i *intake) shareNext(f *fan) (took bool) {
	b := i.sameFor(f)
	if b == nil {
		return false
	}
	f.AppendTo(i.keepsUp, b.Bytes(), b.Records(), i.accept)
	for _, place := range f.places {
		p := &i.pending[place]
		if p.behind = p.behind || !p.accepted; !p.accepted {
			continue
		}
		c := p.next()
		p.out.taps.offer(p.out.id, &c.batch.Batch)
		i.r.buffers.returnBatch(c.batch)
		*c, p.accepted, took = counted{}, false, true
		if len(p.complete) > 0 {
			p.complete = p.complete[1:]
		}
	}
	return took
}

// sameFor is the first batch that waits for the outputs of a fan, but for those that are behind; nil if they differ.
func (i *intake) sameFor(f *fan) (first *batch) {
	for _, place := range f.places {
		p := &i.pending[place]
		if p.behind {
			continue
		}
		b := p.next().batch
		switch {
		case b == nil:
			return nil
		case first == nil:
			first = b
		case b != first && !bytes.Equal(b.Bytes(), first.Bytes()):
			return nil
		}
	}
	return first
}

// next is the first batch that waits.
func (p *pending) next() *counted {
	if len(p.complete) > 0 {
		return &p.complete[0]
	}
	return &p.counted
}
