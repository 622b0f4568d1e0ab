package sink

import (
	"time"
)

// condemned is an item that goes to the dead letter, and why.
type condemned struct {
	pos    uint32
	target string
	reply  ItemReply
}

// condemn notes item i for the dead letter, while its bytes are still in place.
func (o *Output) condemn(p *part, i int, r ItemReply) {
	c := condemned{pos: p.pos[i], reply: r}
	if t, ok := o.dest.(Targeter); ok {
		c.target = o.targetOf(p, t, p.req.Item(i))
	}
	p.dead = append(p.dead, c)
}

func (o *Output) targetOf(p *part, t Targeter, item []byte) (target string) {
	defer func() {
		if v := recover(); v != nil {
			o.panicked(p, "naming the target", v)
		}
	}()
	return t.Target(item)
}

// buryCondemned writes the items that condemn has noted to the dead letter, each with its record.
func (o *Output) buryCondemned(p *part) {
	if len(p.dead) == 0 {
		return
	}
	pos := make([]uint32, len(p.dead))
	for i := range p.dead {
		pos[i] = p.dead[i].pos
	}
	p.load.each(pos, func(i int, r *Record) {
		c := &p.dead[i]
		o.bury(p, &DeadRecord{Target: c.target, Status: c.reply.Status, Type: c.reply.Type, Reason: c.reply.Reason}, r)
	})
	clear(p.dead)
	p.dead = p.dead[:0]
}

// buryRecord writes a record that has no item to the dead letter.
func (o *Output) buryRecord(p *part, r *Record, reason string) {
	o.bury(p, &DeadRecord{Type: "encoding", Reason: reason}, r)
}

func (o *Output) bury(p *part, d *DeadRecord, r *Record) {
	r.Fold(nil)
	d.Time, d.Output, d.Record = time.Now(), o.name, r
	where := o.dead.Put(d)
	p.out.dead++
	if o.deadLog.allow() {
		o.log.Warn().Int("status", d.Status).Str("type", d.Type).Str("reason", cutText(d.Reason, maxLoggedReason)).
			Str("target", d.Target).Str("tag", r.Tag).Str("dead_letter", where).Int64("unsaid", o.deadLog.unsaid()).
			Msg("a record will never be taken: it went to the dead letter")
	}
}

// maxLoggedReason is how much of a reason the router's own log gets, in bytes.
const maxLoggedReason = 512

func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
