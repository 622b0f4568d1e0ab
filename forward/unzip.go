package forward

import (
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/input"
)

// maxZstdWindow is the largest window in bytes that a zstd stream may ask for (zstd's own default for decoders).
const maxZstdWindow = 8 << 20

// An unzipper decompresses one payload at a time as a stream, and never holds more of it than its window.
type unzipper struct {
	in  payloadReader
	win window
	out limitedReader
	gz  gzip.Reader
	zs  *zstd.Decoder // nil before the first
}

// errInflated is the error of a payload that is larger than the limit after decompression.
var errInflated = errors.New("too large after decompression")

// unzip takes the entries of a compressed payload of size bytes.
func (c *conn) unzip(w *window, size int, open func(*unzipper, io.Reader) (io.Reader, error)) error {
	z, ok := c.s.unzippers.Get().(*unzipper)
	if !ok {
		base := make([]byte, readSize)
		z = &unzipper{win: window{share: c.s.share, base: base}}
	}
	w.release() // so that the connection waits for memory without having any
	c.unzipped = &z.win
	z.in = payloadReader{w: w, left: size}
	r, err := open(z, &z.in)
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
	z.in.w, z.win.src, z.win.hurry, z.out.r = nil, nil, nil, nil
	c.s.unzippers.Put(z)
	if err == nil {
		return nil
	}
	return c.unzipFault(err, inner)
}

// unzipFault is the error of a payload that broke, or inner, which is that of the connection.
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
	err  error // of the connection
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
	if p.err = p.w.fill(); p.err == io.EOF {
		p.err = io.ErrUnexpectedEOF // for the decompressor an EOF is a good end
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
