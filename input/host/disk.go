package host

import (
	"context"
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
)

// DiskOptions are the options of the input disk.
type DiskOptions struct {
	poll.Options
	Device string `fluentbit:"dev_name" help:"only devices whose name has this text; unless written, all"`
}

// The fields of /proc/diskstats (Linux, Documentation/admin-guide/iostats.rst).
const (
	diskName    = 2
	diskRead    = 5 // sectors
	diskWritten = 9
)

// disk measures what disks read and write between two collections.
type disk struct {
	sys    system
	device string
	before map[string][2]uint64 // sectors read and written, by device; nil before the first collection
	m      members
}

// NewDisk makes the input disk. It returns an error if /proc/diskstats can't be read.
func NewDisk(o *DiskOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	c := &disk{sys: kernel, device: o.Device}
	if _, err := c.sys.read("proc", "diskstats"); err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	return poll.New(o.Tag, o.Interval(), c.collect, env), nil
}

// collect makes no event the first time, when there is nothing to compare with, as in Fluent Bit.
func (c *disk) collect(_ context.Context, add poll.Add) error {
	now := make(map[string][2]uint64, len(c.before))
	var read, written uint64
	err := c.sys.lines(func(f [][]byte) bool {
		if len(f) <= diskWritten || !strings.Contains(string(f[diskName]), c.device) {
			return true
		}
		name, n := string(f[diskName]), [2]uint64{number(f[diskRead]), number(f[diskWritten])}
		now[name] = n
		if b, ok := c.before[name]; ok {
			read += since(b[0], n[0])
			written += since(b[1], n[1])
		}
		return true
	}, "proc", "diskstats")
	if err != nil {
		return err
	}
	first := c.before == nil
	c.before = now
	if first {
		return nil
	}
	c.m.reset()
	c.m.uint("read_size", read*sector)
	c.m.uint("write_size", written*sector)
	add(c.m.record())
	return nil
}
