package router

// enterGate enters the gate. If another configuration has taken over since the last call, it moves the intake to that one.
func (i *intake) enterGate() {
	i.r.gate.enter(i.shard)
	if to := i.r.current.Load(); to != i.r {
		i.moveTo(to)
	}
}

func (i *intake) leaveGate() { i.r.gate.leave(i.shard) }

// moveTo moves the intake to another configuration. Events that were added and not flushed have passed the old filters already, and
// go to the outputs that replace those that they were routed to.
func (i *intake) moveTo(to *Router) {
	old := i.pending
	i.filtered.publish()
	i.r = to
	i.recent, i.oldest, i.route, i.from = [recentTags]*route{}, 0, nil, nil
	i.openFor, i.open = nil, nil
	i.calls, i.depth, i.reroutes = nil, 0, 0
	outputs := to.outputs
	place := make(map[*output]int)
	for n, o := range outputs {
		place[o] = n
	}
	noWait := false
	for o := range old {
		p := &old[o]
		if noWait = noWait || p.noWait; p.batch != nil || p.tally != (tally{}) {
			p.complete = append(p.complete, p.counted) // closed: the memory that its Tail refers to may change
			p.counted = counted{}
		}
		heir := p.out.heirNow()
		if _, ok := place[heir]; !ok && len(p.complete)+len(p.left) > 0 {
			place[heir] = len(outputs)
			outputs = append(outputs[:len(outputs):len(outputs)], heir)
		}
	}
	i.makePending(outputs)
	for o := range old {
		if n, ok := place[old[o].out.heirNow()]; ok {
			p := &i.pending[n]
			p.complete, p.left = append(p.complete, old[o].complete...), append(p.left, old[o].left...)
			p.fed = p.fed || old[o].fed
		}
	}
	for o := range i.pending {
		i.pending[o].noWait, i.pending[o].gone = noWait, o >= len(to.outputs)
	}
}

// heirNow returns the output that now gets the records of o: the last of its replacements, or o itself if it has none.
func (o *output) heirNow() *output {
	for o.heir != nil {
		o = o.heir
	}
	return o
}

// hasWaiting reports whether batches wait for room in a queue.
func (i *intake) hasWaiting() bool {
	for o := range i.pending {
		if len(i.pending[o].complete) > 0 {
			return true
		}
	}
	return false
}
