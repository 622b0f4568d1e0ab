package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/input"
)

// firstRead is the size in bytes of the first buffer for a body whose length isn't known; leastRead that for a short one.
const (
	firstRead = 32 << 10
	leastRead = 4 << 10
)

// errBadBody is wrapped by the errors of bodies that can't be decompressed.
var errBadBody = errors.New("the body is not what its Content-Encoding says")

// readBody reads the body of an exchange into borrowed memory, which give returns.
func (s *HTTP) readBody(x *Exchange) (give func(), err error) {
	b := &body{x: x, s: s, r: x.Request.Body, length: x.Request.ContentLength}
	b.begun = time.Now()
	var in io.Reader = b
	encoding := strings.ToLower(strings.TrimSpace(x.Request.Header.Get("Content-Encoding")))
	size := firstRead
	switch encoding {
	case "", "identity":
		if b.length > int64(s.cfg.MaxBody) {
			return nil, &http.MaxBytesError{Limit: int64(s.cfg.MaxBody)}
		}
		if b.length >= 0 {
			size = int(b.length)
		}
	case "gzip", "x-gzip", "deflate", "zlib", "zstd", "snappy":
		var spare func()
		if in, spare, err = s.decompressor(x, b, encoding); err != nil {
			return nil, err
		}
		defer x.returnTurn()
		defer spare()
	default:
		return nil, &Refusal{Status: http.StatusUnsupportedMediaType, Reason: "bad body", Text: "the Content-Encoding is not gzip, deflate, zstd or snappy"}
	}
	buf := buffer{share: s.share, limit: s.cfg.MaxBody, hurry: x.hurry}
	err = buf.readAll(in, size)
	if err != nil && b.err == nil && in != io.Reader(b) && !buf.failed {
		err = fmt.Errorf("%w: %w", errBadBody, err)
	}
	if b.err != nil { // the connection's, which a decompressor may have turned into another one
		err = b.err
	}
	if err != nil {
		buf.give()
		return nil, err
	}
	_ = x.conn.SetReadDeadline(time.Time{}) // net/http waits for the client's end while the events are queued
	x.Body = buf.b[:buf.n:buf.n]
	x.room = buf.b[buf.n:buf.n:cap(buf.b)]
	return buf.give, nil
}

// hurry ends a read of the body, since others wait for memory that the exchange has.
func (x *Exchange) hurry() {
	x.hurried.Store(true)
	x.conn.SetReadDeadline(time.Now())
}

func (x *Exchange) returnTurn() {
	if x.turn != nil {
		x.turn.Return()
		x.turn = nil
	}
}

// A body reads the body of a request from its client.
type body struct {
	x      *Exchange
	s      *HTTP
	r      io.Reader
	length int64 // -1: unknown
	n      int64 // bytes that were read
	begun  time.Time
	err    error // of the connection
}

func (b *body) Read(p []byte) (int, error) {
	now := time.Now()
	by := now.Add(stallTime)
	if last := b.begun.Add(bodyTime + time.Duration(b.n/slowestRate)*time.Second); last.Before(by) {
		by = last
	}
	if b.x.hurried.Load() {
		by = now
	}
	_ = b.x.conn.SetReadDeadline(by) // Read returns its error as well
	if t := b.x.turn; t != nil {
		t.Wait()
		defer t.Resume()
	}
	n, err := b.r.Read(p)
	b.n += int64(n)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// decompressor takes memory for a decompressor and opens it. spare keeps it for the next request.
func (s *HTTP) decompressor(x *Exchange, b *body, encoding string) (in io.Reader, spare func(), err error) {
	line, cost := s.memory.Gzip, gzipCost
	switch encoding {
	case "zstd":
		line, cost = s.memory.Zstd, zstdCost
	case "snappy":
		cost = snappyCost
	}
	x.turn = line.Turn(x.hurry)
	if err := x.turn.Take(s.flushing, cost, false); err != nil {
		x.turn = nil
		return nil, nil, err
	}
	spare = func() {}
	switch encoding {
	case "gzip", "x-gzip":
		z, ok := s.gzip.Get().(*gzip.Reader)
		if !ok {
			z = new(gzip.Reader)
		}
		in, err = z, z.Reset(b)
		spare = func() { s.gzip.Put(z) }
	case "deflate", "zlib":
		in, err = zlib.NewReader(b)
	case "zstd":
		in, spare, err = s.zstdReader(b)
	case "snappy":
		in, err = snappyReader(b)
	}
	if err == nil {
		return in, spare, nil
	}
	x.returnTurn()
	var tooLarge *http.MaxBytesError
	if b.err != nil {
		return nil, nil, b.err
	} else if errors.As(err, &tooLarge) {
		return nil, nil, err
	}
	return nil, nil, fmt.Errorf("%w: %w", errBadBody, err)
}

func (s *HTTP) zstdReader(b io.Reader) (in io.Reader, spare func(), err error) {
	d, ok := s.zstd.Get().(*zstd.Decoder)
	if !ok {
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow)); err != nil {
			return nil, nil, err
		}
	}
	return d, func() {
		_ = d.Reset(nil)
		s.zstd.Put(d)
	}, d.Reset(b)
}

// snappyReader reads both formats of snappy: a stream of frames, or one block.
func snappyReader(b io.Reader) (io.Reader, error) {
	magic := []byte("\xff\x06\x00\x00sNaPpY")
	head := make([]byte, len(magic))
	n, err := io.ReadFull(b, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), b)
	if bytes.Equal(head, magic) {
		return snappy.NewReader(whole), nil
	}
	block, err := io.ReadAll(io.LimitReader(whole, maxBlock+1))
	if err != nil {
		return nil, err
	}
	if size, err := snappy.DecodedLen(block); err != nil {
		return nil, err
	} else if size > maxBlock || len(block) > maxBlock {
		return nil, &http.MaxBytesError{Limit: maxBlock}
	}
	out, err := snappy.Decode(nil, block)
	return bytes.NewReader(out), err
}

// A buffer grows in borrowed memory.
type buffer struct {
	share  *input.Share
	limit  int // bytes
	hurry  func()
	b      []byte
	n      int  // bytes of b that are used
	failed bool // by the limit, or for lack of memory
}

// readAll reads to the end of r. size is how many bytes that will be, as far as is known.
func (b *buffer) readAll(r io.Reader, size int) error {
	for {
		room := b.b[b.n:]
		var last [1]byte // whether there is more than the largest buffer takes
		if b.n == MaxBody {
			room = last[:]
		} else if len(room) == 0 {
			if err := b.grow(min(max(2*len(b.b), size, leastRead), MaxBody)); err != nil {
				b.failed = true
				return err
			}
			room = b.b[b.n:]
		}
		n, err := r.Read(room)
		b.n += n
		if b.n > b.limit {
			b.failed = true
			return &http.MaxBytesError{Limit: int64(b.limit)}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// grow makes b at least n bytes long.
func (b *buffer) grow(n int) error {
	n = 1 << bits.Len(uint(n-1))
	if n <= cap(b.b) {
		b.b = b.b[:n]
		return nil
	}
	more, err := b.share.Borrow(n, b.hurry)
	if err != nil {
		return err
	}
	copy(more, b.b[:b.n])
	b.give()
	b.b = more
	return nil
}

// give returns the memory.
func (b *buffer) give() {
	if b.b != nil {
		b.share.Return(b.b)
		b.b = nil
	}
}
