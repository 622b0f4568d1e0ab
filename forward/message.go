package forward

import (
	"errors"
	"time"

	"github.com/firelane/firelane/record"
)

// forward reads messages until the connection ends.
func (c *conn) forward() error {
	read := c.nextPack
	if c.s.auth == nil { // after a handshake messages are MessagePack
		if err := c.readMore(); err != nil {
			return err
		}
		if b := c.in.unused()[0]; b == '{' || b == '[' {
			c.isJSON = true
			read = c.nextJSON
		}
	}
	for {
		err := read()
		if err == nil {
			if c.tookMessage && c.s.rules.denyKeepalive {
				return nil
			}
			continue
		}
		if errors.Is(err, record.ErrShort) {
			err = c.readOn()
		}
		if err != nil {
			return err
		}
	}
}

// nextPack takes the next message, or nothing and ErrShort where more must be read first.
func (c *conn) nextPack() error {
	if c.takeBurst() {
		return nil
	}
	return c.next(&c.in)
}

// nextJSON is nextPack for JSON: the message is converted as a whole and taken from there.
func (c *conn) nextJSON() error {
	b := c.in.unused()
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	c.in.r = c.in.w - len(b)
	if len(b) == 0 {
		return record.ErrShort
	}
	out, rest, err := record.NextFromJSON(c.json[:0], b)
	if errors.Is(err, record.ErrShort) {
		c.in.skimOn(jsonFormat)
		return record.ErrShort
	}
	if err != nil {
		return &fault{reason: badJSON, err: err, message: "a message is not JSON" + wantMessage}
	}
	c.in.r = c.in.w - len(rest)
	if cap(out) <= readSize {
		c.json = out
	}
	w := window{src: noMore{}, buf: out, base: out, w: len(out)}
	return c.next(&w)
}

// noMore is the source of a window that already holds everything.
type noMore struct{}

func (noMore) Read([]byte) (int, error) {
	return 0, &fault{reason: notMessage, message: "a message is too short" + wantMessage}
}

// next takes one message from w. In Message mode it is taken as a whole, or not at all and ErrShort.
func (c *conn) next(w *window) error {
	b := w.unused()
	if len(b) == 0 {
		return record.ErrShort
	}
	if b[0] == 0xc0 { // a heartbeat
		w.r++
		return nil
	}
	n, rest, err := record.ArrayHeader(b)
	if errors.Is(err, record.ErrShort) {
		return record.ErrShort
	}
	if b[0] == 0xc1 {
		return broken(record.ErrInvalid)
	}
	if err != nil || n < 2 {
		return c.rejectMessage(w, &fault{reason: notMessage, message: "not a message" + wantMessage, got: kindName(b[0])}, c.s.rules.skipNonMessage)
	}
	tag, rest, err := record.Str(rest)
	switch {
	case errors.Is(err, record.ErrShort):
		return record.ErrShort
	case err != nil:
		return c.rejectMessage(w, &fault{reason: notMessage, message: "the tag of a message is not a string" + wantMessage}, c.s.rules.skipNonMessage)
	case len(rest) == 0:
		return record.ErrShort
	}
	tag = c.s.rules.retag(c.tag, tag)
	if len(tag) > record.MaxTag {
		return c.rejectMessage(w, &fault{reason: notMessage, message: "the tag of a message is too long", bytes: len(tag), limit: record.MaxTag}, true)
	}
	switch record.KindOf(rest[0]) {
	case record.KindArray, record.KindStr, record.KindBin:
		c.tag = append(c.tag[:0], tag...)
		w.r = w.w - len(rest)
		return c.entries(w, n-2)
	}
	return c.single(w, n, tag, rest)
}

func kindName(b byte) string {
	if record.KindOf(b) == record.KindArray {
		return "an array of fewer than two values"
	}
	return record.KindOf(b).String()
}

// rejectMessage skips a value that isn't a message, or returns f if the connection is to be closed.
func (c *conn) rejectMessage(w *window, f *fault, skip bool) error {
	if !skip {
		return f
	}
	n, err := valueSize(w.unused())
	if err != nil {
		return unfinished(w, err)
	}
	w.r += n
	c.reject(f)
	return nil
}

// unfinished turns err, the error of reading a message that is taken as a whole, into a fault. ErrShort stays, and starts a
// skim, since the rest is still to come.
func unfinished(w *window, err error) error {
	if err = broken(err); err == record.ErrShort {
		w.skimOn(packFormat)
	}
	return err
}

// single takes a message in Message mode: [tag, time, record, option?]. rest is what follows the tag.
func (c *conn) single(w *window, n int, tag, rest []byte) error {
	if w == &c.in {
		c.prefix.remember(w.unused()[:len(w.unused())-len(rest)], tag, n)
	}
	var e event
	rest, err := e.read(rest, n-1)
	if err != nil {
		return unfinished(w, err)
	}
	var opt option
	for i := 3; i < n; i++ {
		var v []byte
		if v, rest, err = value(rest); err != nil {
			return unfinished(w, err)
		}
		if i == 3 {
			if err := c.option(&opt, v); err != nil {
				return err
			}
		}
	}
	size := len(w.unused()) - len(rest)
	if drop, err := c.oversized(size); drop || err != nil {
		w.r += size
		return err
	}
	if err := c.takeEvent(&e, tag); err != nil {
		return err
	}
	w.r += size
	c.tookMessage = true
	c.ack(opt.chunk)
	return nil
}

// An event is a time and a record as read from a message, and what is wrong with them.
type event struct {
	time           record.Time
	body           []byte // nil: the record is nil, which isn't a fault
	fault          *fault // nil: none
	timeOutOfRange bool   // the time of arrival is used instead
}

// read reads a time and a record from the start of b, the first two of n values.
func (e *event) read(b []byte, n int) (rest []byte, err error) {
	*e = event{}
	if len(b) == 0 {
		return nil, record.ErrShort
	}
	rest, err = e.readTime(b)
	if err != nil || n < 2 {
		if err == nil {
			e.fault = errBadEntry
		}
		return rest, err
	}
	if len(rest) == 0 {
		return nil, record.ErrShort
	}
	k := record.KindOf(rest[0])
	size, err := record.Check(rest)
	if errors.Is(err, record.ErrDepth) {
		e.fault = errTooDeep
		size, err = valueSize(rest)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case k == record.KindMap:
		e.body = rest[:size]
	case k != record.KindNil && e.fault == nil:
		e.fault = &fault{reason: notMap, message: "a record is not a map", got: k.String()}
	}
	return rest[size:], nil
}

func (e *event) readTime(b []byte) (rest []byte, err error) {
	if b[0] == 0xc0 {
		e.time = now()
		return b[1:], nil
	}
	t, rest, err := record.ReadTime(b)
	switch {
	case err == nil:
		e.time = t
		if t.Sec == 0 { // as in Fluentd: a client without a clock sends 0
			e.time = now()
		}
		return rest, nil
	case errors.Is(err, record.ErrShort):
		return nil, err
	case errors.Is(err, record.ErrRange):
		e.timeOutOfRange, e.time = true, now()
	default:
		e.fault = errBadTime
	}
	n, err := valueSize(b)
	if err != nil {
		return nil, err
	}
	return b[n:], nil
}

// takeEvent adds an event, or skips it.
func (c *conn) takeEvent(e *event, tag []byte) error {
	if e.fault != nil {
		if !c.s.rules.skipInvalid {
			return e.fault
		}
		c.reject(e.fault)
		return nil
	}
	if e.timeOutOfRange {
		c.s.log.Warn().Str("peer", c.peer).Msg("the time of an event is not between 1970 and 2106: the time of its arrival is used")
	}
	if e.body != nil {
		c.add(tag, e.time, e.body)
	}
	return nil
}

// oversized reports whether to drop a message of size bytes. The error is not nil if the connection is to be closed for it.
func (c *conn) oversized(size int) (drop bool, err error) {
	r := &c.s.rules
	if r.message > 0 && size > r.message {
		f := &fault{reason: overLimit, message: "a message is too large", bytes: size, limit: r.message}
		if !r.skipOver {
			return true, f
		}
		c.reject(f)
		return true, nil
	}
	if r.warnOver > 0 && size > r.warnOver {
		c.s.log.Warn().Str("peer", c.peer).Int("bytes", size).Int("limit_bytes", r.warnOver).
			Msg("a message is larger than chunk_size_warn_limit")
	}
	return false, nil
}

// now is the time of an event that comes without one.
func now() record.Time {
	t := time.Now()
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
}
