package httpsend

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// maxKeptGzip is the largest output buffer in bytes that is kept for the next request.
const maxKeptGzip = 2 << 20

// A Gzip compresses requests. Compressors are kept, since one takes more memory than most requests.
type Gzip struct {
	level int
	pool  sync.Pool // of *Zipped
}

// Zipped is a compressor with its output.
type Zipped struct {
	out bytes.Buffer
	w   *gzip.Writer
}

// Bytes is what was compressed, until Put.
func (z *Zipped) Bytes() []byte { return z.out.Bytes() }

// The levels of NewGzip. Fastest is what pays: log lines shrink to a tenth at any level.
const (
	Fastest  = gzip.BestSpeed
	Default  = gzip.DefaultCompression
	Smallest = gzip.BestCompression
)

// NewGzip makes a Gzip of one of the levels above.
func NewGzip(level int) *Gzip { return &Gzip{level: level} }

// Compress compresses body.
func (g *Gzip) Compress(body []byte) *Zipped {
	z, ok := g.pool.Get().(*Zipped)
	if !ok {
		z = &Zipped{}
		z.w, _ = gzip.NewWriterLevel(&z.out, g.level) // the level is one of ours
	}
	z.out.Reset()
	z.w.Reset(&z.out)
	_, _ = z.w.Write(body) // a bytes.Buffer takes everything
	_ = z.w.Close()
	return z
}

// Put gives z back.
func (g *Gzip) Put(z *Zipped) {
	if z.out.Cap() <= maxKeptGzip {
		g.pool.Put(z)
	}
}
