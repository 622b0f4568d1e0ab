package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

// listenTimeout is how long a connection to a socket of this host may take.
const listenTimeout = time.Second

// queues checks the folders of the queues. Nothing is written to them.
func queues(o *Options, m *mask) []Part {
	type folder struct {
		outputs []string
		wanted  int64 // bytes that the queues may take, where the configuration says so
		unset   int   // queues without a limit of their own
	}
	folders := map[string]*folder{}
	var order []string
	for _, out := range o.Plan.Outputs {
		options, ok := out.Options.(sink.OutputOptioner)
		if !ok {
			continue
		}
		dir := router.QueueDir(o.Plan, options.Output())
		f := folders[dir]
		if f == nil {
			f = new(folder)
			folders[dir] = f
			order = append(order, dir)
		}
		f.outputs = append(f.outputs, out.ID)
		if limit := options.Output().Queue().TotalLimit; limit > 0 {
			f.wanted += int64(limit)
		} else {
			f.unset++
		}
	}
	var parts []Part
	for _, dir := range order {
		f := folders[dir]
		p := Part{Kind: "queue", ID: listed(f.outputs), Facts: []probe.Fact{}}
		for _, fact := range queueFacts(dir, f.wanted, f.unset) {
			p.Facts = append(p.Facts, m.clean(fact))
		}
		parts = append(parts, p)
	}
	return parts
}

// inMemory is what it means that a queue is in memory.
const inMemory = "the queue is in memory: a restart loses what was not delivered yet, and it is small"

func queueFacts(dir string, wanted int64, unset int) []probe.Fact {
	if dir == "" {
		return []probe.Fact{{Step: "queue", Level: probe.Note, Text: inMemory + ", as the configuration says"}}
	}
	at, err := nearest(dir)
	if err == nil {
		err = writable(at)
	}
	if err != nil {
		return []probe.Fact{{Step: "queue", Level: probe.Warning, Text: fmt.Sprintf("%s can't be written to (%v): %s", dir, err, inMemory),
			Fix: "mount a volume there, or name another folder in storage.path (Fluentd: root_dir)"}}
	}
	facts := []probe.Fact{{Step: "queue", Text: dir + " can be written to"}}
	if at != dir {
		facts[0].Text = fmt.Sprintf("%s doesn't exist yet; it can be made in %s", dir, at)
	}
	fs, err := statFS(at)
	if err != nil {
		return append(facts, probe.Fact{Step: "disk", Level: probe.Note, Text: fmt.Sprintf("not known how much space is free: %v", err)})
	}
	limit := wanted
	for range unset {
		limit += min(buffer.MaxLimit, fs.free/4)
	}
	space := probe.Fact{Step: "disk", Text: fmt.Sprintf("%s free; the queues take %s at most", size(fs.free), size(limit))}
	if fs.free < limit {
		space.Level, space.Text = probe.Warning, fmt.Sprintf("%s free, but the queues may take %s", size(fs.free), size(limit))
		space.Fix = "write a smaller storage.total_limit_size (Fluentd: total_limit_size), or give the volume more space"
	}
	facts = append(facts, space)
	switch fs.kind {
	case "overlay":
		facts = append(facts, probe.Fact{Step: "disk", Level: probe.Warning, Text: "the folder is in the container's own layer: the queue survives a restart of the router, but is lost with the task",
			Fix: "mount a volume there, if undelivered records must outlive the task"})
	case "tmpfs":
		facts = append(facts, probe.Fact{Step: "disk", Level: probe.Warning, Text: "the folder is in memory (tmpfs): the queue counts as the task's memory, and is lost with it", Fix: "mount a volume of another kind"})
	case "":
	default:
		facts = append(facts, probe.Fact{Step: "disk", Text: "the file system is " + fs.kind})
	}
	return facts
}

// nearest is dir, or the nearest folder above it that exists.
func nearest(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is not a folder", dir)
		case err == nil:
			return dir, nil
		case !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir):
			return "", err
		}
		dir = filepath.Dir(dir)
	}
}

// inputs finds out whether the inputs' sockets can be bound. If something listens already, it is probably the router.
func inputs(ctx context.Context, o *Options, m *mask) []Part {
	var parts []Part
	for _, l := range router.Listeners(o.Plan) {
		p := Part{Kind: "input", ID: l.Input}
		p.Facts = []probe.Fact{m.clean(listenFact(ctx, l))}
		parts = append(parts, p)
	}
	return parts
}

func listenFact(ctx context.Context, l router.Listener) probe.Fact {
	f := probe.Fact{Step: "listen"}
	if l.Network != "udp" {
		d := net.Dialer{Timeout: listenTimeout}
		conn, err := d.DialContext(ctx, l.Network, l.Address)
		if err == nil {
			conn.Close()
			f.Text = fmt.Sprintf("something listens at %s, probably a running router: binding it was not tried", l.Address)
			return f
		}
	}
	var err error
	switch l.Network {
	case "unix":
		var at string
		if at, err = nearest(filepath.Dir(l.Address)); err == nil {
			err = writable(at)
		}
	case "udp":
		var c net.PacketConn
		var listen net.ListenConfig
		if c, err = listen.ListenPacket(ctx, "udp", l.Address); err == nil {
			c.Close()
		}
	default:
		var c net.Listener
		var listen net.ListenConfig
		if c, err = listen.Listen(ctx, l.Network, l.Address); err == nil {
			c.Close()
		}
	}
	switch {
	case err == nil:
		f.Text = "the router can listen at " + l.Address
	case errors.Is(err, syscall.EADDRINUSE):
		f.Level, f.Text = probe.Note, fmt.Sprintf("%s is in use, by a running router or by another program", l.Address)
	case errors.Is(err, os.ErrPermission):
		f.Level, f.Text, f.Fix = probe.Error, fmt.Sprintf("the router may not listen at %s: %v", l.Address, plain(ctx, err)), "run as a user who may, or choose a port from 1024 on or another folder"
	default:
		f.Level, f.Text, f.Fix = probe.Error, fmt.Sprintf("the router can't listen at %s: %v", l.Address, plain(ctx, err)), "correct the address or the path"
	}
	return f
}
