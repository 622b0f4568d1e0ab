package forward

import (
	"bytes"
	"errors"
	"math"

	"github.com/firelane/firelane/record"
)

// maxRescans is how many invalid values in a row may be followed by a search in what they took up. It keeps the work for each
// byte constant: of the lines of a longer row, only the last one is read again.
const maxRescans = 8

var errNotObject = errors.New("not an object")

// A jsonStream is where a connection is in a stream of JSON values.
type jsonStream struct {
	scan     jsonScan // of the value at the start of the unused bytes
	scanning bool     // that value is incomplete

	indent   int  // white space before it on its line; -1: there is something else before it
	skipLine bool // the rest of the line is discarded
	resync   bool // lines are discarded up to one that may be the start of a value
	within   int  // resync: the indentation of that line, at most
	failures int  // invalid values since the last valid one
}

// jsonLines reads a stream of JSON values, each an event, with or without white space between them. A value may be on several
// lines. An invalid one costs its line. If it was on several, the next value is looked for at the lines after its first one
// that begin with a bracket and aren't further indented: in JSON that is pretty-printed, these are no parts of another value.
func (c *conn) jsonLines() error {
	for {
		for c.jsonValue() {
		}
		err := c.readMore()
		if err != nil && !c.endJSON(err) {
			return err
		}
	}
}

// jsonValue takes one value, and reports whether there may be another one.
func (c *conn) jsonValue() bool {
	s := &c.stream
	if !s.scanning && !c.findValue() {
		return false
	}
	b := c.in.unused()
	if b[0] != '{' && b[0] != '[' {
		c.reject(errBadLine.with(errNotObject))
		s.skipLine = true
		return true
	}
	if !s.scanning {
		if out, rest, err := record.NextFromJSON(c.json[:0], b); err == nil {
			c.takeJSON(len(b)-len(rest), out)
			return true
		}
		s.scanning, s.scan = true, jsonScan{}
	}
	switch s.scan.scan(b) {
	case scanMore:
		return false
	case scanBad:
		err := record.ErrSyntax
		if s.scan.depth == record.MaxDepth {
			err = record.ErrDepth
		}
		c.reject(errBadLine.with(err))
		c.skipBroken(s.scan.pos)
		return true
	}
	out, _, err := record.NextFromJSON(c.json[:0], b[:s.scan.pos])
	if err != nil { // it becomes too large
		c.reject(errBadLine.with(err))
		c.in.r += s.scan.pos
		s.scanning, s.indent = false, -1
		return true
	}
	c.takeJSON(s.scan.pos, out)
	return true
}

// takeJSON takes a value of n bytes that was converted to out.
func (c *conn) takeJSON(n int, out []byte) {
	first := c.in.unused()[0]
	value := c.in.unused()[:n]
	c.in.r += n - trailing(value) // a newline is left, for the indentation
	c.stream.scanning, c.stream.failures, c.stream.indent = false, 0, -1
	c.addJSON(first, out)
	if cap(out) <= readSize {
		c.json = out
	}
}

// trailing is how many bytes of white space b ends with.
func trailing(b []byte) (n int) {
	for n < len(b) && b[len(b)-1-n] <= ' ' {
		n++
	}
	return n
}

// findValue discards what comes before the next value, and reports whether something of that is there.
func (c *conn) findValue() bool {
	s, b := &c.stream, c.in.unused()
	i := 0
	for i < len(b) {
		switch ch := b[i]; {
		case s.skipLine:
			end := bytes.IndexByte(b[i:], '\n')
			if end < 0 {
				i = len(b)
				continue
			}
			i, s.skipLine = i+end, false
			continue
		case ch == '\n':
			s.indent = 0
		case ch == ' ' || ch == '\t':
			if s.indent >= 0 {
				s.indent++
			}
		case ch == '\r' || ch == 0:
		case s.resync && (ch != '{' && ch != '[' || s.indent > s.within):
			s.skipLine = true
			continue
		default:
			s.resync = false
			c.in.r += i
			return true
		}
		i++
	}
	c.in.r = c.in.w
	return false
}

// skipBroken discards an invalid value, of which bad bytes are valid, as far as no other value may be in it.
func (c *conn) skipBroken(bad int) {
	s, b := &c.stream, c.in.unused()
	s.scanning = false
	line := bytes.IndexByte(b, '\n')
	if line < 0 || bad <= line { // it is on one line
		s.skipLine = true
		return
	}
	if s.failures++; s.failures > maxRescans {
		line = bytes.LastIndexByte(b[:bad], '\n')
	}
	s.within, s.resync = s.indent, true
	if s.indent < 0 {
		s.within = math.MaxInt
	}
	c.in.r += line
}

// endJSON discards the value that err, an error of reading, has left incomplete, but takes what other values were on its
// lines. It reports whether the connection may go on: if the client is silent after a line that lacks its end.
func (c *conn) endJSON(err error) (goOn bool) {
	s := &c.stream
	silent := errors.Is(err, errStalled)
	goOn = silent && s.scanning && bytes.IndexByte(c.in.unused(), '\n') >= 0
	if silent && !goOn {
		return false
	}
	ended := isEnd(err) || goOn
	for first := true; s.scanning; first = false {
		switch {
		case isEnd(err):
			c.reject(&fault{reason: badJSON, message: "the connection ended inside a value"})
		case goOn || !first: // otherwise it is counted as the reason for which the connection is closed
			c.reject(errUnfinished)
		}
		c.skipBroken(len(c.in.unused()))
		for c.jsonValue() {
		}
	}
	if ended {
		c.in.r, c.inMessage = c.in.w, false
	}
	return goOn
}

// addJSON adds a converted value: an object is a record, an array is the field msg of one, as in Fluent Bit.
func (c *conn) addJSON(first byte, v []byte) {
	if first != '{' {
		v = c.field("msg", func(b []byte) []byte { return append(b, v...) })
	}
	if _, err := record.Check(v); err != nil { // an array is nested one level deeper than it was
		c.reject(errBadLine.with(err))
		return
	}
	c.add(c.s.rules.tag, now(), v)
}
