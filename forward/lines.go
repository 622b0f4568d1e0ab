package forward

import (
	"bytes"

	"github.com/firelane/firelane/record"
)

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
