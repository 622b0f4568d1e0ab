package gather

import (
	"encoding/hex"
	"encoding/json"
	"sync"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
)

// What the next process must know is in the notes beside the queue:
//
//	done   An object is finished: the records with its key from the first to the last one. Other records of their chunks may be
//	       in objects that are not finished, and the queue gives such chunks again after a restart.
//	begun  An object has an index, or something of it may be at the store, which Abandon removes. (It is begun again, under the
//	       same name, since its records are still in the queue.)
//	index  How many objects have been begun, if they are counted.
//
// If the process dies after an object was finished and before that is noted, the object is sent once more, under the same name:
// perhaps with more records or fewer, and no other object has been begun that has them.

// maxNotesWritten is how many bytes of notes are added before they are written anew, without those that nobody needs any more.
const maxNotesWritten = 256 << 10

const (
	kindDone  = "done"
	kindBegun = "begun"
	kindIndex = "index"
)

// A note is one line.
type note struct {
	Kind  string `json:"kind"`
	Queue string `json:"queue,omitempty"` // of the first record, hexadecimal
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
	Key   []byte `json:"key,omitempty"`

	Name   string `json:"name,omitempty"`
	Token  string `json:"token,omitempty"`
	Stored bool   `json:"stored,omitempty"` // something may be at the store
	Index  uint64 `json:"index,omitempty"`
}

// A begun object is one of which an earlier process may have left something at the store.
type begun struct{ note }

type notes struct {
	queue *buffer.Queue
	log   zerolog.Logger

	mu      sync.Mutex
	begun   map[record.ID]*note
	done    []doneNote            // of this process
	earlier map[[10]byte]*earlier // of earlier processes, by the identity of their records
	next    uint64                // index
	counted bool                  // objects are counted
	written int                   // bytes since all were written
	failing bool
}

// A doneNote is a finished object. It is needed until all chunks up to lastSeq are committed.
type doneNote struct {
	note
	lastSeq uint64
}

// earlier are the objects that earlier processes finished, with records of one identity.
type earlier struct {
	notes []note
	keys  map[string][]note
	last  uint64 // the latest position in them
}

// has reports whether the record with a key at a position is in one of them.
func (e *earlier) has(key []byte, pos uint64) bool {
	if pos > e.last {
		return false
	}
	for _, n := range e.keys[string(key)] {
		if pos >= n.First && pos <= n.Last {
			return true
		}
	}
	return false
}

// readNotes reads the notes of the output's queue. abandoned are objects of which something may be at the store.
func readNotes(o *Output) (n *notes, abandoned []begun) {
	n = &notes{queue: o.queue, log: o.log, begun: make(map[record.ID]*note), earlier: make(map[[10]byte]*earlier), counted: o.limits.Indexed}
	lines, damaged, err := o.queue.Notes()
	for _, line := range lines {
		var one note
		if json.Unmarshal(line, &one) != nil || !n.add(&one) {
			damaged++
		}
	}
	if damaged > 0 || err != nil {
		o.log.Error().Err(err).Int("notes", damaged).Msg("notes about finished objects are damaged: records may be stored twice")
	}
	for _, b := range n.begun {
		if b.Stored {
			abandoned = append(abandoned, begun{*b})
		}
	}
	n.rewrite()
	return n, abandoned
}

// add takes a note of an earlier process; false if it isn't a valid one.
func (n *notes) add(one *note) bool {
	if one.Kind == kindIndex {
		n.next = max(n.next, one.Index)
		return true
	}
	id, ok := one.id()
	if !ok {
		return false
	}
	switch one.Kind {
	case kindBegun:
		n.begun[id] = one
		if n.counted {
			n.next = max(n.next, one.Index+1)
		}
	case kindDone:
		delete(n.begun, id)
		e := n.earlier[id.Queue]
		if e == nil {
			e = &earlier{keys: make(map[string][]note)}
			n.earlier[id.Queue] = e
		}
		e.last = max(e.last, one.Last)
		e.notes = append(e.notes, *one)
		e.keys[string(one.Key)] = append(e.keys[string(one.Key)], *one)
	default:
		return false
	}
	return true
}

func (one *note) id() (id record.ID, ok bool) {
	b, err := hex.DecodeString(one.Queue)
	if err != nil || len(b) != len(id.Queue) {
		return id, false
	}
	return record.ID{Queue: [10]byte(b), Pos: one.First}, true
}

func (one *note) setID(id record.ID) { one.Queue, one.First = hex.EncodeToString(id.Queue[:]), id.Pos }

// finished returns the objects that earlier processes finished, with records of that identity; nil for none.
func (n *notes) finished(queue [10]byte) *earlier {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.earlier[queue]
}

// index returns the number of the object that begins with a record, and notes it.
func (n *notes) index(first record.ID) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if b := n.begun[first]; b != nil {
		return b.Index
	}
	one := &note{Kind: kindBegun, Index: n.next}
	one.setID(first)
	n.begun[first] = one
	n.next++
	_ = n.write(one)
	return one.Index
}

// begin notes that something of the object may be at the store from now on.
func (n *notes) begin(first record.ID, name, token string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	one := n.begun[first]
	if one == nil {
		one = &note{Kind: kindBegun}
		one.setID(first)
		n.begun[first] = one
	}
	one.Name, one.Token, one.Stored = name, token, true
	return n.write(one)
}

// removed notes that nothing is left of an object that an earlier process began.
func (n *notes) removed(b *begun) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, _ := b.id()
	one := n.begun[id]
	if one == nil {
		return
	}
	one.Name, one.Token, one.Stored = "", "", false
	if !n.counted {
		delete(n.begun, id)
	}
	n.rewrite()
}

// finish notes that an object is finished whose last record is at a position, in the chunk lastSeq.
func (n *notes) finish(key string, first record.ID, last, lastSeq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.begun, first)
	one := note{Kind: kindDone, Key: []byte(key), Last: last}
	one.setID(first)
	n.done = append(n.done, doneNote{one, lastSeq})
	_ = n.write(&one)
}

// trim forgets what isn't needed if oldest is the oldest chunk that is not committed, and from its first record. own: that has the
// identity of what this process appends. An Output before this one in the same process may have finished objects with records of
// that identity which this one has not read yet.
func (n *notes) trim(oldest uint64, from record.ID, own bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := 0
	for i < len(n.done) && n.done[i].lastSeq < oldest {
		i++
	}
	n.done = n.done[i:]
	for queue, e := range n.earlier {
		if queue == from.Queue && e.last < from.Pos || queue != from.Queue && own {
			delete(n.earlier, queue)
		}
	}
	if n.written > maxNotesWritten {
		n.rewrite()
	}
}

// close is called at the end. empty: no record is left in the queue.
func (n *notes) close(empty bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if empty {
		n.done = nil
		clear(n.earlier)
	}
	n.rewrite()
}

// write adds one note.
func (n *notes) write(one *note) error {
	line, err := json.Marshal(one)
	if err == nil {
		n.written += len(line)
		err = n.queue.AddNote(line)
	}
	n.logFailure(err)
	return err
}

// rewrite replaces all notes by those that are needed.
func (n *notes) rewrite() {
	var lines [][]byte
	add := func(one *note) {
		if line, err := json.Marshal(one); err == nil {
			lines = append(lines, line)
		}
	}
	if n.counted {
		add(&note{Kind: kindIndex, Index: n.next})
	}
	for _, e := range n.earlier {
		for i := range e.notes {
			add(&e.notes[i])
		}
	}
	for i := range n.done {
		add(&n.done[i].note)
	}
	for _, b := range n.begun {
		add(b)
	}
	n.written = 0
	n.logFailure(n.queue.SetNotes(lines))
}

func (n *notes) logFailure(err error) {
	if err != nil && !n.failing {
		n.log.Error().Err(err).Msg("what is finished can't be noted beside the queue: a kill may store records twice; free disk space or make the folder writable")
	}
	n.failing = err != nil
}
