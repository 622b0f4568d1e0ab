package dead

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"
)

const (
	// DefaultLimit is the limit in bytes of all files of a dead letter, if no other limit is known.
	DefaultLimit = 64 << 20
	// maxFile is the size in bytes at which a dead letter's file is rotated, or a quarter of the limit if that is less.
	maxFile = 16 << 20
	// maxKeptLine is the largest line buffer that is kept for the next line, in bytes, and the largest record that is
	// written as JSON.
	maxKeptLine = 1 << 20
	// pieceSize is how much of a larger record is written at once, in bytes.
	pieceSize = 64 << 10
)

// Suffix follows an output's name in the name of its file.
const Suffix = ".jsonl"

// File is a dead letter in files of JSON lines: <dir>/<output>.jsonl is written, <output>.jsonl.1, .2 and so on are the
// rotated ones, the highest number the oldest. When there is no room for another file, the oldest is removed. Another process
// may rename the files (Claim) or rotate them (as it resends) at any time. So that no line is lost then, Put locks the file
// before each line and checks that it still has its name.
type File struct {
	path    string
	limit   int64 // of all files, in bytes
	maxSize int64 // of one, in bytes
	log     zerolog.Logger
	spill   *Log             // for records that can't be written
	own     map[uint64]int64 // lines that this process has written, by the file's inode

	lostOwn, lostEarlier atomic.Int64

	mu    sync.Mutex
	f     *os.File // nil until the first line
	inode uint64
	size  int64
	line  []byte
}

// NewFile makes the dead letter of an output, with files of limit bytes together (0: DefaultLimit); records that can't be
// written go to spill. It creates no file before the first record.
func NewFile(dir, output string, limit int64, spill *Log, log zerolog.Logger) *File {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &File{
		path: filepath.Join(dir, fileName(output)+Suffix), limit: limit, maxSize: min(maxFile, limit/4), spill: spill, log: log,
		own: map[uint64]int64{},
	}
}

// fileName makes a file name from an output's name: each character but letters, digits, dots, dashes and underscores becomes an
// underscore.
func fileName(output string) string {
	name := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, output)
	return strings.TrimLeft(name, ".")
}

// Path returns the path of the file that is written.
func (d *File) Path() string { return d.path }

// Lost returns how many records were in files that were removed to make room: those that this process had put into them, and
// those of earlier processes.
func (d *File) Lost() (own, earlier int64) { return d.lostOwn.Load(), d.lostEarlier.Load() }

// Logged returns how many records went to the log because they couldn't be written.
func (d *File) Logged() int64 { return d.spill.Logged() }

// Put appends r as one line. If that fails, it logs r.
func (d *File) Put(r *Record) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var packed []byte
	if r.Packed() {
		d.line = append(r.appendHead(d.line[:0]), packedStart...)
		packed = r.Record.Body
	} else {
		d.line = r.appendJSON(d.line[:0])
	}
	err := d.write(d.line, packed)
	if cap(d.line) > maxKeptLine {
		d.line = nil
	}
	if err == nil {
		return d.path
	}
	d.log.Error().Err(err).Msg("the dead letter's file can't be written: its records go to this log; free disk space or make the folder writable")
	return d.spill.Put(r)
}

// write writes a line, or its beginning and a packed record.
func (d *File) write(line, packed []byte) error {
	if err := d.lock(); err != nil {
		return err
	}
	defer d.unlock()
	size := int64(len(line))
	if packed != nil {
		size += int64(base64.StdEncoding.EncodedLen(len(packed)) + len(packedEnd))
	}
	if d.size > 0 && d.size+size > d.maxSize {
		if err := d.rotate(max(size, d.maxSize)); err != nil {
			return err
		}
		if err := d.lock(); err != nil {
			return err
		}
	}
	_, err := d.f.Write(line)
	if err == nil && packed != nil {
		err = d.writePacked(packed)
	}
	if err != nil {
		// Remove the part of the line that was written, or the next line would be unreadable, too.
		if cut := d.f.Truncate(d.size); cut != nil {
			return fmt.Errorf("%w; %w", err, cut)
		}
		return err
	}
	d.size += size
	d.own[d.inode]++
	return nil
}

// writePacked writes the rest of a line in pieces.
func (d *File) writePacked(packed []byte) error {
	w := bufio.NewWriterSize(d.f, pieceSize)
	encoder := base64.NewEncoder(base64.StdEncoding, w)
	_, err := encoder.Write(packed)
	if err == nil {
		err = encoder.Close()
	}
	if err == nil {
		_, err = w.WriteString(packedEnd)
	}
	if err == nil {
		err = w.Flush()
	}
	return err
}

// lock opens the file, if it isn't open or has been renamed, and locks it.
func (d *File) lock() error {
	for {
		if d.f == nil {
			if err := d.open(); err != nil {
				return err
			}
		}
		if err := syscall.Flock(int(d.f.Fd()), syscall.LOCK_EX); err != nil {
			return fmt.Errorf("locking %s: %w", d.path, err)
		}
		ours, err := d.f.Stat()
		if err != nil {
			return err
		}
		if named, err := os.Stat(d.path); err == nil && os.SameFile(ours, named) {
			d.size = ours.Size()
			return nil
		}
		d.shut()
	}
}

func (d *File) open() error {
	if err := os.MkdirAll(filepath.Dir(d.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	d.f = f
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if d.inode = inode(st); st.Size() == 0 {
		delete(d.own, d.inode) // left from a removed file that had the same inode
	}
	return d.finishLine()
}

// finishLine ends the file with a newline if a killed router left its last line incomplete, so that only that line is
// unreadable.
func (d *File) finishLine() error {
	st, err := d.f.Stat()
	if err != nil || st.Size() == 0 {
		return err
	}
	var last [1]byte
	if _, err := d.f.ReadAt(last[:], st.Size()-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		_, err = d.f.Write([]byte{'\n'})
	}
	return err
}

// unlock unlocks the file.
func (d *File) unlock() {
	if d.f != nil {
		_ = syscall.Flock(int(d.f.Fd()), syscall.LOCK_UN)
	}
}

// shut closes the file, which releases the lock.
func (d *File) shut() {
	_ = d.f.Close()
	d.f = nil
}

// rotate renames each file to the next number, and removes the oldest ones if there is no room for need bytes.
func (d *File) rotate(need int64) error {
	files, err := rotated(d.path)
	if err != nil {
		return err
	}
	total := d.size + need
	for _, f := range files {
		total += f.size
	}
	present := map[uint64]int64{}
	for _, f := range files { // the oldest first
		if total > d.limit {
			if err := d.remove(f); err != nil {
				return err
			}
			total -= f.size
			continue
		}
		present[f.inode] = d.own[f.inode]
		if err := os.Rename(f.name(d.path), rotatedFile{number: f.number + 1}.name(d.path)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	present[d.inode] = d.own[d.inode]
	d.own = present
	if err := os.Rename(d.path, rotatedFile{number: 1}.name(d.path)); err != nil {
		return err
	}
	d.shut()
	return nil
}

// remove removes a rotated file and counts its records.
func (d *File) remove(f rotatedFile) error {
	path := f.name(d.path)
	n := countLines(path)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	own := min(n, d.own[f.inode])
	d.lostOwn.Add(own)
	d.lostEarlier.Add(n - own)
	d.log.Warn().Str("file", path).Int64("records", n).Int64("limit_bytes", d.limit).
		Msg("the dead letter is full; its oldest file was removed, and its records are dropped")
	return nil
}

// A rotatedFile is one of a dead letter's files that are no longer written.
type rotatedFile struct {
	number int
	size   int64
	inode  uint64
}

func (f rotatedFile) name(path string) string { return fmt.Sprintf("%s.%d", path, f.number) }

// rotated lists the rotated files of the dead letter at path, the oldest first.
func rotated(path string) ([]rotatedFile, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var files []rotatedFile
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		number, err := strconv.Atoi(digits)
		if !ok || err != nil || number < 1 {
			continue
		}
		if st, err := e.Info(); err == nil {
			files = append(files, rotatedFile{number, st.Size(), inode(st)})
		}
	}
	slices.SortFunc(files, func(a, b rotatedFile) int { return b.number - a.number })
	return files, nil
}

// inode returns the file's inode number, which no other file has that exists now.
func inode(st os.FileInfo) uint64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Ino)
	}
	return 0
}

// countLines returns the number of lines in a file, 0 if it can't be read.
func countLines(path string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	var n int64
	buf := make([]byte, 64<<10)
	for {
		k, err := f.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte{'\n'}))
		if err == io.EOF {
			return n
		}
		if err != nil {
			return n
		}
	}
}

// Close closes the file.
func (d *File) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.f == nil {
		return nil
	}
	err := d.f.Close()
	d.f = nil
	return err
}
