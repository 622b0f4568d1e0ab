package forward

import "github.com/firelane/firelane/record"

// A record may come in pieces of one byte. A value that a look has found unfinished isn't looked at again at each of
// them: a skim follows it to its end, each byte once, and says when another look is worth it.

// skimFrom is how many bytes of an unfinished value are looked at again with every read: a skim would not cost less.
const skimFrom = 1 << 10

// A format says how a value is written.
type format uint8

const (
	packFormat format = iota // MessagePack
	jsonFormat               // JSON
	lineFormat               // JSON that ends with its line, complete or not
)

// A skim finds the end of one value while it is received.
type skim struct {
	begun  bool
	format format
	at     uint64 // where in the stream the value begins
	pos    int    // how far the skim has come, from there; past the end of what is there within a string
	left   int    // values that are missing from pos on, in MessagePack; the depth in JSON

	// JSON only.
	inString, escaped, closed bool
	lookAt                    int // bytes after which to look again in any case: only a look finds what is no JSON
}

// skimOn has the value that begins with the unused bytes followed.
func (w *window) skimOn(f format) {
	n := len(w.unused())
	switch at := w.discarded + uint64(w.r); {
	case n < skimFrom:
	case !w.skim.begun || w.skim.at != at:
		w.skim = skim{begun: true, format: f, at: at, lookAt: 2 * n}
		if f == packFormat {
			w.skim.left = 1
		}
	default: // a look has found nothing, though there was hope
		w.skim.lookAt = 2 * n
	}
}

// worthALook reports whether the value that begins with the unused bytes may be complete, or broken.
func (w *window) worthALook() bool {
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
		case c == '\n' && s.format == lineFormat:
			return true
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
				s.closed = true // once: what isn't complete now is broken
				return true
			}
		}
	}
	return s.format == jsonFormat && len(b) >= s.lookAt
}
