package router

// enterGate enters the gate. If another configuration has taken over since the last call, the intake belongs to that one from now on.
func (i *intake) enterGate() {
	i.r.gate.enter(i.shard)
	if to := i.r.current.Load(); to != i.r {
		i.moveTo(to)
	}
}

func (i *intake) leaveGate() { i.r.gate.leave(i.shard) }

// moveTo makes the intake one of another configuration. What it has added and not flushed has gone through the filters already:
// it goes to the outputs that have taken the place of those that it was for.
func (i *intake) moveTo(to *Router) {
	old := i.pending
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
			p.complete = append(p.complete, p.counted) // it is closed: what its Tail aliases may change
			p.counted = counted{}
		}
		heir := p.out.heirNow()
		if _, ok := place[heir]; !ok && len(p.complete) > 0 {
			place[heir] = len(outputs)
			outputs = append(outputs[:len(outputs):len(outputs)], heir)
		}
	}
	i.makePending(outputs)
	for o := range old {
		if n, ok := place[old[o].out.heirNow()]; ok {
			p := &i.pending[n]
			p.complete = append(p.complete, old[o].complete...)
			p.fed = p.fed || old[o].fed
		}
	}
	for o := range i.pending {
		i.pending[o].noWait = noWait
	}
}

// heirNow is the output that records go to which were meant for o: o itself, unless another configuration has replaced it.
func (o *output) heirNow() *output {
	for o.heir != nil {
		o = o.heir
	}
	return o
}

// hasWaiting reports whether batches wait for room.
func (i *intake) hasWaiting() bool {
	for o := range i.pending {
		if len(i.pending[o].complete) > 0 {
			return true
		}
	}
	return false
}
