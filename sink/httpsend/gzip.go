package httpsend

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// maxKeptGzip is the largest output buffer in bytes that is kept for the next request.
const maxKeptGzip = 2 << 20

// A Gzip compresses requests. It reuses its compressors, since one takes more memory than most requests.
type Gzip struct {
	level int
	pool  sync.Pool // of *Zipped
}

// Zipped is a compressor with its output.
type Zipped struct {
	out bytes.Buffer
	w   *gzip.Writer
}

// Bytes returns the compressed bytes, valid until Put.
func (z *Zipped) Bytes() []byte { return z.out.Bytes() }

// The levels for NewGzip. Log lines shrink to a tenth at any of them, so Fastest is usually the best choice.
const (
	Fastest  = gzip.BestSpeed
	Default  = gzip.DefaultCompression
	Smallest = gzip.BestCompression
)

// NewGzip makes a Gzip with one of the levels above.
func NewGzip(level int) *Gzip { return &Gzip{level: level} }

// Compress compresses body. The caller returns the result by Put.
func (g *Gzip) Compress(body []byte) *Zipped {
	z, ok := g.pool.Get().(*Zipped)
	if !ok {
		z = &Zipped{}
		z.w, _ = gzip.NewWriterLevel(&z.out, g.level) // fails only for an unknown level
	}
	z.out.Reset()
	z.w.Reset(&z.out)
	_, _ = z.w.Write(body) // a bytes.Buffer never fails
	_ = z.w.Close()
	return z
}

// Put returns z for reuse.
func (g *Gzip) Put(z *Zipped) {
	if z.out.Cap() <= maxKeptGzip {
		g.pool.Put(z)
	}
}
