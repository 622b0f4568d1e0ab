package host

import (
	"context"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
)

// MemOptions are the options of the input mem.
type MemOptions struct {
	poll.Options
	PID int `fluentbit:"pid" default:"0" help:"process whose memory is added, as proc_bytes and proc_hr"`
}

// mem measures the memory of the host.
type mem struct {
	sys  system
	info func() (ram, error)
	pid  int // 0: none
	log  zerolog.Logger
	m    members
}

// ram is the memory of the host, in bytes.
type ram struct {
	total, free, swap, freeSwap uint64
}

// NewMem makes the input mem.
func NewMem(o *MemOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	c := &mem{sys: kernel, info: sysinfo, pid: o.PID, log: env.Log}
	return poll.New(o.Tag, o.Interval(), c.collect, env), nil
}

func (c *mem) collect(_ context.Context, add poll.Add) error {
	info, err := c.info()
	if err != nil {
		return fmt.Errorf("sysinfo: %w", err)
	}
	total, free, swap, freeSwap := info.total/1024, info.free/1024, info.swap/1024, info.freeSwap/1024
	c.m.reset()
	c.m.uint("Mem.total", total)
	c.m.uint("Mem.used", since(free, total))
	c.m.uint("Mem.free", free)
	c.m.uint("Swap.total", swap)
	c.m.uint("Swap.used", since(freeSwap, swap))
	c.m.uint("Swap.free", freeSwap)
	if c.pid > 0 {
		if s, err := c.sys.process(c.pid); err != nil {
			c.log.Warn().Err(err).Int("pid", c.pid).Msg("the process's memory can't be read: it is no longer measured")
			c.pid = 0
		} else {
			n := s.resident * uint64(os.Getpagesize())
			c.m.uint("proc_bytes", n)
			c.m.text("proc_hr", readable(n))
		}
	}
	add(c.m.record())
	return nil
}

// readable formats a size in bytes for people: 20.80M.
func readable(n uint64) string {
	units := "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d b", n)
	}
	size, at := float64(n)/1024, 0
	for size >= 1024 && at < len(units)-1 {
		size, at = size/1024, at+1
	}
	return fmt.Sprintf("%.2f%c", size, units[at])
}
