package forward

import (
	"errors"
	"fmt"

	"github.com/firelane/firelane/record"
)

// option is the part of a message's option map that is used.
type option struct {
	chunk      []byte // MessagePack of the id to acknowledge; nil: none
	compressed []byte
}

// option reads an option value: a map, or nil.
func (c *conn) option(o *option, v []byte) error {
	if len(v) == 1 && (v[0] == 0x80 || v[0] == 0xc0) {
		return nil
	}
	if record.KindOf(v[0]) != record.KindMap {
		c.s.log.Warn().Str("peer", c.peer).Msg("the option of a message is not a map: ignored")
		return nil
	}
	for f := record.FieldsOf(v); f.Next(); {
		switch string(f.Key()) {
		case "chunk":
			o.chunk = chunkID(f.Value())
		case "compressed":
			o.compressed, _ = record.Text(f.Value())
		case "fluent_signal":
			if n, _, err := record.Int(f.Value()); err == nil && n != 0 {
				return &fault{reason: badSignal, message: "a message doesn't contain logs; want logs only", got: signal(n)}
			}
		}
	}
	if len(o.chunk) > maxChunk {
		return &fault{reason: badOption, message: "the chunk id of a message is too long", bytes: len(o.chunk), limit: maxChunk}
	}
	return nil
}

// chunkID is a chunk's id as received; a nil or false value is no id.
func chunkID(v []byte) []byte {
	if v[0] == 0xc0 || v[0] == 0xc2 {
		return nil
	}
	return v
}

// signal is the name of a value of fluent_signal.
func signal(n int64) string {
	switch n {
	case 1:
		return "metrics"
	case 2:
		return "traces"
	}
	return fmt.Sprintf("fluent_signal %d", n)
}

// ack notes that a chunk is to be acknowledged after the next Flush that succeeds.
func (c *conn) ack(chunk []byte) {
	if chunk == nil {
		return
	}
	if !c.isJSON {
		c.acks = append(append(c.acks, 0x81, 0xa3, 'a', 'c', 'k'), chunk...)
		return
	}
	c.acks = append(c.acks, `{"ack":`...)
	c.acks = append(record.AppendJSON(c.acks, chunk), '}')
}

// value takes a whole value off b, however deep it is nested.
func value(b []byte) (v, rest []byte, err error) {
	n, err := record.Check(b)
	if errors.Is(err, record.ErrDepth) {
		n, err = valueSize(b)
	}
	if err != nil {
		return nil, nil, err
	}
	return b[:n], b[n:], nil
}
