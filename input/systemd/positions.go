package systemd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/systemd/journal"
)

// The file of positions has a line of text, and then slots. A slot has a file's identity, how many of its entries are in the queue, and
// a checksum. It is written in place, by one system call: a kill leaves the old one or the new one.
const (
	positionsMagic = "firelane journal positions 1\n"
	slotsAt        = 32   // the offset of the first slot
	slotSize       = 32   // bytes of a slot
	maxSlots       = 8192 // files whose positions are kept
)

// positions keeps how far files were read.
type positions struct {
	file  *os.File
	fresh bool // nothing was kept before
	slots map[journal.ID]slot
	free  []int // slots that no file has
	next  int   // the first slot after all that were used
}

type slot struct {
	n   int
	pos uint64
}

// errForeign is the error of a file that another program has written.
var errForeign = errors.New("another program has written it")

// openPositions opens the file of positions at path. One that another program has written, or another input has open, is left
// alone, and one beside it opened, whose name is other.
func openPositions(path, id string) (p *positions, other string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, "", err
	}
	p, err = readPositions(path)
	switch {
	case errors.Is(err, errForeign):
		other = path + ".firelane"
	case errors.Is(err, syscall.EWOULDBLOCK):
		other = path + "." + fileName(id)
	default:
		return p, "", err
	}
	p, err = readPositions(other)
	return p, other, err
}

// fileName makes a file's name of an input's.
func fileName(id string) string { return strings.ReplaceAll(id, "/", "_") }

func readPositions(path string) (p *positions, err error) {
	f, size, err := input.OpenState(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	p = &positions{file: f, slots: map[journal.ID]slot{}}
	if size == 0 {
		p.fresh = true
		_, err = f.WriteAt([]byte(positionsMagic), 0)
		return p, err
	}
	return p, p.load()
}

func (p *positions) load() error {
	b, err := io.ReadAll(io.NewSectionReader(p.file, 0, slotsAt+maxSlots*slotSize))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(b), positionsMagic) {
		return errForeign
	}
	for n := 0; slotsAt+(n+1)*slotSize <= len(b); n++ {
		s := b[slotsAt+n*slotSize:][:slotSize]
		id := journal.ID(s[:16])
		_, twice := p.slots[id]
		if twice || binary.LittleEndian.Uint32(s[24:]) != crc32.ChecksumIEEE(s[:24]) {
			p.free = append(p.free, n)
		} else {
			p.slots[id] = slot{n, binary.LittleEndian.Uint64(s[16:])}
		}
		p.next = n + 1
	}
	return nil
}

// get returns how many entries of a file are in the queue.
func (p *positions) get(id journal.ID) (pos uint64, ok bool) {
	s, ok := p.slots[id]
	return s.pos, ok
}

// put saves how many are. exists tells which files there are: positions of others make room.
func (p *positions) put(id journal.ID, pos uint64, exists func(journal.ID) bool) error {
	s, ok := p.slots[id]
	if !ok {
		n, err := p.room(exists)
		if err != nil {
			return err
		}
		s.n = n
	}
	s.pos = pos
	var b [slotSize]byte
	copy(b[:], id[:])
	binary.LittleEndian.PutUint64(b[16:], pos)
	binary.LittleEndian.PutUint32(b[24:], crc32.ChecksumIEEE(b[:24]))
	if _, err := p.file.WriteAt(b[:], int64(slotsAt+s.n*slotSize)); err != nil {
		if !ok {
			p.free = append(p.free, s.n)
		}
		return err
	}
	p.slots[id] = s
	return nil
}

// room returns a slot that no file has.
func (p *positions) room(exists func(journal.ID) bool) (int, error) {
	if len(p.free) == 0 && p.next == maxSlots {
		for id, s := range p.slots {
			if !exists(id) {
				p.free = append(p.free, s.n)
				delete(p.slots, id)
			}
		}
	}
	if n := len(p.free); n > 0 {
		at := p.free[n-1]
		p.free = p.free[:n-1]
		return at, nil
	}
	if p.next == maxSlots {
		return 0, fmt.Errorf("there are more than %d journal files", maxSlots)
	}
	p.next++
	return p.next - 1, nil
}

func (p *positions) close() error { return p.file.Close() }
