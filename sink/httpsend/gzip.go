package httpsend

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/firelane/firelane/sink"
)

// maxKeptGzip is the largest output buffer in bytes that is kept for the next request.
const maxKeptGzip = 512 << 10

// A Gzip compresses requests. It reuses its compressors, since one takes more memory than most requests, and has as many as
// compress at the same time: not one for each request that is being sent.
type Gzip struct {
	level   int
	writers sync.Pool // of *gzip.Writer
	outputs sync.Pool // of *Zipped
}

// Zipped is the compressed bytes of a request.
type Zipped struct {
	out   bytes.Buffer // of a Gzip
	block []byte       // of a block
	whole []byte       // memory for a block's parts
}

// Bytes returns the compressed bytes, valid until Put.
func (z *Zipped) Bytes() []byte {
	if z.block != nil {
		return z.block
	}
	return z.out.Bytes()
}

// The levels for SharedGzip. Log lines shrink to a tenth at any of them, so Fastest is usually the best choice.
const (
	Fastest  = gzip.BestSpeed
	Default  = gzip.DefaultCompression
	Smallest = gzip.BestCompression
)

// gzipKey is the key in a sink.Common of the Gzip of a level.
type gzipKey int

// SharedGzip returns the Gzip with one of the levels above, which all destinations of a process share.
func SharedGzip(c *sink.Common, level int) *Gzip {
	return c.Get(gzipKey(level), func() any { return &Gzip{level: level} }).(*Gzip)
}

// Compress implements Compressor.
func (g *Gzip) Compress(body []byte) *Zipped { return g.CompressAround(nil, body, nil) }

// CompressAround implements Compressor.
func (g *Gzip) CompressAround(before, body, after []byte) *Zipped {
	z, ok := g.outputs.Get().(*Zipped)
	if !ok {
		z = &Zipped{}
	}
	z.out.Reset()
	w, ok := g.writers.Get().(*gzip.Writer)
	if !ok {
		w, _ = gzip.NewWriterLevel(&z.out, g.level) // fails only for an unknown level
	}
	w.Reset(&z.out)
	for _, part := range [...][]byte{before, body, after} {
		_, _ = w.Write(part) // a bytes.Buffer never fails
	}
	_ = w.Close()
	w.Reset(nil) // z's alone now
	g.writers.Put(w)
	return z
}

// Put returns z for reuse.
func (g *Gzip) Put(z *Zipped) {
	if z.out.Cap() <= maxKeptGzip {
		g.outputs.Put(z)
	}
}

// Encoding implements Compressor.
func (g *Gzip) Encoding() string { return "gzip" }
