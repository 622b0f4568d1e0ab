package tail

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/firelane/firelane/input"
)

// The file of offsets is a log: a line of text, and then commits. A commit has a length, a checksum and entries, and is written by
// one system call when the lines before its offsets are in the queue: a kill leaves all of it or nothing, whatever the number
// of files. What a crash of the machine has torn ends the log. When most of it is out of date it is written anew.
const (
	storeMagic = "firelane tail offsets 1\n"
	commitHead = 8       // bytes: the length of the entries, and their checksum
	maxCommit  = 8 << 20 // bytes of the entries of a commit; more are several commits
	maxEntry   = 5 << 10 // bytes of an entry, which has a path
	maxPath    = 4 << 10 // bytes of a path; a longer one isn't kept, and its file isn't found when it is renamed while nobody reads

	compactAfter = 1 << 20   // bytes that are out of date, after which the log is written anew
	maxStore     = 256 << 20 // bytes of the log that are read
)

// The kinds of an entry.
const (
	entryPlace  = 1 // a place
	entryOffset = 2 // a place that the log has, with another offset and fingerprint
	entryGone   = 3 // a file that is forgotten
)

// A fileID is a file's device and inode.
type fileID struct{ dev, ino uint64 }

// A place is how far a file has been read.
type place struct {
	id     fileID
	offset int64
	print  fingerprint
	path   string // where it was found
}

// A store keeps places in a file.
type store struct {
	path   string
	file   *os.File
	size   int64            // of the log
	places map[fileID]place // that the log has
	anew   int64            // bytes of the log at which it may be written anew
	batch  commits          // the next ones
	next   []place          // their places
	gone   []fileID         // the files that they forget
}

// commits are commits that are written together. Those after the first one hold what is too much for one.
type commits struct {
	b    []byte
	last int // where the last one begins
}

// begin begins a commit after the bytes of b.
func (c *commits) begin(b []byte) { c.b, c.last = append(b, make([]byte, commitHead)...), len(b) }

// room is where to append an entry.
func (c *commits) room() []byte {
	if len(c.b)-c.last-commitHead > maxCommit-maxEntry {
		c.seal()
		c.begin(c.b)
	}
	return c.b
}

// seal completes the last commit.
func (c *commits) seal() {
	head, entries := c.b[c.last:], c.b[c.last+commitHead:]
	binary.LittleEndian.PutUint32(head, uint32(len(entries)))
	binary.LittleEndian.PutUint32(head[4:], crc32.ChecksumIEEE(entries))
}

// errForeign is the error of a file that another program has written.
var errForeign = errors.New("another program has written it")

// openStore opens a file of offsets, or makes it.
func openStore(path string) (s *store, err error) {
	f, size, err := input.OpenState(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	s = &store{path: path, file: f, places: map[fileID]place{}}
	if size == 0 {
		s.size = int64(len(storeMagic))
		_, err = f.WriteAt([]byte(storeMagic), 0)
		return s, err
	}
	return s, s.load()
}

// load reads the log up to its first commit that isn't whole.
func (s *store) load() error {
	in := bufio.NewReader(io.NewSectionReader(s.file, 0, maxStore))
	magic := make([]byte, len(storeMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != storeMagic {
		return errForeign
	}
	s.size = int64(len(magic))
	var head [commitHead]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			break
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n > maxCommit {
			break
		}
		entries := make([]byte, n)
		if _, err := io.ReadFull(in, entries); err != nil || crc32.ChecksumIEEE(entries) != binary.LittleEndian.Uint32(head[4:]) {
			break
		}
		s.apply(entries)
		s.size += commitHead + int64(n)
	}
	return s.file.Truncate(s.size)
}

// apply applies the entries of a commit. Entries are written by this package only; one that is cut off ends the commit.
func (s *store) apply(b []byte) {
	const idSize, offsetSize = 17, 20
	for len(b) >= idSize {
		kind := b[0]
		p := place{id: fileID{binary.LittleEndian.Uint64(b[1:]), binary.LittleEndian.Uint64(b[9:])}}
		b = b[idSize:]
		if kind == entryGone {
			delete(s.places, p.id)
			continue
		}
		if len(b) < offsetSize {
			return
		}
		p.offset = int64(binary.LittleEndian.Uint64(b))
		p.print = fingerprint{int(binary.LittleEndian.Uint32(b[8:])), binary.LittleEndian.Uint64(b[12:])}
		b = b[offsetSize:]
		p.path = s.places[p.id].path
		if kind == entryPlace {
			n, used := binary.Uvarint(b)
			if used <= 0 || n > maxPath || n > uint64(len(b)-used) {
				return
			}
			p.path = string(b[used : used+int(n)])
			b = b[used+int(n):]
		}
		_, known := s.places[p.id]
		if p.offset >= 0 && p.print.size <= printSize && (known || len(s.places) < maxFiles) {
			s.places[p.id] = p
		}
	}
}

// appendPlace appends an entry for p; was is what the log has.
func appendPlace(b []byte, p place, known bool) []byte {
	kind := byte(entryPlace)
	if known {
		kind = entryOffset
	}
	b = appendID(b, kind, p.id)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.offset))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.print.size))
	b = binary.LittleEndian.AppendUint64(b, p.print.hash)
	if !known {
		b = append(binary.AppendUvarint(b, uint64(len(p.path))), p.path...)
	}
	return b
}

func appendID(b []byte, kind byte, id fileID) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, kind), id.dev)
	return binary.LittleEndian.AppendUint64(b, id.ino)
}

// begin begins the next commit, in place of one that was not committed.
func (s *store) begin() {
	s.batch.begin(s.batch.b[:0])
	s.next, s.gone = s.next[:0], s.gone[:0]
}

// put adds a place to the next commit.
func (s *store) put(p place) {
	if len(p.path) > maxPath {
		p.path = ""
	}
	was, known := s.places[p.id]
	s.batch.b = appendPlace(s.batch.room(), p, known && was.path == p.path)
	s.next = append(s.next, p)
}

// free adds to the next commit that a file is forgotten.
func (s *store) free(id fileID) {
	s.batch.b = appendID(s.batch.room(), entryGone, id)
	s.gone = append(s.gone, id)
}

// seal completes the next commit, but for the writing: that is all that is left to do when the lines are in the queue.
func (s *store) seal() { s.batch.seal() }

// commit writes what was sealed. It may be saved in spite of an error: then the log could not be written anew.
func (s *store) commit() (saved bool, err error) {
	if len(s.batch.b) <= commitHead {
		return true, nil
	}
	if _, err := s.file.WriteAt(s.batch.b, s.size); err != nil {
		return false, err
	}
	s.size += int64(len(s.batch.b))
	for _, p := range s.next {
		s.places[p.id] = p
	}
	for _, id := range s.gone {
		delete(s.places, id)
	}
	s.begin()
	if s.size > max(s.anew, 2*compactAfter) {
		return true, s.compact()
	}
	return true, nil
}

// compact writes the log anew, and then puts it in the place of the old one.
func (s *store) compact() error {
	var c commits
	c.begin([]byte(storeMagic))
	for _, p := range s.places {
		c.b = appendPlace(c.room(), p, false)
	}
	c.seal()
	b := c.b
	if s.anew = int64(len(b)) + compactAfter; s.anew > s.size {
		return nil // most of it is up to date
	}
	_ = os.Remove(s.path + ".new") // others may write to the folder: it must not be a link to another file
	f, err := os.OpenFile(s.path+".new", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		if err = input.LockState(f); err == nil {
			err = os.Rename(f.Name(), s.path)
		}
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	_ = s.file.Close()
	s.file, s.size = f, int64(len(b))
	return nil
}

func (s *store) close() error { return s.file.Close() }

// openOffsets opens the file of offsets at path. One that another program has written, or another input has open, is left
// alone, and one beside it opened. taken are the places that a pos_file of Fluentd has, where there was none of ours.
func openOffsets(path, id string) (s *store, taken []place, other string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, nil, "", err
	}
	s, err = openStore(path)
	switch {
	case errors.Is(err, errForeign):
		other = path + ".firelane"
		taken = readPosFile(path)
	case errors.Is(err, syscall.EWOULDBLOCK):
		other = path + "." + fileName(id)
	default:
		return s, nil, "", err
	}
	s, err = openStore(other)
	if err == nil && len(s.places) > 0 {
		taken = nil
	}
	return s, taken, other, err
}

// fileName makes a file's name of an input's.
func fileName(id string) string { return strings.ReplaceAll(id, "/", "_") }

// maxPosFile is how many bytes of a pos_file are read.
const maxPosFile = 8 << 20

// readPosFile reads the offsets of Fluentd's in_tail: lines of path, offset and inode, in hexadecimal, separated by tabs. A file that
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
