package deliver

import (
	"fmt"

	"github.com/firelane/firelane/sink"
)

// encode encodes the next records of p's chunk into p, up to the limits. Records that can't be encoded go to the dead
// letter.
func (o *Output) encode(p *part, maxBytes int) {
	c := p.chunk
	if p.fatal {
		o.giveUpFatal(p)
		return
	}
	for c.more && !o.encodeRun(p, maxBytes) {
	}
	if !c.more && c.read < c.from.Records {
		p.out.unreadable = c.from.Records - c.read
		o.log.Error().Err(c.reader.Err()).Int("records", p.out.unreadable).Msg("a batch in the queue can't be read: its records are dropped")
		c.read = c.from.Records
	}
}

// encodeRun encodes records until the request is full or the chunk ends, and reports whether the request is full. If the
// destination panics, the record goes to the dead letter, and encodeRun returns false, to be called again.
func (o *Output) encodeRun(p *part, maxBytes int) (full bool) {
	c := p.chunk
	defer func() {
		if v := recover(); v != nil {
			o.panicked(p, "encoding", v)
			o.deadLetterRecord(p, &c.rec, fmt.Sprintf("encoding: panic: %v", v))
		}
	}()
	for c.encoded() < p.until {
		if !c.next() {
			return false
		}
		if isLarge(&c.rec.Event) {
			if c.carried = len(p.req.Ends) > 0; c.carried {
				return true
			}
			if o.encodeLarge(p, &c.rec, uint32(c.read-1)) {
				c.more = c.read < c.from.Records
				return true
			}
			continue
		}
		if !o.tails {
			c.rec.Whole()
		}
		size := len(p.req.Body)
		grown, err := o.append(p, &c.rec)
		if err != nil {
			o.deadLetterRecord(p, &c.rec, "encoding: "+err.Error())
			continue
		}
		if n := len(p.req.Ends); n > 0 && len(grown)+(n+1)*o.limits.ItemOverhead > maxBytes {
			p.req.Body = grown[:size]
			p.dropKey()
			c.carried = true
			return true
		}
		p.add(grown, uint32(c.read-1))
		if n := len(p.req.Ends); len(grown)+n*o.limits.ItemOverhead >= maxBytes || n >= o.limits.MaxItems {
			c.more = c.read < c.from.Records
			return true
		}
	}
	c.more = c.read < c.from.Records
	return true
}

// append encodes r as the next item of p, and returns p's body with it. An error leaves p unchanged.
func (o *Output) append(p *part, r *sink.Record) (grown []byte, err error) {
	start := len(p.req.Body)
	if o.keyer != nil {
		if p.key, err = o.keyer.Key(p.key[:0], r); err != nil {
			return p.req.Body, err
		}
	}
	if grown, err = o.dest.Append(p.req.Body, r); err != nil {
		return p.req.Body, err
	}
	if size := len(grown) - start + o.limits.ItemOverhead; size > o.limits.MaxItem {
		p.req.Body = grown[:start] // keep the larger memory
		return p.req.Body, fmt.Errorf("the item has %d bytes; the destination takes at most %d", size, o.limits.MaxItem)
	}
	if o.keyer != nil {
		p.req.AddKey(p.key)
	}
	return grown, nil
}

// reencode encodes the items of p again from their records, as the destination encodes them now.
func (o *Output) reencode(p *part) {
	pos := append([]uint32(nil), p.pos...)
	refused := append([]uint16(nil), p.refused...)
	p.req.Reset()
	if p.full > 0 {
		o.memory.takeBody(p, p.full+itemRoom)
		p.full = 0
	}
	p.pos, p.refused = p.pos[:0], p.refused[:0]
	p.chunk.each(pos, func(i int, r *sink.Record) {
		if o.encodeOne(p, r, pos[i]) && len(refused) > 0 {
			p.refused = append(p.refused, refused[i])
		}
	})
	p.stale = false
}

func (o *Output) encodeOne(p *part, r *sink.Record, pos uint32) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			ok = false
			o.panicked(p, "encoding", v)
			o.deadLetterRecord(p, r, fmt.Sprintf("encoding: panic: %v", v))
		}
	}()
	return o.encodeItem(p, r, pos)
}

// encodeItem adds r to p or, if that fails, to the dead letter.
func (o *Output) encodeItem(p *part, r *sink.Record, pos uint32) (ok bool) {
	grown, err := o.append(p, r)
	if err != nil {
		o.deadLetterRecord(p, r, "encoding: "+err.Error())
		return false
	}
	p.add(grown, pos)
	return true
}
