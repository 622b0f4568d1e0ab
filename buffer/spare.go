package buffer

import "fmt"

// maxSpares is how many files of segments that are committed are kept to be written again. Writing over a file costs a
// third of what it costs to fill a new one, whose every page has to be found and freed; and one is enough for a queue
// whose reader keeps up.
const maxSpares = 2

// maxSpareRooms is how large a spare may be, in segments as they are made now: those of a queue that gets shorter are a
// little larger than the next ones.
const maxSpareRooms = 2

// A spare is the file of a segment that is committed, under a name that isn't a segment's.
type spare struct {
	name string
	file File
	size int64
}

// keepSpare makes a spare of the segment's file, false if it isn't fit or there are enough. One that another queue has, too,
// isn't.
func (q *Queue) keepSpare(s *segment) bool {
	if len(q.spares) >= q.keep || s.file == nil || s.busy > 0 || s.stub || q.isClosed() || !q.isOnlyOurs(s) {
		return false
	}
	sp := spare{name: spareName(s.number), file: s.file}
	var err error
	if sp.size, err = sp.file.Size(); err != nil || sp.size > maxSpareRooms*q.room() || q.fs.Rename(s.name(), sp.name) != nil {
		return false
	}
	s.file = nil
	q.spares = append(q.spares, sp)
	q.spareSize += sp.size
	return true
}

// reuse makes the segment's file of the spare that was written last: the head first, and then the name, so that a file
// with a segment's name always has its head.
func (q *Queue) reuse(s *segment, head []byte) error {
	sp := q.takeSpare()
	s.written = sp.size
	_, err := sp.file.WriteAt(head, 0)
	if err == nil {
		err = q.fs.Rename(sp.name, s.name())
	}
	if err != nil {
		q.removeSpare(sp)
		return fmt.Errorf("make segment %s of a spare file: %w", s.name(), err)
	}
	s.file = sp.file
	return nil
}

// fitSpare cuts a spare that a segment with this head was made of, if it is larger than all who share the segment have room for.
func (s *segment) fitSpare(head int64) error {
	most := max(s.room, head)
	if s.written <= most {
		return nil
	}
	s.written = most
	return s.file.Truncate(most)
}

func (q *Queue) takeSpare() spare {
	n := len(q.spares) - 1
	sp := q.spares[n]
	q.spares[n] = spare{}
	q.spares = q.spares[:n]
	q.spareSize -= sp.size
	return sp
}

// giveUpSpare makes room of a spare, false if there is none.
func (q *Queue) giveUpSpare() bool {
	if len(q.spares) == 0 {
		return false
	}
	q.removeSpare(q.takeSpare())
	return true
}

func (q *Queue) removeSpare(sp spare) {
	_ = q.fs.Remove(sp.name) // where that fails the next Open does it
	sp.file.Close()
}
