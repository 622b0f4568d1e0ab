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
	whole := 0
	if len(p.dead) == p.out.items {
		whole = p.out.items
	}
	p.chunk.each(pos, func(i int, r *sink.Record) {
		item := &p.dead[i]
		p.out.dead++
		o.put(&dead.Record{Target: item.target, Status: item.reply.Status, Type: item.reply.Type, Reason: item.reply.Reason}, r, whole)
	})
	clear(p.dead)
	p.dead = p.dead[:0]
}

// deadLetterRecord writes a record that could not be encoded to the dead letter.
func (o *Output) deadLetterRecord(p *part, r *sink.Record, reason string) {
	p.out.dead++
	o.put(&dead.Record{Type: "encoding", Reason: reason}, r, 0)
}

// put writes a record to the dead letter. If all records of its request were refused, whole is how many; else it is 0.
func (o *Output) put(d *dead.Record, r *sink.Record, whole int) {
	r.Whole()
	d.Time, d.Output, d.Record = time.Now(), o.name, r
	o.report.DeadLetter(d, o.dead.Put(d), whole)
}

// maxLoggedReason is how much of an error the statistics keep, in bytes.
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
