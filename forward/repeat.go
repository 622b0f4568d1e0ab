package forward

import "github.com/firelane/firelane/record"

// A log driver writes one message for each record, and all of them begin with the same bytes: the array's header and the
// tag. takeRepeated compares these bytes with those of the last message instead of parsing them again, and takes what
// follows if it is as usual: an EventTime or a number, a map, and no option or an empty one. Everything else is left to
// next, which takes messages of any form; both produce the same events.

// maxPrefix is the longest beginning of a message in bytes that is remembered.
const maxPrefix = 256

// A prefix is how the last message in Message mode began, up to its time.
type prefix struct {
	bytes  []byte // as received; empty: there is none
	tag    []byte // as events get it
	values int    // of the message
}

// remember keeps how a message of n values began.
func (p *prefix) remember(begin, tag []byte, n int) {
	p.bytes = p.bytes[:0]
	if len(begin) <= maxPrefix && (n == 3 || n == 4) {
		p.bytes, p.tag, p.values = append(p.bytes, begin...), append(p.tag[:0], tag...), n
	}
}

// takeBurst takes all messages that takeRepeated takes, and reports whether there was one. Where a connection may send one message
// only, it takes one.
func (c *conn) takeBurst() (took bool) {
	if c.burster != nil {
		c.burster.Begin()
		defer c.burster.End()
	}
	for c.takeRepeated() {
		if took = true; c.s.rules.denyKeepalive {
			break
		}
	}
	return took
}

// takeRepeated takes the next message if it begins as the last one did and has nothing unusual about it, and reports
// whether it has.
func (c *conn) takeRepeated() bool {
	b, n := c.in.unused(), len(c.prefix.bytes)
	if n == 0 || len(b) < n || string(b[:n]) != string(c.prefix.bytes) {
		return false
	}
	t, rest, err := record.ReadTime(b[n:])
	if err != nil || t.Sec == 0 || len(rest) == 0 || record.KindOf(rest[0]) != record.KindMap {
		return false
	}
	size, err := record.Check(rest)
	if err != nil {
		return false
	}
	end := len(b) - len(rest) + size
	if c.prefix.values == 4 {
		if end == len(b) || b[end] != 0x80 { // an empty option
			return false
		}
		end++
	}
	if r := &c.s.rules; r.message > 0 && end > r.message || r.warnOver > 0 && end > r.warnOver {
		return false
	}
	c.add(c.prefix.tag, t, rest[:size])
	c.in.r += end
	c.tookMessage = true
	return true
}
