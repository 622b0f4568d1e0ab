package enrich

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

// Limits of a Lifter.
const (
	// maxLifted is the most members that are lifted.
	maxLifted = 8
	// maxLiftedBytes is the largest lifted member, key and value as MessagePack, in bytes.
	maxLiftedBytes = 192
	// minLifted is the least size of all lifted members, in bytes, for which lifting is worth the scan.
	minLifted = 32
	// maxLiftedBody is the largest event, in bytes, from which members are lifted.
	maxLiftedBody = 256 << 10
	// fewMembers is the most members of a map with a header of one byte.
	fewMembers = 15
)

// A Lifter moves members that are the same in all events of one connection, such as a container's id, name and stream, from
// the events' bodies to their Tail, which the queue stores once a batch and the destination writes as JSON once a batch. That
// changes the order of members. Docker's driver writes them in a random order anyway, a different one in each event.
//
// At first a Lifter assumes that the members of the connection's first event are the same in all events: those that are
// short strings with plain names of different lengths, within the limits above. An event in which one of them differs is
// left whole, and that member is not lifted any more. So nothing is lifted for long on a connection with the events of many
// containers.
//
// The zero value is ready for the first event. A Lifter belongs to one connection, and takes a few KiB at most.
type Lifter struct {
	learnt bool // the first event has come
	off    bool // nothing is lifted any more
	lifted []liftedMember
	byLen  [maxFixstr + 1]uint8 // index in lifted, plus one, by the key's length; 0: none has this length
	tails  [2]liftedTail        // a cache of the last two: events with and without constants may alternate
}

// A liftedTail is a Tail before and after the lifted members were added, in memory that never changes.
type liftedTail struct {
	of, with []byte
	double   bool // a lifted member has the name of one that was there
}

// maxFixstr is the longest string with a header of one byte, in bytes. Lifted keys are no longer.
const maxFixstr = 31

// A liftedMember is a member as MessagePack.
type liftedMember struct {
	bytes []byte
	key   int // length of the key, its header included
}

// Lift moves the members that have been the same in all events so far from ev's body to its Tail. The memory of a Tail that
// ev has already must never change; that of the new Tail doesn't. A new body belongs to s.
func (l *Lifter) Lift(ev *record.Event, s *Scratch) {
	if rest, stay := l.rest(ev.Body, s); rest != nil {
		ev.Body, ev.Tail = keepRest(rest, stay, s), l.with(ev.Tail).with
	}
}

// LiftAfter has the result of c's Apply and then Lift, but scans most bodies only once: only members that are not lifted can have
// the name of a constant.
func (l *Lifter) LiftAfter(c *TailConstants, ev *record.Event, s *Scratch) {
	if rest, stay := l.rest(ev.Body, s); rest != nil && !c.names.meets(rest[restHead:], stay) {
		if tail := l.with(c.whole); !tail.double {
			ev.Body, ev.Tail = keepRest(rest, stay, s), tail.with
			return
		}
	}
	c.Apply(ev, s)
	l.Lift(ev, s)
}

// restHead is the length of the map header, in bytes, that rest leaves room for.
const restHead = 3

// rest returns the members of body that are not lifted, after restHead bytes, and their number, in memory of s. It is nil if the
// event must be left whole.
func (l *Lifter) rest(body []byte, s *Scratch) (rest []byte, stay int) {
	if l.off || len(body) > maxLiftedBody {
		return nil, 0
	}
	if !l.learnt {
		l.learn(body)
		return nil, 0
	}
	n, b, err := record.MapHeader(body)
	if err != nil || n > math.MaxUint16 {
		return nil, 0
	}
	rest, stay, odd := l.split(append(s.Take(), 0xde, 0, 0), b, n)
	if odd != 0 {
		l.forget(odd)
		return nil, 0
	}
	return rest, stay
}

// keepRest makes a body of what rest returned.
func keepRest(rest []byte, stay int, s *Scratch) []byte {
	body := s.Keep(rest)
	if stay > fewMembers {
		binary.BigEndian.PutUint16(body[1:], uint16(stay))
		return body
	}
	body = body[restHead-1:]
	body[0] = 0x80 | byte(stay)
	return body
}

// split appends those of n members that aren't lifted, and returns their number. In odd, bit i+1 is set if lifted member i is
// missing, differs or occurs twice.
func (l *Lifter) split(out, b []byte, n int) (rest []byte, stay int, odd uint32) {
	all := uint32(1)<<(len(l.lifted)+1) - 2
	var seen uint32
	for range n {
		i := uint8(0)
		if len(b) > 0 && b[0]&0xe0 == 0xa0 {
			i = l.byLen[b[0]&maxFixstr]
		} else {
			i = l.sameLength(b)
		}
		if i > 0 {
			m := &l.lifted[i-1]
			if seen>>i&1 == 0 && bytes.HasPrefix(b, m.bytes) {
				seen |= 1 << i
				b = b[len(m.bytes):]
				continue
			}
			if key, _ := record.Text(b); string(key) == string(m.bytes[1:m.key]) {
				odd |= 1 << i
			}
		}
		end := memberEnd(b)
		if end == 0 {
			return out, stay, all // a malformed map is left as it is
		}
		out = append(out, b[:end]...)
		b = b[end:]
		stay++
	}
	return out, stay, odd | all&^seen
}

// sameLength is the index, plus one, of the lifted member whose key is as long as the key at the start of b, 0 for none. The
// key in b has a longer header than it needs.
func (l *Lifter) sameLength(b []byte) uint8 {
	if key, ok := record.Text(b); ok && len(key) <= maxFixstr {
		return l.byLen[len(key)]
	}
	return 0
}

// memberEnd is the length of the member at the start of b, 0 if it is cut short. The first cases are what log drivers write.
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

// learn chooses the members to lift from the first event.
func (l *Lifter) learn(body []byte) {
	l.learnt = true
	if metric.Is(body) { // a destination knows it by its first field
		l.off = true
		return
	}
	for f := record.FieldsOf(body); f.Next() && len(l.lifted) < maxLifted; {
		key, value := f.RawKey(), f.Value()
		n := len(f.Key())
		short := key[0]&0xe0 == 0xa0 && (value[0]&0xe0 == 0xa0 || value[0] == 0xd9) && len(key)+len(value) <= maxLiftedBytes
		if !short || l.byLen[n] != 0 || !plainName(f.Key()) {
			continue
		}
		member := append(append([]byte(nil), key...), value...)
		l.lifted = append(l.lifted, liftedMember{member, len(key)})
		l.byLen[n] = uint8(len(l.lifted))
	}
	l.reset()
}

// plainName reports whether a name has only letters, digits and underscores. Some destinations take a dot in a name for a
// path.
func plainName(name []byte) bool {
	for i, c := range name {
		if !(c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' && i > 0) {
			return false
		}
	}
	return len(name) > 0
}

// forget stops lifting the members in which, which has the bits of split's odd.
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
	l.reset()
}

// reset empties the cache of tails, and turns lifting off if it isn't worth the scan any more.
func (l *Lifter) reset() {
	l.tails = [2]liftedTail{}
	size := 0
	for _, m := range l.lifted {
		size += len(m.bytes)
	}
	if size < minLifted {
		*l = Lifter{off: true}
	}
}

// with returns tail with the lifted members added before its own.
func (l *Lifter) with(tail []byte) *liftedTail {
	if t := &l.tails[0]; t.with != nil && bytes.Equal(t.of, tail) {
		return t
	}
	l.tails[0], l.tails[1] = l.tails[1], l.tails[0]
	if t := &l.tails[0]; t.with == nil || !bytes.Equal(t.of, tail) {
		n, members, _ := record.MapHeader(tail)
		with, double := record.AppendMapHeader(nil, len(l.lifted)+n), false
		for _, m := range l.lifted {
			with = append(with, m.bytes...)
			_, found := record.Find(tail, string(m.bytes[1:m.key]))
			double = double || found
		}
		*t = liftedTail{tail, append(with, members...), double}
	}
	return &l.tails[0]
}
