// Package host implements Fluent Bit's small inputs for the state of the host: cpu, mem, disk, netif, proc, thermal, health, head and
// random. Each collects at an interval (see package poll), and its records have the same keys as in Fluent Bit.
package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/firelane/firelane/record"
)

const (
	maxFile = 1 << 20 // bytes of a file in /proc or /sys that are read
	sector  = 512     // bytes of a sector in /proc/diskstats, whatever the disk's own are
)

// A system is the folder that has proc and sys: the root of the file system, another one in tests.
type system string

const kernel = system("/")

func (s system) path(parts ...string) string {
	return filepath.Join(append([]string{string(s)}, parts...)...)
}

// read reads a small file.
func (s system) read(parts ...string) ([]byte, error) {
	f, err := os.Open(s.path(parts...))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// lines calls see with the fields of each line of a file, until it returns false.
func (s system) lines(see func(fields [][]byte) bool, parts ...string) error {
	text, err := s.read(parts...)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) > 0 && !see(f) {
			break
		}
	}
	return nil
}

// number parses a number from the kernel; it returns 0 for anything else.
func number(text []byte) uint64 {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// since returns how much a counter of the kernel has grown. A counter that is smaller than before was reset.
func since(before, now uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}

// A members builds a record from its members.
type members struct {
	n    int
	body []byte
	out  []byte
}

func (m *members) reset() { m.n, m.body = 0, m.body[:0] }

func (m *members) key(name string) {
	m.n++
	m.body = record.AppendStr(m.body, name)
}

func (m *members) uint(name string, v uint64) {
	m.key(name)
	m.body = record.AppendUint(m.body, v)
}

func (m *members) float(name string, v float64) {
	m.key(name)
	m.body = record.AppendFloat(m.body, v)
}

func (m *members) bool(name string, v bool) {
	m.key(name)
	m.body = record.AppendBool(m.body, v)
}

func (m *members) text(name, v string) {
	m.key(name)
	m.body = record.AppendStr(m.body, v)
}

// record returns the record, valid until the next call of a method.
func (m *members) record() []byte {
	m.out = append(record.AppendMapHeader(m.out[:0], m.n), m.body...)
	return m.out
}

// A stat is what /proc/PID/stat says about a process.
type stat struct {
	user, system uint64 // time in ticks of the kernel
	resident     uint64 // memory in pages
}

// The fields of /proc/PID/stat after the process's name, which may contain spaces (proc_pid_stat(5): state is field 3).
const (
	statUser     = 14 - 3
	statSystem   = 15 - 3
	statResident = 24 - 3
)

func (s system) process(pid int) (stat, error) {
	text, err := s.read("proc", strconv.Itoa(pid), "stat")
	if err != nil {
		return stat{}, err
	}
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) <= statResident {
		return stat{}, fmt.Errorf("/proc/%d/stat has %d fields; want more than %d", pid, len(f), statResident)
	}
	return stat{number(f[statUser]), number(f[statSystem]), number(f[statResident])}, nil
}

// firstLines reads the first lines of a file, with their line feeds, up to a limit of bytes.
func firstLines(r io.Reader, lines, limit int) (list [][]byte, err error) {
	b := bufio.NewReader(io.LimitReader(r, int64(limit)))
	for len(list) < lines {
		line, err := b.ReadBytes('\n')
		if len(line) > 0 {
			list = append(list, line)
		}
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
	}
	return list, nil
}
