package dead

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"
)

const (
	// maxFile is the size in bytes at which a dead letter's file is rotated.
	maxFile = 16 << 20
	// maxFiles is how many files an output's dead letter may have; when there are more, the oldest is removed.
	maxFiles = 4
	// maxKeptLine is the largest line buffer that is kept for the next line, in bytes.
	maxKeptLine = 1 << 20
)

// Suffix follows an output's name in the name of its file.
const Suffix = ".jsonl"

// File is a dead letter in files of JSON lines: <dir>/<output>.jsonl is written, <output>.jsonl.1 to .3 are the rotated
// ones, .3 the oldest. A line is one write. Another process may rename the files (Claim) at any time. So that no line is
// lost then, Put locks the file before each line and checks that it still has its name.
type File struct {
	path    string
	maxSize int64 // in bytes: maxFile, or less in tests
	log     zerolog.Logger
	spill   *Log // for records that can't be written
	lost    atomic.Int64

	mu   sync.Mutex
	f    *os.File // nil until the first line
	size int64
	line []byte
}

// NewFile makes the dead letter of an output; records that can't be written go to spill. It creates no file before the
// first record.
func NewFile(dir, output string, spill *Log, log zerolog.Logger) *File {
	return &File{path: filepath.Join(dir, fileName(output)+Suffix), maxSize: maxFile, spill: spill, log: log}
}

// fileName makes a file's name of an output's: each character but letters, digits, dots, dashes and underscores becomes an
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

// Lost returns how many records were in files that rotation removed.
func (d *File) Lost() int64 { return d.lost.Load() }

// Logged returns how many records went to the log because they couldn't be written.
func (d *File) Logged() int64 { return d.spill.Logged() }

// Put appends r as one line. If that fails, it logs r.
func (d *File) Put(r *Record) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line = r.appendJSON(d.line[:0])
	err := d.write(d.line)
	if cap(d.line) > maxKeptLine {
		d.line = nil
	}
	if err == nil {
		return d.path
	}
	d.log.Error().Err(err).Msg("the dead letter's file can't be written; its records go to this log")
	return d.spill.Put(r)
}

func (d *File) write(line []byte) error {
	if err := d.lock(); err != nil {
		return err
	}
	defer d.unlock()
	if d.size > 0 && d.size+int64(len(line)) > d.maxSize {
		if err := d.rotate(); err != nil {
			return err
		}
		if err := d.lock(); err != nil {
			return err
		}
	}
	n, err := d.f.Write(line)
	if err != nil && n > 0 {
		// Remove the part of the line that was written: the next line would be unreadable.
		if cut := d.f.Truncate(d.size); cut != nil {
			return fmt.Errorf("%w; %w", err, cut)
		}
		return err
	}
	d.size += int64(n)
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

// rotate renames each file to the next number, and replaces the oldest one if there are too many.
func (d *File) rotate() error {
	oldest := fmt.Sprintf("%s.%d", d.path, maxFiles-1)
	if n := countLines(oldest); n > 0 {
		d.lost.Add(n)
		d.log.Warn().Str("file", oldest).Int64("records", n).Msg("the dead letter is full; its oldest file was removed")
	}
	for i := maxFiles - 2; i >= 1; i-- {
		err := os.Rename(fmt.Sprintf("%s.%d", d.path, i), fmt.Sprintf("%s.%d", d.path, i+1))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := os.Rename(d.path, d.path+".1"); err != nil {
		return err
	}
	d.shut()
	return nil
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
