package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
	"github.com/firelane/firelane/record"
)

const (
	maxProcesses = 100_000 // that are searched for the name
	maxName      = 4096    // bytes of a process's command that are read
)

// ProcOptions are the options of the input proc.
type ProcOptions struct {
	poll.Options
	Name  string `fluentbit:"proc_name" required:"true" help:"name of the process: the last part of the path that it was started by"`
	Alert bool   `fluentbit:"alert" other:"(not written)" default:"false" help:"make an event only while there is no such process"`
	Mem   bool   `fluentbit:"mem" other:"(not written)" default:"true" help:"add the process's memory"`
	FD    bool   `fluentbit:"fd" other:"(not written)" default:"true" help:"add the number of files that it has open"`
}

// memory are the lines of /proc/PID/status that a record has, as mem.NAME.
var memory = [...]string{"VmPeak", "VmSize", "VmLck", "VmHWM", "VmRSS", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE", "VmSwap"}

// proc checks whether a process is running.
type proc struct {
	sys  system
	opts *ProcOptions
	m    members
}

// NewProc makes the input proc.
func NewProc(o *ProcOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	c := &proc{sys: kernel, opts: o}
	return poll.New(o.Tag, o.Interval(), c.collect, env), nil
}

func (c *proc) collect(ctx context.Context, add poll.Add) error {
	pid, err := c.find(ctx)
	if err != nil {
		return err
	}
	if pid > 0 && c.opts.Alert {
		return nil
	}
	c.m.reset()
	c.m.bool("alive", pid > 0)
	c.m.text("proc_name", c.opts.Name)
	c.m.key("pid")
	c.m.body = record.AppendInt(c.m.body, int64(pid))
	if c.opts.Mem {
		sizes := c.sizes(pid)
		for i, name := range memory {
			c.m.uint("mem."+name, sizes[i])
		}
	}
	if c.opts.FD {
		c.m.uint("fd", c.files(pid))
	}
	add(c.m.record())
	return nil
}

// find returns the lowest PID of a process with the name, -1 if there is none.
func (c *proc) find(ctx context.Context) (pid int, err error) {
	dir, err := os.Open(c.sys.path("proc"))
	if err != nil {
		return -1, err
	}
	defer dir.Close() //nolint:errcheck // it was only read
	names, err := dir.Readdirnames(maxProcesses)
	if err != nil && err != io.EOF {
		return -1, err
	}
	first := -1
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || first > 0 && pid > first {
			continue
		}
		if ctx.Err() != nil {
			return -1, fmt.Errorf("looking for the process: %w", ctx.Err())
		}
		if c.command(name) == c.opts.Name {
			first = pid
		}
	}
	return first, nil
}

// command returns the last part of the path that a process was started with, "" if that can't be read.
func (c *proc) command(pid string) string {
	f, err := os.Open(c.sys.path("proc", pid, "cmdline"))
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxName))
	if err != nil || len(text) == 0 {
		return ""
	}
	path, _, _ := bytes.Cut(text, []byte{0})
	return filepath.Base(string(path))
}

// sizes returns the process's memory in bytes, with 1000 bytes for each kB, as in Fluent Bit; 0 if there is no process.
func (c *proc) sizes(pid int) (list [len(memory)]uint64) {
	if pid <= 0 {
		return list
	}
	_ = c.sys.lines(func(f [][]byte) bool { // an error means that the process has ended
		for i, name := range memory {
			if len(f) > 1 && strings.TrimSuffix(string(f[0]), ":") == name {
				list[i] = number(f[1]) * 1000
			}
		}
		return true
	}, "proc", strconv.Itoa(pid), "status")
	return list
}

// files returns the number of files that a process has open, 0 if that can't be read.
func (c *proc) files(pid int) uint64 {
	if pid <= 0 {
		return 0
	}
	dir, err := os.Open(c.sys.path("proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0
	}
	defer dir.Close()                      //nolint:errcheck // it was only read
	names, _ := dir.Readdirnames(maxFiles) // what was read before an error counts
	return uint64(len(names))
}

// maxFiles is how many open files of a process are counted.
const maxFiles = 1_000_000
