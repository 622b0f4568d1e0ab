package check

import (
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/sink"
)

// A feed is what the records of an output come from.
type feed struct {
	driver      bool // a container's log driver
	connections bool // clients that can wait
	datagrams   bool
	files       bool // that can be read later
}

// feeds are what the records of each output come from. An output that no record gets to has none.
func (s *Subject) feeds(flows []flow) map[int]feed {
	feeds := map[int]feed{}
	var walk func(f *flow, from feed)
	walk = func(f *flow, from feed) {
		follow(f.route, func(int) {}, func(o int) { feeds[o] = feeds[o].or(from) })
		for i := range f.again {
			walk(&f.again[i].flow, from)
		}
	}
	for i := range flows {
		switch f := &flows[i]; {
		case f.drv != nil:
			walk(f, feed{driver: true})
		case f.from[0] == "clients":
			walk(f, s.allInputs())
		case f.from[0] != nobody:
			walk(f, s.feedOf(&s.Plan.Inputs[f.input]))
		}
	}
	return feeds
}

// or is a feed that comes from both.
func (f feed) or(g feed) feed {
	return feed{f.driver || g.driver, f.connections || g.connections, f.datagrams || g.datagrams, f.files || g.files}
}

// feedOf is what the records of an input come from.
func (s *Subject) feedOf(in *config.Input) feed {
	l, ok := in.Options.(input.Listener)
	listens := ok && len(l.Listens(s.Plan.Dialect)) > 0
	switch strings.ToLower(in.Name) {
	case "tail":
		return feed{files: true}
	case "monitor_agent", "head":
		return feed{}
	case "udp", "statsd", "collectd", "gelf":
		return feed{datagrams: true}
	case "syslog":
		return feed{connections: listens, datagrams: !listens}
	}
	return feed{connections: listens}
}

// allInputs is what the records of all inputs come from.
func (s *Subject) allInputs() (all feed) {
	for i := range s.Plan.Inputs {
		all = all.or(s.feedOf(&s.Plan.Inputs[i]))
	}
	return all
}

// several reports whether records get to several outputs, which could wait for one another.
func (s *Subject) several(feeds map[int]feed) bool {
	n := 0
	for o := range feeds {
		if !s.isNowhere(o) || s.Plan.Outputs[o].Match != healthTag {
			n++
		}
	}
	return n > 1
}

// full says what happens when the queue of an output is full. several tells that other outputs may wait for it.
func full(q *queue, from feed, several bool) string {
	waits := "the router stops reading until there is room" + from.meanwhile()
	switch {
	case q.whenFull == sink.DropOldest:
		return "its oldest records are dropped, and counted"
	case !several:
		return waits
	case q.whenFull == sink.Block:
		return waits + ". The other outputs of these lines wait, too"
	}
	return waits + ". If this output is full, has delivered nothing for 10 s (3 s if its destination is down) and holds up other outputs, it drops its own oldest records, counted"
}

// meanwhile says what becomes of records while nothing is read, by what they come from.
func (f feed) meanwhile() (text string) {
	if f.connections && !f.driver {
		text = ", and clients wait"
	}
	if f.driver {
		text += "; meanwhile the log driver's buffer fills, and then the driver drops new lines"
	}
	if f.datagrams {
		text += "; datagrams that come meanwhile are lost"
	}
	if f.files {
		text += "; files are read on later"
	}
	return text
}
