package forward

import (
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/input"
)

const (
	// maxZstdWindow is the largest window in bytes that a zstd stream may ask for (zstd's own default for decoders).
	maxZstdWindow = 8 << 20
	// zstdCost and gzipCost are what a decompressor takes in bytes, its window of entries included. The frames of a payload may
	// have different windows, so the largest one that is allowed counts. (The limits of input.Memory allow one for zstd at a time,
	// and ten for gzip.)
	zstdCost = maxZstdWindow + 1<<20
	gzipCost = 100 << 10
	// unzipFrom is how many bytes of a payload must be there before it gets a decompressor, unless it is shorter.
	unzipFrom = readSize / 2
)

// An unzipper decompresses one payload at a time as a stream, and never holds more of it than its window.
type unzipper struct {
	in  payloadReader
	win window
	use *input.Turn // the decompressor's memory
	out limitedReader
	gz  gzip.Reader
	zs  *zstd.Decoder // nil before the first
}

// errInflated is the error of a payload that is larger than the limit after decompression.
var errInflated = errors.New("too large after decompression")

// A codec is a kind of compression.
type codec struct {
	open  func(*unzipper, io.Reader) (io.Reader, error)
	line  func(*input.Memory) *input.Line
	cost  int // bytes
	index int // in conn.unzipTurns
}

var (
	gzipCodec = &codec{(*unzipper).gzip, func(m *input.Memory) *input.Line { return m.Gzip }, gzipCost, 0}
	zstdCodec = &codec{(*unzipper).zstd, func(m *input.Memory) *input.Line { return m.Zstd }, zstdCost, 1}
)

// unzip takes the entries of a compressed payload of size bytes. It waits for its turn to have a decompressor, of which there
// are few.
func (c *conn) unzip(w *window, size int, kind *codec) error {
	w.release() // so that the connection waits for memory without having any
	for len(w.unused()) < min(size, unzipFrom) {
		if err := w.fill(); err != nil {
			return err
		}
	}
	line := kind.line(c.s.memory)
	if c.unzipTurns[kind.index] == nil {
		c.unzipTurns[kind.index] = line.Turn(c.hurry)
	}
	use := c.unzipTurns[kind.index]
	if !c.rest.known { // there may be many such clients: others may have their read buffers while they wait
		c.rest.turn.Wait()
	}
	err := use.Take(c.s.flushing, kind.cost, c.rest.known)
	c.rest.turn.Resume()
	if err != nil {
		return err
	}
	defer use.Return()
	z, ok := line.Spare.Get().(*unzipper)
	if !ok {
		base := make([]byte, readSize)
		z = &unzipper{win: window{base: base}}
	}
	z.use, z.win.share = use, c.s.share
	defer line.Spare.Put(z)
	return c.unzipWith(z, w, size, kind)
}

func (c *conn) unzipWith(z *unzipper, w *window, size int, kind *codec) error {
	c.unzipped = &z.win
	z.in = payloadReader{w: w, left: size, use: z.use}
	r, err := kind.open(z, &z.in)
	if err == nil {
		z.out = limitedReader{r: r, left: c.s.rules.inflated}
		z.win.src, z.win.limit, z.win.hurry = &z.out, c.s.rules.event, c.in.hurry
		z.win.buf, z.win.r, z.win.w, z.win.skim = z.win.base, 0, 0, skim{}
		err = c.takeEntries(&z.win, -1, -1, false)
		z.win.shrink()
	}
	inner := z.in.err
	if err == nil {
		err = c.discard(w, z.in.left)
	}
	c.unzipped = nil
	z.in, z.win.src, z.win.hurry, z.out.r, z.use = payloadReader{}, nil, nil, nil, nil
	if err == nil {
		return nil
	}
	return c.unzipFault(err, inner)
}

// unzipFault returns inner, the connection's error, if there is one, or else the fault of a payload that can't be decompressed.
func (c *conn) unzipFault(err, inner error) error {
	var f *fault
	switch {
	case inner != nil:
		return inner
	case errors.As(err, &f), errors.Is(err, errTooLarge), errors.Is(err, input.ErrNoMemory):
		return err
	case errors.Is(err, errInflated):
		return &fault{reason: overLimit, message: "a message is too large after decompression", limit: c.s.rules.inflated}
	}
	return &fault{reason: badPayload, message: "decompressing the payload of a message failed", err: err}
}

func (z *unzipper) gzip(r io.Reader) (io.Reader, error) {
	return &z.gz, z.gz.Reset(r)
}

func (z *unzipper) zstd(r io.Reader) (io.Reader, error) {
	if z.zs == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		z.zs = d
	}
	return z.zs, z.zs.Reset(r)
}

// payloadReader reads the compressed bytes of a payload as they are received.
type payloadReader struct {
	w    *window
	left int
	use  *input.Turn // told when the reader waits for its client
	err  error       // of the connection
}

func (p *payloadReader) Read(b []byte) (int, error) {
	if err := p.need(); err != nil {
		return 0, err
	}
	n := copy(b[:min(len(b), p.left)], p.w.unused())
	p.w.r += n
	p.left -= n
	return n, nil
}

// ReadByte saves gzip a buffer of its own.
func (p *payloadReader) ReadByte() (byte, error) {
	if err := p.need(); err != nil {
		return 0, err
	}
	b := p.w.buf[p.w.r]
	p.w.r++
	p.left--
	return b, nil
}

func (p *payloadReader) need() error {
	if p.left == 0 {
		return io.EOF
	}
	if len(p.w.unused()) > 0 {
		return nil
	}
	p.use.Wait()
	p.err = p.w.fill()
	p.use.Resume()
	if p.err == io.EOF {
		p.err = io.ErrUnexpectedEOF // io.EOF would be a regular end to the decompressor
	}
	return p.err
}

// limitedReader ends a stream that is longer than left with errInflated.
type limitedReader struct {
	r    io.Reader
	left int
}

func (l *limitedReader) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if l.left -= n; l.left < 0 {
		return 0, errInflated
	}
	return n, err
}
