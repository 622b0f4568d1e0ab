package buffer

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
)

// sideName is the file in a queue's folder in which whoever delivers from the queue keeps what the next process must know, such
// as which records have reached their end in chunks that are not committed. It has one note a line, after its CRC-32C as 8 hex
// digits and a space. A last line that was not written completely is ignored.
const (
	sideName = "notes"
	// maxNotes is how much of the file is read, in bytes.
	maxNotes = 4 << 20
)

// Notes returns the notes of the queue's folder, in the order in which they were written, and how many lines are damaged; those after
// maxNotes bytes count as one. A queue in memory has none.
func (q *Queue) Notes() (notes [][]byte, damaged int, err error) {
	d, ok := q.lock.(*disk)
	if !ok {
		return nil, 0, nil
	}
	f, err := os.Open(filepath.Join(d.dir, sideName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the queue's notes: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("read the queue's notes: %w", err)
	}
	if info.Size() > maxNotes {
		damaged++ // what follows isn't read
	}
	text := make([]byte, min(info.Size(), maxNotes))
	n, _ := f.ReadAt(text, 0)
	for rest := text[:n]; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if !whole {
			break
		}
		if len(line) == 0 {
			continue
		}
		sum, note, _ := bytes.Cut(line, []byte{' '})
		want, err := strconv.ParseUint(string(sum), 16, 32)
		if err != nil || crc32.Checksum(note, castagnoli) != uint32(want) {
			damaged++
			continue
		}
		notes = append(notes, note)
	}
	return notes, damaged, nil
}

// SetNotes replaces all notes, at once and as a whole; none removes the file. A note has no newline. Of a queue in memory
// nothing is kept.
func (q *Queue) SetNotes(notes [][]byte) error {
	d, ok := q.lock.(*disk)
	if !ok {
		return nil
	}
	path := filepath.Join(d.dir, sideName)
	q.closeNotes()
	q.sideTorn = true // if it fails: the file that stays may end in what was not written completely
	if len(notes) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the queue's notes: %w", err)
		}
		q.sideTorn = false
		return nil
	}
	var text []byte
	for _, n := range notes {
		text = appendNote(text, n)
	}
	err := os.WriteFile(path+".new", text, fileMode)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write the queue's notes: %w", err)
	}
	q.sideTorn = false
	return nil
}

// AddNote adds one note, by one write. It is called by one goroutine at a time, as SetNotes is.
func (q *Queue) AddNote(note []byte) error {
	d, ok := q.lock.(*disk)
	if !ok {
		return nil
	}
	if q.side == nil {
		f, err := os.OpenFile(filepath.Join(d.dir, sideName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, fileMode)
		if err != nil {
			return fmt.Errorf("write the queue's notes: %w", err)
		}
		q.side = f
	}
	var text []byte
	if q.sideTorn {
		text = []byte{'\n'} // ends what was not written completely
	}
	_, err := q.side.Write(appendNote(text, note))
	q.sideTorn = err != nil
	if err != nil {
		return fmt.Errorf("write the queue's notes: %w", err)
	}
	return nil
}

func (q *Queue) closeNotes() {
	if q.side != nil {
		_ = q.side.Close()
		q.side = nil
	}
}

func appendNote(text, note []byte) []byte {
	text = fmt.Appendf(text, "%08x ", crc32.Checksum(note, castagnoli))
	return append(append(text, note...), '\n')
}
