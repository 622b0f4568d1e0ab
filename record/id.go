package record

import "crypto/rand"

// ID is the identity of a record, fixed when it is appended to a queue: the queue's own random identity and the
// record's position in it. No two queues share an identity, and a position is never used twice.
type ID struct {
	Queue [10]byte
	Pos   uint64 // 48 bits are used: 280 million million records
}

// NewQueueIdentity draws an identity for a new queue, such that its ids begin with a letter or a digit.
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

// Append appends the id's 22 characters to dst. Ids of one queue share a prefix and ascend, which Lucene's term
// dictionary is fastest with.
func (id ID) Append(dst []byte) []byte {
	raw := [18]byte{16: 0, 17: 0}
	copy(raw[:], id.Queue[:])
	for i := range 6 {
		raw[10+i] = byte(id.Pos >> (40 - 8*i))
	}
	for i := 0; i < 18; i += 3 {
		v := uint32(raw[i])<<16 | uint32(raw[i+1])<<8 | uint32(raw[i+2])
		dst = append(dst, idAlphabet[v>>18], idAlphabet[v>>12&63], idAlphabet[v>>6&63], idAlphabet[v&63])
	}
	dst = dst[:len(dst)-2]
	// An identity that NewQueueIdentity didn't draw may begin with one of the two signs, which tools take for an
	// option or hide: a digit or letter stands in. One character in 22 is then less random, nothing else changes.
	switch first := &dst[len(dst)-22]; *first {
	case '-':
		*first = '0'
	case '_':
		*first = 'a'
	}
	return dst
}

func (id ID) String() string { return string(id.Append(nil)) }
