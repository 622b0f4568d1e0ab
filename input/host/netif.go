package host

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
)

// NetifOptions are the options of the input netif.
type NetifOptions struct {
	poll.Options
	Interface string `fluentbit:"interface" required:"true" help:"network interface, such as eth0"`
	Verbose   bool   `fluentbit:"verbose" default:"false" help:"all of the interface's counters, not only bytes, packets and errors"`
	Test      bool   `fluentbit:"test_at_init" default:"false" help:"don't start if there is no such interface"`
}

// counters are the columns of /proc/net/dev, with Fluent Bit's names (including its typo "compressepd"). plain ones are emitted
// without verbose, too.
var counters = [...]struct {
	name  string
	plain bool
}{
	{"rx.bytes", true}, {"rx.packets", true}, {"rx.errors", true}, {"rx.drop", false}, {"rx.fifo", false}, {"rx.frame", false},
	{"rx.compressed", false}, {"rx.multicast", false}, {"tx.bytes", true}, {"tx.packets", true}, {"tx.errors", true},
	{"tx.drop", false}, {"tx.fifo", false}, {"tx.collisions", false}, {"tx.carrier", false}, {"tx.compressepd", false},
}

// netif measures the traffic of an interface between two collections.
type netif struct {
	sys     system
	name    string
	verbose bool
	before  *[len(counters)]uint64 // nil before the first collection
	m       members
}

// NewNetif makes the input netif. It returns an error if test_at_init is set and there is no such interface.
func NewNetif(o *NetifOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	c := &netif{sys: kernel, name: o.Interface, verbose: o.Verbose}
	if o.Test {
		if _, err := c.read(); err != nil {
			return nil, fmt.Errorf("netif: %w", err)
		}
	}
	return poll.New(o.Tag, o.Interval(), c.collect, env), nil
}

// read returns the counters of the interface with the name, or of the last one whose name begins with it, as in Fluent Bit.
func (c *netif) read() (found [len(counters)]uint64, err error) {
	text, err := c.sys.read("proc", "net", "dev")
	if err != nil {
		return found, err
	}
	any := false
	for line := range bytes.Lines(text) {
		name, rest, ok := strings.Cut(string(bytes.TrimSpace(line)), ":")
		f := strings.Fields(rest)
		if !ok || !strings.HasPrefix(name, c.name) || len(f) < len(counters) {
			continue
		}
		any = true
		for i := range found {
			found[i] = number([]byte(f[i]))
		}
		if name == c.name {
			break
		}
	}
	if !any {
		return found, fmt.Errorf("there is no network interface %q; /proc/net/dev has their names", c.name)
	}
	return found, nil
}

// collect makes no event the first time, when there is nothing to compare with, as in Fluent Bit.
func (c *netif) collect(_ context.Context, add poll.Add) error {
	now, err := c.read()
	if err != nil {
		return err
	}
	before := c.before
	c.before = &now
	if before == nil {
		return nil
	}
	c.m.reset()
	for i, counter := range counters {
		if counter.plain || c.verbose {
			c.m.uint(c.name+"."+counter.name, since(before[i], now[i]))
		}
	}
	add(c.m.record())
	return nil
}
