package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
)

// ticksPerSecond is the unit of the times in /proc: 100 on every Linux that Go supports (USER_HZ).
const ticksPerSecond = 100

// CPUOptions are the options of the input cpu.
type CPUOptions struct {
	poll.Options
	PID int `fluentbit:"pid" default:"-1" help:"process to measure; unless written, the host"`
}

// A usage is the time that processors have spent since the host started, in ticks.
type usage struct {
	name         string // of the processor: cpu0; cpu: all of them
	user, system uint64 // user includes nice: processes with a lower priority
}

// cpu measures CPU usage between two collections.
type cpu struct {
	sys    system
	pid    int
	now    func() time.Time
	at     time.Time
	before []usage
	m      members
}

// NewCPU makes the input cpu. It returns an error if the times can't be read.
func NewCPU(o *CPUOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	c := &cpu{sys: kernel, pid: o.PID, now: time.Now}
	if err := c.begin(); err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	return poll.New(o.Tag, o.Interval(), c.collect, env), nil
}

func (c *cpu) begin() (err error) {
	c.at = c.now()
	c.before, err = c.read()
	return err
}

// read returns the times of all processors together, then of each. With a PID, the first is the time of that process.
func (c *cpu) read() (list []usage, err error) {
	err = c.sys.lines(func(f [][]byte) bool {
		if !bytes.HasPrefix(f[0], []byte("cpu")) || len(f) < 4 {
			return false // the lines of processors come first
		}
		list = append(list, usage{string(f[0]), number(f[1]) + number(f[2]), number(f[3])})
		return true
	}, "proc", "stat")
	if err == nil && len(list) < 2 {
		err = errors.New("/proc/stat has no processors")
	}
	if err == nil && c.pid > 0 {
		var s stat
		if s, err = c.sys.process(c.pid); err == nil {
			list[0] = usage{"cpu", s.user, s.system}
		}
	}
	return list, err
}

func (c *cpu) collect(_ context.Context, add poll.Add) error {
	at := c.now()
	after, err := c.read()
	if err != nil {
		return err
	}
	ticks := at.Sub(c.at).Seconds() * ticksPerSecond
	before := c.before
	c.before, c.at = after, at
	if ticks <= 0 {
		return nil
	}
	c.m.reset()
	for n, u := range after {
		b := u // a processor that was just added
		for _, old := range before {
			if old.name == u.name {
				b = old
			}
		}
		prefix, all := u.name+".", ticks
		if n == 0 {
			prefix, all = "", ticks*float64(len(after)-1)
		}
		user, sys := since(b.user, u.user), since(b.system, u.system)
		names := [3]string{prefix + "p_cpu", prefix + "p_user", prefix + "p_system"}
		if n == 0 {
			names = [3]string{"cpu_p", "user_p", "system_p"}
		}
		c.m.float(names[0], percent(user+sys, all))
		c.m.float(names[1], percent(user, all))
		c.m.float(names[2], percent(sys, all))
		if c.pid > 0 {
			break
		}
	}
	add(c.m.record())
	return nil
}

func percent(part uint64, all float64) float64 {
	return math.Round(float64(part)*100/all*1e6) / 1e6 // as many digits as Fluent Bit prints
}
