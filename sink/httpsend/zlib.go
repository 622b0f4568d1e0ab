package httpsend

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"

	"github.com/firelane/firelane/sink"
)

// Zlib compresses in the format of RFC 1950, mostly items, not requests. It reuses its compressors.
type Zlib struct {
	writers sync.Pool // of *zlib.Writer
	outputs sync.Pool // of *Zipped
}

// zlibKey is the key of the Zlib in a sink.Common.
type zlibKey struct{}

// SharedZlib returns the Zlib that all destinations of a process share.
func SharedZlib(c *sink.Common) *Zlib {
	return c.Get(zlibKey{}, func() any { return &Zlib{} }).(*Zlib)
}

// Compress implements Compressor.
func (g *Zlib) Compress(body []byte) *Zipped { return g.CompressAround(nil, body, nil) }

// CompressAround implements Compressor.
func (g *Zlib) CompressAround(before, body, after []byte) *Zipped {
	z, ok := g.outputs.Get().(*Zipped)
	if !ok {
		z = &Zipped{}
	}
	z.out.Reset()
	w, ok := g.writers.Get().(*zlib.Writer)
	if !ok {
		w, _ = zlib.NewWriterLevel(&z.out, zlib.BestSpeed) // fails only for an unknown level
	}
	w.Reset(&z.out)
	for _, part := range [...][]byte{before, body, after} {
		_, _ = w.Write(part) // a bytes.Buffer never fails
	}
	_ = w.Close()
	w.Reset(io.Discard) // z's alone now
	g.writers.Put(w)
	return z
}

// Put implements Compressor.
func (g *Zlib) Put(z *Zipped) {
	if z.out.Cap() <= maxKeptGzip {
		g.outputs.Put(z)
	}
}

// Encoding implements Compressor: it is HTTP's name of the format.
func (g *Zlib) Encoding() string { return "deflate" }
