package tail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// The file of offsets has slots of one size: the first has the magic text, each other the offset of a file. A slot is written by
// one system call within one page, so that a kill leaves the old or the new one; the checksum tells what a crash of the
// machine has torn.
const (
	storeMagic = "firelane tail offsets 1\n"
	slotSize   = 512
	slotHead   = 64 // bytes before the path
	maxPath    = slotSize - slotHead
)

// A fileID is a file's device and inode.
type fileID struct{ dev, ino uint64 }

// A place is how far a file has been read.
type place struct {
	id     fileID
	offset int64
	print  fingerprint
	path   string // where it was found; "" if it is too long
}

// A store keeps places in a file. Without one (nil) nothing is kept.
type store struct {
	file *os.File
	used []bool // by slot, without the first
	buf  [slotSize]byte
}

// errForeign is the error of a file that another program has written.
var errForeign = errors.New("another program has written it")

// openStore opens a file of offsets, or makes it, and returns the places that it has, by slot.
func openStore(path string) (s *store, places map[int]place, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, nil, fmt.Errorf("%s is in use: %w", path, err)
	}
	s = &store{file: f}
	if info.Size() == 0 {
		_, err = f.WriteAt(append([]byte(storeMagic), make([]byte, slotSize-len(storeMagic))...), 0)
		return s, nil, err
	}
	places, err = s.load()
	return s, places, err
}

func (s *store) load() (map[int]place, error) {
	all, err := io.ReadAll(io.NewSectionReader(s.file, 0, (maxFiles+1)*slotSize))
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(all, []byte(storeMagic)) {
		return nil, errForeign
	}
	places := map[int]place{}
	for n := 1; n*slotSize < len(all); n++ {
		p, ok := decodePlace(all[n*slotSize : min((n+1)*slotSize, len(all))])
		s.used = append(s.used, ok)
		if ok {
			places[n] = p
		}
	}
	return places, nil
}

// decodePlace reads a slot; false if it is free or torn.
func decodePlace(b []byte) (p place, ok bool) {
	if len(b) < slotHead {
		return p, false
	}
	n := int(binary.LittleEndian.Uint16(b[36:]))
	if n > len(b)-slotHead || binary.LittleEndian.Uint32(b) != crc32.ChecksumIEEE(b[4:slotHead+n]) || b[4] == 0 {
		return p, false
	}
	p.id = fileID{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])}
	p.offset = int64(binary.LittleEndian.Uint64(b[24:]))
	p.print = fingerprint{int(binary.LittleEndian.Uint32(b[32:])), binary.LittleEndian.Uint64(b[40:])}
	p.path = string(b[slotHead : slotHead+n])
	return p, p.offset >= 0 && p.print.size >= 0 && p.print.size <= printSize
}

// encode writes a place into b and returns the bytes that matter.
func (p *place) encode(b []byte) []byte {
	clear(b[:slotHead])
	path := p.path
	if len(path) > maxPath {
		path = ""
	}
	b[4] = 1
	binary.LittleEndian.PutUint64(b[8:], p.id.dev)
	binary.LittleEndian.PutUint64(b[16:], p.id.ino)
	binary.LittleEndian.PutUint64(b[24:], uint64(p.offset))
	binary.LittleEndian.PutUint32(b[32:], uint32(p.print.size))
	binary.LittleEndian.PutUint16(b[36:], uint16(len(path)))
	binary.LittleEndian.PutUint64(b[40:], p.print.hash)
	b = b[:slotHead+copy(b[slotHead:], path)]
	binary.LittleEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
	return b
}

// put writes a place into a slot, a free one if slot is 0, and returns the slot.
func (s *store) put(slot int, p *place) (int, error) {
	if slot == 0 {
		for slot = 1; slot <= len(s.used) && s.used[slot-1]; slot++ { //nolint:revive // the next free one
		}
		if slot > len(s.used) {
			s.used = append(s.used, false)
		}
		s.used[slot-1] = true
	}
	_, err := s.file.WriteAt(p.encode(s.buf[:]), int64(slot)*slotSize)
	return slot, err
}

// free frees a slot.
func (s *store) free(slot int) error {
	s.used[slot-1] = false
	clear(s.buf[:slotHead])
	_, err := s.file.WriteAt(s.buf[:slotHead], int64(slot)*slotSize)
	return err
}

func (s *store) close() error { return s.file.Close() }

// openOffsets opens the file of offsets at path. One that another program has written, or another input has open, is left
// alone, and one beside it opened. taken are the places that a pos_file of Fluentd has, where there was none of ours.
func openOffsets(path, id string) (s *store, places map[int]place, taken []place, other string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, nil, nil, "", err
	}
	s, places, err = openStore(path)
	switch {
	case errors.Is(err, errForeign):
		other = path + ".firelane"
		taken = readPosFile(path)
	case errors.Is(err, syscall.EWOULDBLOCK):
		other = path + "." + fileName(id)
	default:
		return s, places, nil, "", err
	}
	s, places, err = openStore(other)
	if len(places) > 0 {
		taken = nil
	}
	return s, places, taken, other, err
}

// fileName makes a file's name of an input's.
func fileName(id string) string { return strings.ReplaceAll(id, "/", "_") }

// maxPosFile is how many bytes of a pos_file are read.
const maxPosFile = 8 << 20

// readPosFile reads the offsets of Fluentd's in_tail: lines of path, offset and inode, in hexadecimal, apart by tabs. A file that
// isn't watched any more has the offset ffffffffffffffff.
func readPosFile(path string) (list []place) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	in := bufio.NewScanner(io.LimitReader(f, maxPosFile))
	for in.Scan() && len(list) < maxFiles {
		parts := strings.Split(in.Text(), "\t")
		if len(parts) != 3 {
			continue
		}
		offset, err1 := strconv.ParseUint(parts[1], 16, 64)
		ino, err2 := strconv.ParseUint(parts[2], 16, 64)
		if err1 == nil && err2 == nil && int64(offset) >= 0 {
			list = append(list, place{id: fileID{ino: ino}, offset: int64(offset), path: parts[0]})
		}
	}
	return list
}
