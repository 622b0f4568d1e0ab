package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A cgroup limits the memory of its processes, their page cache included, as `docker run --memory` does.
type cgroup struct {
	dir   string
	limit int64  // bytes
	peak  string // name of the file with the peak usage
}

// controllers are the roots and files of the memory controller in cgroup versions 1 and 2: the limits of memory and of
// memory with swap (version 2: of swap alone), and the peak usage.
var controllers = []struct{ root, memory, swap, swapLimit, peak string }{
	{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "", "memory.max_usage_in_bytes"},
	{"/sys/fs/cgroup", "memory.max", "memory.swap.max", "0", "memory.peak"},
}

// newCgroup makes a cgroup with a memory limit in bytes. It needs root, and a writable cgroup file system.
func newCgroup(name string, limit int64) (*cgroup, error) {
	for _, c := range controllers {
		if _, err := os.Stat(filepath.Join(c.root, "cgroup.procs")); err != nil {
			continue
		}
		g := &cgroup{dir: filepath.Join(c.root, name), limit: limit, peak: c.peak}
		if err := os.Mkdir(g.dir, 0o755); err != nil {
			return nil, fmt.Errorf("make a cgroup: %w", err)
		}
		text := strconv.FormatInt(limit, 10)
		if err := os.WriteFile(filepath.Join(g.dir, c.memory), []byte(text), 0); err != nil {
			g.remove()
			return nil, fmt.Errorf("limit a cgroup's memory: %w", err)
		}
		if c.swapLimit != "" {
			text = c.swapLimit
		}
		// Fails on kernels that don't account for swap.
		_ = os.WriteFile(filepath.Join(g.dir, c.swap), []byte(text), 0)
		return g, nil
	}
	return nil, fmt.Errorf("no memory controller in %s", controllers[1].root)
}

// wrap returns a command line that runs args in the cgroup, after the commands of a shell.
func (g *cgroup) wrap(before string, args []string) []string {
	return append([]string{"/bin/sh", "-ec", `echo $$ >"$0"; ` + before + ` exec "$@"`, filepath.Join(g.dir, "cgroup.procs")}, args...)
}

// used describes the cgroup's peak memory, page cache included.
func (g *cgroup) used() string {
	text, err := os.ReadFile(filepath.Join(g.dir, g.peak))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("peak memory %s of %d bytes, page cache included", strings.TrimSpace(string(text)), g.limit)
}

// remove removes the cgroup. Its processes must have ended.
func (g *cgroup) remove() {
	if g != nil {
		_ = os.Remove(g.dir)
	}
}
