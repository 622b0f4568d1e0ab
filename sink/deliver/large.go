package deliver

import (
	"fmt"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// itemRoom is the room in bytes that an item needs beside the record's JSON: for an action line or tag, for fields that are
// added, and for what the JSON writer reserves.
const itemRoom = 128 << 10

// isLarge reports whether ev's size as JSON must be computed before it is encoded. A large record has a request of its own.
func isLarge(ev *record.Event) bool { return len(ev.Body)+len(ev.Tail) > record.AlwaysFits }

// fits returns ev's size as JSON in bytes, or the reason why it can't be sent.
func fits(ev *record.Event) (size int, err error) {
	if n := len(ev.Body) + len(ev.Tail); n > record.MaxJSON {
		return 0, fmt.Errorf("the record has %d bytes; want at most %d", n, record.MaxJSON)
	}
	size, index := ev.JSONSize()
	if size+index > record.MaxJSON {
		return size, fmt.Errorf("as JSON the record has %d bytes and needs %d more to be written; want at most %d together", size, index, record.MaxJSON)
	}
	return size, nil
}

// TooLarge is the error type in the dead letter of a record that is too large to be sent.
const TooLarge = "too_large"

// Room returns how many bytes of memory ev takes as one item, or why it is too large to be sent. For a record that isn't large it
// is 0: its memory may grow.
func Room(ev *record.Event) (int, error) {
	if !isLarge(ev) {
		return 0, nil
	}
	size, err := fits(ev)
	return size + itemRoom, err
}

// Refuse writes ev, which is not in the queue, to the dead letter if it is too large to be sent, and reports whether it is.
func (o *Output) Refuse(ev *record.Event) bool {
	_, err := fits(ev)
	if err == nil {
		return false
	}
	o.put(&dead.Record{Type: TooLarge, Reason: err.Error()}, &sink.Record{Event: *ev}, 0)
	return true
}

// encodeLarge encodes r, which is large, as the only item of p, and reports whether it could. The memory for the item is
// allocated at once: growing would take twice as much.
func (o *Output) encodeLarge(p *part, r *sink.Record, pos uint32) (ok bool) {
	size, err := fits(&r.Event)
	if err != nil {
		p.out.dead++
		o.put(&dead.Record{Type: TooLarge, Reason: err.Error()}, r, 0)
		return false
	}
	if !o.tails {
		r.Whole()
	}
	o.announceAlone(p, pos)
	o.memory.takeBody(p, size+itemRoom)
	return o.encodeItem(p, r, pos)
}
