package enrich

import (
	"bytes"
	"math"

	"github.com/firelane/firelane/record"
)

// Limits of a Lifter.
const (
	// maxLifted is how many members are lifted.
	maxLifted = 8
	// maxLiftedBytes is how long one of them may be, key and value, as MessagePack.
	maxLiftedBytes = 192
	// minLifted is how many bytes all of them must have to be worth the look.
	minLifted = 32
	// fewMembers is how many members a map of the shortest header has at most.
	fewMembers = 15
)

// An Ending is what becomes of events behind the steps of their way: constant fields, and what a Lifter lifts, become
// their Tail.
type Ending struct {
	constants *constants // nil for none
	takes     func(tail []byte) bool
}

// End cuts off the constants that are the last of the steps, which Defer returned. takes says whether what comes behind
// takes events with a Tail like this one.
func End(steps []Step, takes func(tail []byte) bool) (rest []Step, e *Ending) {
	if n := len(steps); n > 0 {
		if c, ok := steps[n-1].(lastConstants); ok {
			return steps[:n-1], &Ending{c.constants, takes}
		}
	}
	return steps, &Ending{takes: takes}
}

// A Lifter lifts out of the events of one connection what is the same in all of them, a container's id, its name, its
// stream, so that the queue holds it once a batch and it is written as JSON once a batch. Members may stand in any order,
// and Docker's driver changes it from event to event; the order of what comes out is another one.
//
// Everything that a connection's first event has in short strings is taken to be the same in all, until an event comes in
// which it isn't: that one is left whole, and what differed stays in the events from then on.
//
// The zero value has seen no event. A Lifter belongs to one connection.
type Lifter struct {
	learnt bool // the first event has been seen
	off    bool // there is nothing to lift
	lifted []liftedMember
	byLen  [maxFixstr + 1]uint8 // by a key's length the index in lifted, plus one; 0: none has this length

	tail []byte // what is lifted, with the fields of another one; never changed
	of   []byte // that other one
}

// maxFixstr is the length in bytes of the longest string whose header is one byte, as the keys that are lifted have it.
const maxFixstr = 31

// A liftedMember is a member as MessagePack.
type liftedMember struct {
	bytes []byte
	key   int // length of the key, its header included
}

// Apply brings an event to its end. It may have a Tail from the steps. A body that is made belongs to s. The Tail that it
// has then never changes.
func (l *Lifter) Apply(ev *record.Event, s *Scratch, e *Ending) {
	c, tail := e.constants, ev.Tail
	if c != nil {
		tail = c.whole
	}
	if !l.off && !bytes.Equal(l.of, tail) {
		l.meet(c, tail)
	}
	lifted := !l.off && l.lift(ev, s, e)
	if c != nil {
		n, members, err := record.MapHeader(ev.Body)
		if err == nil && c.names.meets(members, n) {
			c.Apply(ev, s)
			if lifted {
				ev.Tail = l.tailWith(nil)
			}
			return
		}
	}
	if !lifted {
		ev.Tail = tail
		return
	}
	if l.tail == nil {
		l.tail = l.tailWith(l.of)
	}
	ev.Tail = l.tail
}

// meet gets ready for another Tail: nothing is lifted that has the name of one of c's fields. (A Tail from the steps has
// none that is in the body.)
func (l *Lifter) meet(c *constants, tail []byte) {
	l.of, l.tail = tail, nil
	names := uint32(0)
	for i, m := range l.lifted {
		if c.has(m.bytes[1:m.key]) {
			names |= 2 << i
		}
	}
	if names != 0 {
		l.forget(names)
	}
}

// lift lifts out of ev what has been the same in all events before it, and reports whether it was.
func (l *Lifter) lift(ev *record.Event, s *Scratch, e *Ending) bool {
	if !l.learnt {
		l.learn(ev.Body, e)
		return false
	}
	n, b, err := record.MapHeader(ev.Body)
	if err != nil || n > math.MaxUint16 {
		return false
	}
	out := append(s.Take(), 0)
	if n > fewMembers {
		out = append(out, 0, 0)
	}
	var seen, differ uint32
	stay := 0
	for range n {
		i := uint8(0)
		if len(b) > 0 && b[0]&0xe0 == 0xa0 {
			i = l.byLen[b[0]&maxFixstr]
		} else {
			i = l.sameLength(b)
		}
		if i > 0 {
			if m := &l.lifted[i-1]; bytes.HasPrefix(b, m.bytes) && seen>>i&1 == 0 {
				seen |= 1 << i
				b = b[len(m.bytes):]
				continue
			} else if key, _ := record.Text(b); string(key) == string(m.bytes[1:m.key]) {
				differ |= 1 << i
			}
		}
		end := memberEnd(b)
		if end == 0 {
			return false
		}
		out = append(out, b[:end]...)
		b = b[end:]
		stay++
	}
	if all := uint32(1)<<(len(l.lifted)+1) - 2; seen != all || differ != 0 {
		l.forget(all&^seen | differ)
		return false
	}
	if n <= fewMembers {
		out[0] = 0x80 | byte(stay)
	} else {
		out[0], out[1], out[2] = 0xde, byte(stay>>8), byte(stay)
	}
	ev.Body = s.Keep(out)
	return true
}

// sameLength is the index, plus one, of what is lifted under a key as long as that of the member at the start of b, whose
// header is a longer one than it needs; 0 for none.
func (l *Lifter) sameLength(b []byte) uint8 {
	if key, ok := record.Text(b); ok && len(key) <= maxFixstr {
		return l.byLen[len(key)]
	}
	return 0
}

// memberEnd is the length of the member at the start of b, 0 if it is cut short. The first cases are what log drivers
// write.
func memberEnd(b []byte) int {
	end := 0
	if len(b) > maxFixstr+3 && b[0]&0xe0 == 0xa0 {
		end = 1 + int(b[0]&maxFixstr)
		switch v := b[end:]; v[0] {
		case 0xd9:
			end += 2 + int(v[1])
		case 0xda:
			end += 3 + int(v[1])<<8 + int(v[2])
		default:
			end = 0
		}
	}
	if end > 0 && end <= len(b) {
		return end
	}
	key, err := record.Check(b)
	if err != nil {
		return 0
	}
	value, err := record.Check(b[key:])
	if err != nil {
		return 0
	}
	return key + value
}

// learn takes in the first event.
func (l *Lifter) learn(body []byte, e *Ending) {
	l.learnt = true
	for f := record.FieldsOf(body); f.Next() && len(l.lifted) < maxLifted; {
		key, value := f.RawKey(), f.Value()
		n := len(f.Key())
		short := key[0]&0xe0 == 0xa0 && (value[0]&0xe0 == 0xa0 || value[0] == 0xd9) && len(key)+len(value) <= maxLiftedBytes
		if !short || l.byLen[n] != 0 || e.constants.has(f.Key()) {
			continue
		}
		tail := append(append(record.AppendMapHeader(nil, 1), key...), value...)
		if !e.takes(tail) {
			continue
		}
		l.lifted = append(l.lifted, liftedMember{tail[1:], len(key)})
		l.byLen[n] = uint8(len(l.lifted))
	}
	l.settle()
}

// forget lifts no more what has a bit in which, that of its index plus one.
func (l *Lifter) forget(which uint32) {
	l.byLen = [maxFixstr + 1]uint8{}
	kept := l.lifted[:0]
	for i, m := range l.lifted {
		if which>>(i+1)&1 == 0 {
			kept = append(kept, m)
			l.byLen[m.key-1] = uint8(len(kept))
		}
	}
	l.lifted = kept
	l.settle()
}

// settle sees to what follows from what is lifted.
func (l *Lifter) settle() {
	l.tail = nil
	size := 0
	for _, m := range l.lifted {
		size += len(m.bytes)
	}
	if size < minLifted {
		*l = Lifter{off: true}
	}
}

// tailWith makes a Tail of what is lifted and the fields of another one.
func (l *Lifter) tailWith(fields []byte) []byte {
	n, members, _ := record.MapHeader(fields)
	tail := record.AppendMapHeader(nil, len(l.lifted)+n)
	for _, m := range l.lifted {
		tail = append(tail, m.bytes...)
	}
	return append(tail, members...)
}
