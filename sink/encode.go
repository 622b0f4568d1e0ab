package sink

import (
	"fmt"
	"runtime/debug"
)

// encode fills p with the next records of its load, up to the limits. Records that can't be encoded go to the dead
// letter.
func (o *Output) encode(p *part, maxBytes int) {
	l := p.load
	for l.more && !o.encodeRun(p, maxBytes) {
	}
	if !l.more && l.read < l.chunk.Records {
		p.out.damaged = l.chunk.Records - l.read
		o.log.Error().Err(l.reader.Err()).Int("records", p.out.damaged).Msg("a batch in the queue can't be read: its records are dropped")
		l.read = l.chunk.Records
	}
}

// encodeRun encodes records until the request is full or the load ends, and reports whether it is full. A panic of the
// destination costs the one record that it is about.
func (o *Output) encodeRun(p *part, maxBytes int) (full bool) {
	l := p.load
	body := p.req.Body
	defer func() {
		if r := recover(); r != nil {
			p.req.Body = p.req.Body[:len(body)]
			o.panicked(p, "encoding", r)
			o.buryRecord(p, &l.rec, fmt.Sprintf("encoding: panic: %v", r))
		}
	}()
	for l.next() {
		l.fold(o.tailer)
		grown, err := o.dest.Append(body, &l.rec)
		if err != nil {
			o.buryRecord(p, &l.rec, "encoding: "+err.Error())
			continue
		}
		if len(grown) > maxBytes && len(p.req.Ends) > 0 {
			p.req.Body = grown[:len(body)]
			l.carried = true
			return true
		}
		body = grown
		p.req.Body = body
		p.req.Ends = append(p.req.Ends, len(body))
		p.pos = append(p.pos, uint32(l.read-1))
		if len(body) >= maxBytes || len(p.req.Ends) >= o.limits.MaxItems {
			l.more = l.read < l.chunk.Records
			return true
		}
	}
	return false
}

// reencode writes the items of p afresh from their records, in the way that the destination has learnt.
func (o *Output) reencode(p *part) {
	pos := append([]uint32(nil), p.pos...)
	refused := append([]uint16(nil), p.refused...)
	p.req.Body, p.req.Ends, p.pos, p.refused = p.req.Body[:0], p.req.Ends[:0], p.pos[:0], p.refused[:0]
	p.load.each(pos, func(i int, r *Record) {
		if !o.encodeOne(p, r) {
			return
		}
		p.pos = append(p.pos, pos[i])
		if len(refused) > 0 {
			p.refused = append(p.refused, refused[i])
		}
	})
	p.stale = false
}

func (o *Output) encodeOne(p *part, r *Record) (ok bool) {
	n := len(p.req.Body)
	defer func() {
		if v := recover(); v != nil {
			p.req.Body, ok = p.req.Body[:n], false
			o.panicked(p, "encoding", v)
			o.buryRecord(p, r, fmt.Sprintf("encoding: panic: %v", v))
		}
	}()
	body, err := o.dest.Append(p.req.Body, r)
	if err != nil {
		o.buryRecord(p, r, "encoding: "+err.Error())
		return false
	}
	p.req.Body = body
	p.req.Ends = append(p.req.Ends, len(body))
	return true
}

// panicked reports a panic of the destination: the first one with its stack.
func (o *Output) panicked(p *part, doing string, v any) {
	p.out.panicked = true
	e := o.log.Error().Str("panic", fmt.Sprint(v)).Str("while", doing)
	if o.stackOnce.CompareAndSwap(false, true) {
		e = e.Bytes("stack", debug.Stack())
	} else if !o.panicLog.allow() {
		return
	}
	e.Msg("a destination panicked: contained")
}
