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
	// maxFiles is how many files an output's dead letter has; beyond them the oldest is removed.
	maxFiles = 4
	// maxKeptLine is the largest line buffer that is kept for the next line, in bytes.
	maxKeptLine = 1 << 20
)

// File is a dead letter of JSON lines: <dir>/<output>.jsonl, and <output>.jsonl.1 to .3 for those that were rotated, .3
// being the oldest. A line is one write. Another process may take the files away (Claim): before each line the file is
// locked and its name compared, so that no line is lost then.
type File struct {
	path    string
	maxSize int64 // in bytes: maxFile, or less in tests
	log     zerolog.Logger
	spill   *Log // gets what can't be written
	lost    atomic.Int64

	mu   sync.Mutex
	f    *os.File // nil until the first line
	size int64
	line []byte
}

// NewFile makes the dead letter of an output; spill gets what can't be written. Nothing is written before the first
// record.
func NewFile(dir, output string, spill *Log, log zerolog.Logger) *File {
	return &File{path: filepath.Join(dir, fileName(output)+".jsonl"), maxSize: maxFile, spill: spill, log: log}
}

// fileName is an output's name as a file's: what isn't a letter, a digit, a dot, a dash or an underscore becomes an
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

// Path is the file that is written.
func (d *File) Path() string { return d.path }

// Lost is how many records went with files that were removed to keep to the limit.
func (d *File) Lost() int64 { return d.lost.Load() }

// Logged is how many records went to the log, since nothing could be written.
func (d *File) Logged() int64 { return d.spill.Logged() }

// Put appends r as one line; where that fails, the log gets it.
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
	d.log.Error().Err(err).Msg("the dead letter's file can't be written: its records go to this log")
	return d.spill.Put(r)
}

func (d *File) write(line []byte) error {
	if err := d.hold(); err != nil {
		return err
	}
	defer d.release()
	if d.size > 0 && d.size+int64(len(line)) > d.maxSize {
		if err := d.rotate(); err != nil {
			return err
		}
		if err := d.hold(); err != nil {
			return err
		}
	}
	n, err := d.f.Write(line)
	if err != nil && n > 0 {
		// Half a line would make the next one unreadable.
		if cut := d.f.Truncate(d.size); cut != nil {
			return fmt.Errorf("%w; %w", err, cut)
		}
		return err
	}
	d.size += int64(n)
	return err
}

// hold opens the file where that has not been done, or where it has been taken away, and locks it.
func (d *File) hold() error {
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

// finishLine ends a line that a killed router left unfinished, so that only that one can't be read.
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

// release unlocks the file.
func (d *File) release() {
	if d.f != nil {
		_ = syscall.Flock(int(d.f.Fd()), syscall.LOCK_UN)
	}
}

// shut closes the file, and with it the lock.
func (d *File) shut() {
	_ = d.f.Close()
	d.f = nil
}

// rotate renames the files to the next number; the oldest one is removed if there are too many.
func (d *File) rotate() error {
	oldest := fmt.Sprintf("%s.%d", d.path, maxFiles-1)
	if n := countLines(oldest); n > 0 {
		d.lost.Add(n)
		d.log.Warn().Str("file", oldest).Int64("records", n).Msg("the dead letter is full: its oldest file is removed")
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

// countLines counts the lines of a file, 0 if it can't be read.
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
