package deliver

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// A refusedItem is an item to be written to the dead letter, with the reason.
type refusedItem struct {
	pos    uint32
	target string
	reply  sink.ItemReply
}

// giveUp adds item i to p.dead, before sort overwrites its bytes: the target is read from them.
func (o *Output) giveUp(p *part, i int, r sink.ItemReply) {
	item := refusedItem{pos: p.pos[i], reply: r}
	if t, ok := o.dest.(sink.Targeter); ok {
		item.target = o.targetOf(p, t, p.req.Item(i))
	} else if len(p.req.KeyOf) > 0 {
		item.target = string(p.req.Keys[p.req.KeyOf[i]])
	}
	p.dead = append(p.dead, item)
}

func (o *Output) targetOf(p *part, t sink.Targeter, item []byte) (target string) {
	defer func() {
		if v := recover(); v != nil {
			o.panicked(p, "naming the target", v)
		}
	}()
	return t.Target(item)
}

// deadLetterItems writes the records of the items in p.dead to the dead letter.
func (o *Output) deadLetterItems(p *part) {
	if len(p.dead) == 0 {
		return
	}
	pos := make([]uint32, len(p.dead))
	for i := range p.dead {
		pos[i] = p.dead[i].pos
	}
	p.chunk.each(pos, func(i int, r *sink.Record) {
		item := &p.dead[i]
		o.deadLetter(p, &dead.Record{Target: item.target, Status: item.reply.Status, Type: item.reply.Type, Reason: item.reply.Reason}, r)
	})
	clear(p.dead)
	p.dead = p.dead[:0]
}

// deadLetterRecord writes a record that could not be encoded to the dead letter.
func (o *Output) deadLetterRecord(p *part, r *sink.Record, reason string) {
	o.deadLetter(p, &dead.Record{Type: "encoding", Reason: reason}, r)
}

func (o *Output) deadLetter(p *part, d *dead.Record, r *sink.Record) {
	p.out.dead++
	o.put(d, r)
}

func (o *Output) put(d *dead.Record, r *sink.Record) {
	r.Whole()
	d.Time, d.Output, d.Record = time.Now(), o.name, r
	where := o.dead.Put(d)
	o.log.Warn().Int("status", d.Status).Str("type", d.Type).Str("reason", dead.Cut(d.Reason, maxLoggedReason)).
		Str("target", d.Target).Str("tag", r.Tag).Str("dead_letter", where).
		Msg("a record was refused for good; it is in the dead letter")
}

// maxLoggedReason is how much of a reason the router's own log gets, in bytes.
const maxLoggedReason = 512

// panicked logs a panic of the destination, the first one with its stack.
func (o *Output) panicked(p *part, doing string, v any) {
	p.out.panicked = true
	e := o.log.Error().Str("panic", fmt.Sprint(v)).Str("while", doing)
	if o.stackLogged.CompareAndSwap(false, true) {
		e = e.Bytes("stack", debug.Stack())
	}
	e.Msg("the destination's code panicked; please report this bug")
}
