package sink

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
	// maxDeadFile is the size in bytes at which a dead letter's file is put aside and another one begun.
	maxDeadFile = 16 << 20
	// maxDeadFiles is how many files an output's dead letter has; beyond them the oldest goes.
	maxDeadFiles = 4
	// maxDeadLine is the largest line buffer that is kept for the next line, in bytes.
	maxDeadLine = 1 << 20
)

// DeadFile is a dead letter of JSON lines: <dir>/<output>.jsonl, and <output>.jsonl.1 to .3 for what was put aside, .3
// being the oldest. A line is one write. Another process may take the files away (ClaimDead): the lock on the file
// and a look at its name before each line see to it that no line is lost then.
type DeadFile struct {
	path  string
	log   zerolog.Logger
	spill *DeadLog // where nothing can be written
	lost  atomic.Int64
	quiet quiet

	mu   sync.Mutex
	f    *os.File // nil until the first line
	size int64
	line []byte
}

// NewDeadFile makes the dead letter of an output. Nothing is written before the first record.
func NewDeadFile(dir, output string, log zerolog.Logger) *DeadFile {
	return &DeadFile{
		path:  filepath.Join(dir, fileName(output)+".jsonl"),
		log:   log,
		spill: NewDeadLog(log),
		quiet: quiet{every: repeatEvery},
	}
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
func (d *DeadFile) Path() string { return d.path }

// Lost is how many records went with files that were removed to keep to the limit.
func (d *DeadFile) Lost() int64 { return d.lost.Load() }

// Logged is how many records went to the log, since nothing could be written.
func (d *DeadFile) Logged() int64 { return d.spill.Logged() }

// Put appends r as one line. Where that can't be done, the log gets it.
func (d *DeadFile) Put(r *DeadRecord) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line = r.appendJSON(d.line[:0])
	err := d.write(d.line)
	if cap(d.line) > maxDeadLine {
		d.line = nil
	}
	if err == nil {
		return d.path
	}
	if d.quiet.allow() {
		d.log.Error().Err(err).Int64("unsaid", d.quiet.unsaid()).Msg("the dead letter can't be written: its records go to this log")
	}
	return d.spill.Put(r)
}

func (d *DeadFile) write(line []byte) error {
	if err := d.hold(); err != nil {
		return err
	}
	defer d.release()
	if d.size > 0 && d.size+int64(len(line)) > maxDeadFile {
		if err := d.rotate(); err != nil {
			return err
		}
		if err := d.hold(); err != nil {
			return err
		}
	}
	n, err := d.f.Write(line)
	if err != nil && n > 0 {
		// Half a line would spoil the next one.
		if cut := d.f.Truncate(d.size); cut != nil {
			return fmt.Errorf("%w; %w", err, cut)
		}
		return err
	}
	d.size += int64(n)
	return err
}

// hold opens the file where that has not been done, or where it has been taken away, and locks it.
func (d *DeadFile) hold() error {
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

func (d *DeadFile) open() error {
	if err := os.MkdirAll(filepath.Dir(d.path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o640)
	if err != nil {
		return err
	}
	d.f = f
	return d.finishLine()
}

// finishLine ends a line that a killed router left half written, so that only that one is spoilt.
func (d *DeadFile) finishLine() error {
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
func (d *DeadFile) release() {
	if d.f != nil {
		_ = syscall.Flock(int(d.f.Fd()), syscall.LOCK_UN)
	}
}

// shut closes the file, and with it the lock.
func (d *DeadFile) shut() {
	_ = d.f.Close()
	d.f = nil
}

// rotate puts the file aside; the oldest one goes if there are too many.
func (d *DeadFile) rotate() error {
	oldest := fmt.Sprintf("%s.%d", d.path, maxDeadFiles-1)
	if n := countLines(oldest); n > 0 {
		d.lost.Add(n)
		d.log.Warn().Str("file", oldest).Int64("records", n).Msg("the dead letter is full: its oldest file is removed")
	}
	for i := maxDeadFiles - 2; i >= 1; i-- {
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
func (d *DeadFile) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.f == nil {
		return nil
	}
	err := d.f.Close()
	d.f = nil
	return err
}
