package record

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"strings"
)

// idLen is the length of an id in characters.
const idLen = 22

// ID is the identity of a record, fixed when it is appended to a queue: the queue's own random identity and the
// record's position in it. No two queues share an identity, and a position is never used twice. A record with an Origin has
// that as its identity, in all queues.
type ID struct {
	Queue [10]byte
	Pos   uint64 // the lowest 48 bits are used: enough for 2.8e14 records
}

// NewQueueIdentity makes a random identity for a new queue, whose ids begin with a letter or a digit.
func NewQueueIdentity() (id [10]byte) {
	for {
		rand.Read(id[:]) // never fails: it ends the process where the system has no randomness
		if first := idAlphabet[id[0]>>2]; first != '-' && first != '_' {
			return id
		}
	}
}

// idAlphabet is in ASCII order, so that encoded ids sort as their positions do, and URL-safe.
const idAlphabet = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

// Append appends the id's 22 characters to dst. Ids of one queue share a prefix and ascend, for which Lucene's
// term dictionary is fastest.
func (id ID) Append(dst []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, idLen)[:start+idLen]
	out := (*[idLen]byte)(dst[start:])
	// Six bits a character: 60 bits of high, its last 4 and the first 2 of low, the next 60 of low, and its last 2.
	high := binary.BigEndian.Uint64(id.Queue[:])
	low := uint64(binary.BigEndian.Uint16(id.Queue[8:]))<<48 | id.Pos&(1<<48-1)
	out[10] = idAlphabet[high<<2&63|low>>62]
	low <<= 2
	for i := range 10 {
		out[i], out[11+i] = idAlphabet[high>>58], idAlphabet[low>>58]
		high, low = high<<6, low<<6
	}
	out[21] = idAlphabet[low>>58]
	// An identity that NewQueueIdentity didn't make may begin with - or _: tools take such an id for an option, or hide
	// it. A digit or a letter replaces the sign, which makes the first character a little less random.
	switch out[0] {
	case '-':
		out[0] = '0'
	case '_':
		out[0] = 'a'
	}
	return dst
}

// IsZero reports whether id is no identity.
func (id ID) IsZero() bool { return id == ID{} }

// Part returns the identity of the nth of several records that are made of the record id, from 0. The first one has id itself.
// Parts of parts differ, too, if depth does: it is 1 for what is made of a record, 2 for what is made of that. Otherwise the second
// part of the first part would be the first part of the second one. The identity of no record has no parts.
func (id ID) Part(depth, n int) ID {
	if n == 0 || id.IsZero() {
		return id
	}
	const odd = 0x9e3779b97f4a7c15 // 2⁶⁴ divided by the golden ratio: multiplying by it loses nothing, and spreads the bits
	part := (binary.BigEndian.Uint64(id.Queue[2:]) ^ uint64(depth-1)<<32 ^ uint64(n)) * odd
	binary.BigEndian.PutUint64(id.Queue[2:], part^part>>32)
	return id
}

// ParseID parses what Append has appended, except for a first character that it has replaced. It isn't ok for any other text.
func ParseID(text []byte) (id ID, ok bool) {
	if len(text) != idLen {
		return id, false
	}
	var high, low uint64 // as in Append
	var six [idLen]uint64
	for i, c := range text {
		n := strings.IndexByte(idAlphabet, c)
		if n < 0 {
			return id, false
		}
		six[i] = uint64(n)
	}
	for i := range 10 {
		high, low = high<<6|six[i], low<<6|six[11+i]
	}
	high = high<<4 | six[10]>>2
	low = six[10]&3<<62 | low<<2 | six[21]>>4
	binary.BigEndian.PutUint64(id.Queue[:], high)
	binary.BigEndian.PutUint16(id.Queue[8:], uint16(low>>48))
	id.Pos = low & (1<<48 - 1)
	return id, six[21]&0xf == 0
}

func (id ID) String() string { return string(id.Append(nil)) }
