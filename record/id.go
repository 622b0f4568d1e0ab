package record

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
)

// idLen is the length of an id in characters.
const idLen = 22

// ID is the identity of a record, fixed when it is appended to a queue: the queue's own random identity and the
// record's position in it. No two queues share an identity, and a position is never used twice.
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

func (id ID) String() string { return string(id.Append(nil)) }
