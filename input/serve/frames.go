package serve

import (
	"bytes"
	"errors"
	"fmt"
)

// Framing is how messages on a connection are told apart.
type Framing uint8

// The framings of RFC 6587.
const (
	Lines  Framing = iota // a newline or NUL ends each message
	Octets                // the length in bytes, decimal, and a space before each message
)

// Reasons for which messages are refused.
const (
	tooLong  = "message too long"
	badFrame = "bad length"
)

var (
	errTooLong = errors.New("the message is too long")
	// errFraming is the error of a message without a length, after which no other one can be found.
	errFraming = errors.New("a length in bytes and a space should be before a message (octet counting)")
)

// frames finds the messages of a connection.
type frames struct {
	framing  Framing
	ending   string // Lines: what ends a message; "": a newline or NUL
	limit    int    // bytes of a message
	searched int    // Lines: bytes without an end
	skip     int    // Octets: bytes that are still to be discarded; Lines: not 0, up to the next end
}

// next returns the first message of b, and how many bytes of b are done with: 0 if the message isn't complete. Messages may be
// empty. errTooLong means that a message is skipped.
func (f *frames) next(b []byte) (msg []byte, n int, err error) {
	if f.framing == Octets {
		return f.nextOctets(b)
	}
	end, size := f.end(b[f.searched:])
	keep := min(size-1, len(b)) // an ending may have begun
	if end < 0 {
		if f.skip > 0 {
			f.searched = 0
			return nil, len(b) - keep, nil
		}
		if f.searched = len(b) - keep; len(b) > f.limit+keep {
			f.searched, f.skip = 0, 1
			return nil, len(b) - keep, errTooLong
		}
		return nil, 0, nil
	}
	end += f.searched
	f.searched = 0
	if f.skip > 0 {
		f.skip = 0
		return nil, end + size, nil
	}
	if end > f.limit {
		return nil, end + size, errTooLong
	}
	return b[:end], end + size, nil
}

// end is where the first ending is in b, -1 if there is none, and its length.
func (f *frames) end(b []byte) (at, size int) {
	if f.ending == "" {
		return bytes.IndexAny(b, "\n\x00"), 1
	}
	return bytes.Index(b, []byte(f.ending)), len(f.ending)
}

// maxDigits is how many digits a length may have.
const maxDigits = 9

func (f *frames) nextOctets(b []byte) (msg []byte, n int, err error) {
	if f.skip > 0 {
		n = min(f.skip, len(b))
		f.skip -= n
		return nil, n, nil
	}
	if len(b) > 0 && b[0] == '\n' { // some senders end their messages nevertheless
		return nil, 1, nil
	}
	size, i := 0, 0
	for i < len(b) && i < maxDigits && b[i]-'0' < 10 {
		size = size*10 + int(b[i]-'0')
		i++
	}
	switch {
	case i == len(b):
		return nil, 0, nil
	case i == 0 || b[i] != ' ':
		return nil, 0, fmt.Errorf("%w, got %.20q", errFraming, b)
	}
	i++
	if size > f.limit {
		f.skip = size
		return nil, i, errTooLong
	}
	if len(b)-i < size {
		return nil, 0, nil
	}
	return b[i : i+size], i + size, nil
}

// mayEnd reports whether the end of the connection ends a message, too.
func (f *frames) mayEnd() bool { return f.framing == Lines && f.skip == 0 }
