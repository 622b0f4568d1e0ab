package forward

import (
	"bytes"
	"errors"

	"github.com/firelane/firelane/record"
)

// jsonLines reads JSON values, of which a line may hold any number, each an event. A value ends with its line at the
// latest, so that an invalid one costs no other line. The last line needs no newline.
func (c *conn) jsonLines() error {
	for {
		for c.jsonValue() {
		}
		err := c.readOn()
		if err != nil && isEnd(err) && len(c.in.unused()) > 0 {
			c.reject(&fault{reason: badJSON, message: "the connection ended inside a value"})
			c.in.r, c.inMessage = c.in.w, false
		}
		if err != nil {
			return err
		}
	}
}

// jsonValue takes one value, and reports whether there may be another one.
func (c *conn) jsonValue() bool {
	b := bytes.TrimLeft(c.in.unused(), " \t\r\n\x00")
	c.in.r = c.in.w - len(b)
	if len(b) == 0 {
		return false
	}
	line, whole := b, false
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		line, whole = b[:i], true
	}
	out, rest, err := record.NextFromJSON(c.json[:0], line)
	switch {
	case err == nil && line[0] != '{' && line[0] != '[':
		err = errors.New("not an object")
		fallthrough
	case err != nil:
		if !whole { // the end of the line is still to come
			c.in.skimOn(lineFormat)
			return false
		}
		c.reject(errBadLine.with(err))
		c.in.r += len(line)
		return true
	}
	c.in.r += len(line) - len(rest)
	c.addJSON(line[0], out)
	if cap(out) <= readSize {
		c.json = out
	}
	return true
}

// addJSON adds a converted value: an object is a record, an array is the field msg of one, as in Fluent Bit.
func (c *conn) addJSON(first byte, v []byte) {
	if first == '{' {
		if _, err := record.Check(v); err != nil {
			c.reject(errBadLine.with(err))
			return
		}
		c.add(c.s.rules.tag, now(), v)
		return
	}
	c.add(c.s.rules.tag, now(), c.field("msg", func(b []byte) []byte { return append(b, v...) }))
}

// rawLines reads lines of any text, each an event with the field log. Empty lines are skipped.
func (c *conn) rawLines() error {
	sep := c.s.rules.separator
	searched := 0 // unused bytes at which no separator begins
	for {
		b := c.in.unused()
		for {
			i := bytes.Index(b[searched:], sep)
			if i < 0 {
				break
			}
			c.addLine(b[:searched+i])
			b, searched = b[searched+i+len(sep):], 0
		}
		searched = max(len(b)-len(sep)+1, 0)
		c.in.r = c.in.w - len(b)
		err := c.readMore()
		if err != nil && isEnd(err) {
			c.addLine(c.in.unused()) // the last line needs no separator
			c.in.r, c.inMessage = c.in.w, false
		}
		if err != nil {
			return err
		}
	}
}

func (c *conn) addLine(line []byte) {
	if len(line) > 0 {
		c.add(c.s.rules.tag, now(), c.field("log", func(b []byte) []byte { return record.AppendStrBytes(b, line) }))
	}
}

// field makes a record of one field in the connection's own buffer.
func (c *conn) field(name string, value func([]byte) []byte) []byte {
	b := value(record.AppendStr(record.AppendMapHeader(c.line[:0], 1), name))
	if cap(b) <= readSize {
		c.line = b
	}
	return b
}
