package forward

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/firelane/firelane/record"
)

// entries takes a message in one of the modes that carry many events. w begins with the entries, of which at least one byte
// has been read; extra values follow them, of which the first is the option. Everything before the message is flushed first, so
// that it can be discarded as a whole.
func (c *conn) entries(w *window, extra int) error {
	if err := c.flush(); err != nil {
		return err
	}
	c.entriesAt = c.got - uint64(len(c.in.unused()))
	c.inEntries, c.inMessage = true, true
	dropped, damage, err := c.payload(w)
	if err != nil {
		return err
	}
	var opt option
	for i := range extra {
		v, err := c.wholeValue(w)
		if err != nil {
			return err
		}
		if i == 0 {
			if err := c.option(&opt, v); err != nil {
				return err
			}
			c.ack(opt.chunk) // copied: the next value may move it
		}
		w.r += len(v)
	}
	if dropped {
		c.acks = c.acks[:0]
	}
	if damage != nil {
		return damage.explain(opt.compressed)
	}
	c.inEntries, c.inMessage, c.tookMessage = false, false, true
	return c.flush()
}

// payload takes the entries. dropped means that they were over a limit and skipped. damage is a fault in them, which may be due
// to the option compressed, which comes later.
func (c *conn) payload(w *window) (dropped bool, damage *payloadFault, err error) {
	if record.KindOf(w.unused()[0]) == record.KindArray {
		n, err := c.header(w, record.KindArray)
		if err != nil {
			return false, nil, err
		}
		return false, nil, c.takeEntries(w, n, c.maxArray(), false)
	}
	size, err := c.header(w, record.KindStr)
	if err != nil {
		return false, nil, err
	}
	if dropped, err = c.oversized(size); dropped || err != nil {
		if err == nil {
			err = c.discard(w, size)
		}
		return dropped, nil, err
	}
	for size >= 4 && len(w.unused()) < 4 {
		if err := w.fill(); err != nil {
			return false, nil, err
		}
	}
	if z := compression(w.unused(), size); z != nil {
		return false, nil, c.unzip(w, size, z)
	}
	err = c.takeEntries(w, -1, size, true)
	if f, ok := err.(*payloadFault); ok { // the rest of the payload is skipped, the option is read
		return false, f, c.discard(w, f.left)
	}
	return false, nil, err
}

// maxArray is how many bytes an array of entries may have; -1: any number.
func (c *conn) maxArray() int {
	if c.s.rules.message > 0 {
		return c.s.rules.message
	}
	return -1
}

// payloadFault is a fault in a payload whose end is known: left bytes further.
type payloadFault struct {
	fault
	left int
}

// explain returns the fault or, if the option compressed is wrong for the payload, a fault that names it.
func (f *payloadFault) explain(compressed []byte) error {
	switch s := string(compressed); s {
	case "", "text":
		return &f.fault
	case "gzip", "zstd":
		return &fault{reason: badPayload, got: s, message: "a payload is not compressed as its option compressed specifies"}
	default:
		return &fault{reason: badPayload, got: s, message: "the option compressed of a message is unknown; want gzip, zstd or text"}
	}
}

// header takes the header of an array, or of a str or bin, and returns its count.
func (c *conn) header(w *window, k record.Kind) (int, error) {
	for {
		head, body, values, err := valueHeader(w.unused())
		if err == nil {
			w.r += head
			if k == record.KindArray {
				return values, nil
			}
			return body, nil
		}
		if err := c.fillEntries(w); err != nil {
			return 0, err
		}
	}
}

// takeEntries takes count entries, or with count -1 as many as there are in left bytes, or until the window's source ends.
// left -1: any number of bytes. sized means that left is the length of a payload, and not a limit.
func (c *conn) takeEntries(w *window, count, left int, sized bool) error {
	var e event
	for count != 0 && (left != 0 || !sized) {
		b := w.unused()
		if sized && len(b) > left {
			b = b[:left]
		}
		n, err := e.entry(b)
		switch {
		case err == nil:
		case !errors.Is(err, record.ErrShort):
			return c.badEntries(err, left, sized)
		case sized && len(b) == left:
			return c.badEntries(io.ErrUnexpectedEOF, left, sized)
		default:
			if err := c.fillEntry(w, left, sized); err != nil {
				if count < 0 && !sized && err == io.EOF && len(w.unused()) == 0 {
					return nil
				}
				return err
			}
			continue
		}
		if err := c.takeEvent(&e, c.tag); err != nil {
			return err
		}
		w.r += n
		if left >= 0 {
			if left -= n; left < 0 {
				return &fault{reason: overLimit, message: "a message is too large", limit: c.s.rules.message}
			}
		}
		if count > 0 {
			count--
		}
	}
	return nil
}

func (c *conn) badEntries(err error, left int, sized bool) error {
	f := fault{reason: badPayload, err: err, message: "the payload of a message is not a sequence of entries; want [time, record], …"}
	if !sized {
		return &f
	}
	return &payloadFault{f, left}
}

// entry reads [time, record] from the start of b and returns its length.
func (e *event) entry(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, record.ErrShort
	}
	n, rest, err := record.ArrayHeader(b)
	if errors.Is(err, record.ErrShort) {
		return 0, record.ErrShort
	}
	if err != nil || n < 2 {
		*e = event{fault: errBadEntry}
		return valueSize(b)
	}
	if rest, err = e.read(rest, n); err != nil {
		return 0, err
	}
	for range n - 2 {
		var k int
		if k, err = valueSize(rest); err != nil {
			return 0, err
		}
		rest = rest[k:]
	}
	return len(b) - len(rest), nil
}

// fillEntries reads on in the middle of a message.
func (c *conn) fillEntries(w *window) error {
	if err := c.flushIfOverBudget(); err != nil {
		return err
	}
	return w.fill()
}

// fillEntry reads until the first value may be complete, or until left bytes, the rest of the payload, are there.
func (c *conn) fillEntry(w *window, left int, sized bool) error {
	w.skimOn(packFormat)
	err := c.fillEntries(w)
	for err == nil && !w.mayBeComplete() && !(sized && len(w.unused()) >= left) {
		err = c.fillEntries(w)
	}
	return err
}

// wholeValue reads until the first value is complete, and leaves it in the window.
func (c *conn) wholeValue(w *window) ([]byte, error) {
	for {
		v, _, err := value(w.unused())
		if err == nil {
			return v, nil
		}
		if err = broken(err); !errors.Is(err, record.ErrShort) {
			return nil, err
		}
		if err := c.fillEntry(w, 0, false); err != nil {
			return nil, err
		}
	}
}

// discard skips n bytes.
func (c *conn) discard(w *window, n int) error {
	for {
		k := min(n, len(w.unused()))
		w.r += k
		if n -= k; n == 0 {
			return nil
		}
		if err := w.fill(); err != nil {
			return err
		}
	}
}

// compression recognizes by a payload's first bytes how to decompress it, since the option comes after the payload; nil: it
// isn't compressed. No entry begins with the same bytes.
func compression(b []byte, size int) *codec {
	const gzipMagic, zstdMagic = 0x1f8b, 0x28b52ffd
	switch {
	case size < 4:
	case binary.BigEndian.Uint16(b) == gzipMagic:
		return gzipCodec
	case binary.BigEndian.Uint32(b) == zstdMagic:
		return zstdCodec
	}
	return nil
}
