package forward

import "github.com/firelane/firelane/record"

// A record may arrive in pieces of one byte. Parsing a value that is incomplete again with each piece would cost the square
// of its length. Instead a skim follows the value to its end, reads each byte once, and reports when to parse again.

// skimFrom is the length in bytes from which an incomplete value is skimmed. A shorter one is parsed again with each read,
// which costs no more.
const skimFrom = 1 << 10

// A format is the syntax of a value.
type format uint8

const (
	packFormat format = iota // MessagePack
	jsonFormat               // JSON
)

// A skim finds the end of one value while the value is received.
type skim struct {
	begun  bool
	format format
	at     uint64 // offset of the value in the stream
	pos    int    // bytes of the value that were skimmed; may exceed those received if a string is incomplete
	left   int    // MessagePack: values that are still missing; JSON: the depth of nesting

	// JSON only.
	inString, escaped, closed bool
	parseAt                   int // length at which to parse again in any case: a skim doesn't notice invalid JSON
}

// skimOn starts or continues the skim of the value at the start of the unused bytes, which was parsed and is incomplete.
func (w *window) skimOn(f format) {
	n := len(w.unused())
	switch at := w.discarded + uint64(w.r); {
	case n < skimFrom:
	case !w.skim.begun || w.skim.at != at:
		w.skim = skim{begun: true, format: f, at: at, parseAt: 2 * n}
		if f == packFormat {
			w.skim.left = 1
		}
	default: // it was parsed, and still is incomplete
		w.skim.parseAt = 2 * n
	}
}

// mayBeComplete reports whether the value at the start of the unused bytes should be parsed: it may be complete or invalid.
func (w *window) mayBeComplete() bool {
	if s := &w.skim; s.begun && s.at == w.discarded+uint64(w.r) {
		if s.format == packFormat {
			return s.packEnd(w.unused())
		}
		return s.jsonEnd(w.unused())
	}
	return true
}

func (s *skim) packEnd(b []byte) bool {
	for s.left > 0 && s.pos < len(b) {
		head, body, values, err := valueHeader(b[s.pos:])
		if err != nil {
			return err == record.ErrInvalid
		}
		s.pos += head + body
		s.left += values - 1
	}
	return s.left == 0 && s.pos <= len(b)
}

func (s *skim) jsonEnd(b []byte) bool {
	for s.pos < len(b) {
		c := b[s.pos]
		s.pos++
		switch {
		case s.escaped:
			s.escaped = false
		case s.inString:
			s.escaped, s.inString = c == '\\', c != '"'
		case c == '"':
			s.inString = true
		case c == '{' || c == '[':
			s.left++
		case c == '}' || c == ']':
			if s.left--; s.left <= 0 && !s.closed {
				s.closed = true // only once: a value that is incomplete now is invalid
				return true
			}
		}
	}
	return len(b) >= s.parseAt
}
