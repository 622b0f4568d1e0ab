package forward

import (
	"errors"
	"fmt"
	"time"

	"github.com/firelane/firelane/record"
)

// Kinds of what is refused: constants, by which it is counted and its lines are held back.
const (
	notMessage  = "not a message"
	notPack     = "not MessagePack"
	badTag      = "bad tag"
	badTime     = "bad time"
	noTime      = "time out of range"
	notMap      = "record is not a map"
	tooDeep     = "record is nested too deep"
	badEntry    = "bad entry"
	badPayload  = "bad payload"
	badOption   = "bad option"
	badSignal   = "not logs"
	overLimit   = "message too large"
	badJSON     = "bad JSON"
	wantMessage = "an array of tag, time and record, or of tag and entries, would be right"
)

// forward reads messages until the connection ends.
func (c *conn) forward() error {
	read := c.nextPack
	if c.s.auth == nil { // after a handshake it is MessagePack
		if err := c.more(); err != nil {
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
			if c.taken && c.s.rules.denyKeep {
				return nil
			}
			continue
		}
		if errors.Is(err, record.ErrShort) {
			err = c.more()
		}
		if err != nil {
			return err
		}
	}
}

// nextPack takes the next message, or nothing and ErrShort where more must be read first.
func (c *conn) nextPack() error {
	if c.again() {
		return nil
	}
	return c.next(&c.in)
}

// maxHead is the longest beginning of a message in bytes that is remembered.
const maxHead = 256

// A head is how the last message in Message mode began, up to its time: a log driver's messages all begin so.
type head struct {
	bytes  []byte // as it came; empty: there is none
	tag    []byte // as it goes on
	values int    // of the message
}

// remember keeps how a message of n values began.
func (h *head) remember(begin, tag []byte, n int) {
	h.bytes = h.bytes[:0]
	if len(begin) <= maxHead && (n == 3 || n == 4) {
		h.bytes, h.tag, h.values = append(h.bytes, begin...), append(h.tag[:0], tag...), n
	}
}

// again takes a message that begins as the last one and has nothing unusual about it. Of every other one it leaves all to
// next.
func (c *conn) again() bool {
	b, h := c.in.unused(), len(c.head.bytes)
	if h == 0 || len(b) < h || string(b[:h]) != string(c.head.bytes) {
		return false
	}
	t, rest, err := record.ReadTime(b[h:])
	if err != nil || t.Sec == 0 || len(rest) == 0 || record.KindOf(rest[0]) != record.KindMap {
		return false
	}
	size, err := record.Check(rest)
	if err != nil {
		return false
	}
	end := len(b) - len(rest) + size
	if c.head.values == 4 {
		if end == len(b) || b[end] != 0x80 { // an option that says nothing
			return false
		}
		end++
	}
	if r := &c.s.rules; r.message > 0 && end > r.message || r.warnOver > 0 && end > r.warnOver {
		return false
	}
	c.add(c.head.tag, t, rest[:size])
	c.in.r += end
	c.taken = true
	return true
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
		return record.ErrShort
	}
	if err != nil {
		return &fault{kind: badJSON, what: err.Error() + ": JSON arrays of tag, time and record would be right"}
	}
	c.in.r = c.in.w - len(rest)
	if cap(out) <= readSize {
		c.json = out
	}
	w := window{src: noMore{}, buf: out, base: out, w: len(out)}
	return c.next(&w)
}

// noMore is the source of a window that holds everything.
type noMore struct{}

func (noMore) Read([]byte) (int, error) {
	return 0, &fault{kind: notMessage, what: "a message is cut short: " + wantMessage}
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
		return c.strange(w, "this is "+kindName(b[0]), c.s.rules.skipStrange)
	}
	tag, rest, err := record.Str(rest)
	switch {
	case errors.Is(err, record.ErrShort):
		return record.ErrShort
	case err != nil:
		return c.strange(w, "the tag is not a string", c.s.rules.skipStrange)
	case len(rest) == 0:
		return record.ErrShort
	}
	tag = c.s.rules.retag(c.tag, tag)
	if len(tag) > record.MaxTag {
		return c.strange(w, fmt.Sprintf("the tag has %d bytes, the most that it may have is %d", len(tag), record.MaxTag), true)
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
		return "an array of less than two values"
	}
	return "of the type " + record.KindOf(b).String()
}

// strange deals with a value that is no message: it is skipped, or the connection is closed.
func (c *conn) strange(w *window, what string, skip bool) error {
	if !skip {
		return &fault{kind: notMessage, what: "not a message: " + what + ", " + wantMessage}
	}
	n, err := extent(w.unused())
	if err != nil {
		return broken(err)
	}
	w.r += n
	c.reject(1, notMessage, what+": "+wantMessage)
	return nil
}

// broken is the error for err of a reader: ErrShort as it is, any other one a fault.
func broken(err error) error {
	if errors.Is(err, record.ErrShort) {
		return record.ErrShort
	}
	return &fault{kind: notPack, what: "not MessagePack, which a client of the forward protocol sends (is it another protocol, or TLS?): " + err.Error()}
}

// single takes a message in Message mode: [tag, time, record, option?]. rest is what follows the tag.
func (c *conn) single(w *window, n int, tag, rest []byte) error {
	if w == &c.in {
		c.head.remember(w.unused()[:len(w.unused())-len(rest)], tag, n)
	}
	var e event
	rest, err := e.read(rest, n-1)
	if err != nil {
		return broken(err)
	}
	var opt option
	for i := 3; i < n; i++ {
		var v []byte
		if v, rest, err = value(rest); err != nil {
			return broken(err)
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
	if err := c.take(&e, tag); err != nil {
		return err
	}
	w.r += size
	c.taken = true
	c.ack(opt.chunk)
	return nil
}

// An event is a time and a record on their way from the wire, and what is wrong with them.
type event struct {
	time record.Time
	body []byte // nil: none, which is no mistake
	kind string // what is wrong; "" nothing
	want string // what would be right
	late bool   // the time is out of range: now is used instead
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
			e.kind, e.want = badEntry, "[time, record] would be right"
		}
		return rest, err
	}
	if len(rest) == 0 {
		return nil, record.ErrShort
	}
	k := record.KindOf(rest[0])
	size, err := record.Check(rest)
	if errors.Is(err, record.ErrDepth) {
		e.kind, e.want = tooDeep, fmt.Sprintf("maps and arrays may be nested %d deep", record.MaxDepth)
		size, err = extent(rest)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case k == record.KindMap:
		e.body = rest[:size]
	case k != record.KindNil && e.kind == "":
		e.kind, e.want = notMap, "a map would be right, not "+k.String()
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
		if t.Sec == 0 { // as Fluentd: nobody logs in 1970
			e.time = now()
		}
		return rest, nil
	case errors.Is(err, record.ErrShort):
		return nil, err
	case errors.Is(err, record.ErrRange):
		e.late, e.time = true, now()
	default:
		e.kind, e.want = badTime, "an EventTime or a number of seconds would be right"
	}
	n, err := extent(b)
	if err != nil {
		return nil, err
	}
	return b[n:], nil
}

// take adds an event, or skips it.
func (c *conn) take(e *event, tag []byte) error {
	if e.kind != "" {
		if !c.s.rules.skipInvalid {
			return &fault{kind: e.kind, what: e.kind + ", " + e.want}
		}
		c.reject(1, e.kind, e.want)
		return nil
	}
	if e.late {
		c.s.quiet.warn(noTime, c.s.rules.name, c.peer, "the time of an event is not between 1970 and 2106: its time is now that of its arrival")
	}
	if e.body != nil {
		c.add(tag, e.time, e.body)
	}
	return nil
}

// oversized says whether to drop a message of that many bytes, or fails where that closes the connection.
func (c *conn) oversized(size int) (drop bool, err error) {
	r := &c.s.rules
	if r.message > 0 && size > r.message {
		what := fmt.Sprintf("a message has %d bytes, more than the limit of %d", size, r.message)
		if !r.skipOver {
			return true, &fault{kind: overLimit, what: what}
		}
		c.reject(1, overLimit, what)
		return true, nil
	}
	if r.warnOver > 0 && size > r.warnOver {
		c.s.quiet.warn("large message", r.name, c.peer, fmt.Sprintf("a message has %d bytes, more than chunk_size_warn_limit %d", size, r.warnOver))
	}
	return false, nil
}

// now is the time of an event that comes without one.
func now() record.Time {
	t := time.Now()
	return record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
}
