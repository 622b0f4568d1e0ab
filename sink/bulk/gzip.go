package bulk

import (
	"bytes"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// maxKeptGzip is the largest output buffer in bytes that is kept for the next request.
const maxKeptGzip = 2 << 20

// A gzipper compresses requests. Compressors are kept, since one takes more memory than most requests.
type gzipper struct {
	level int
	pool  sync.Pool
}

// zipped is a compressor with its output.
type zipped struct {
	out bytes.Buffer
	w   *gzip.Writer
}

// newGzipper gives nil where the options ask for no compression.
func newGzipper(o *Options) *gzipper {
	if strings.EqualFold(o.Compress, "gzip") {
		// The fastest level: log lines shrink to a tenth at any level, and the router's CPU is what is paid for.
		return &gzipper{level: gzip.BestSpeed}
	}
	switch o.CompressionLevel {
	case "best_speed":
		return &gzipper{level: gzip.BestSpeed}
	case "default_compression":
		return &gzipper{level: gzip.DefaultCompression}
	case "best_compression":
		return &gzipper{level: gzip.BestCompression}
	}
	return nil
}

// compress returns body gzipped, in z.out, until put.
func (g *gzipper) compress(body []byte) *zipped {
	z, ok := g.pool.Get().(*zipped)
	if !ok {
		z = &zipped{}
		z.w, _ = gzip.NewWriterLevel(&z.out, g.level) // the level is one of ours
	}
	z.out.Reset()
	z.w.Reset(&z.out)
	_, _ = z.w.Write(body) // a bytes.Buffer takes everything
	_ = z.w.Close()
	return z
}

func (g *gzipper) put(z *zipped) {
	if z.out.Cap() <= maxKeptGzip {
		g.pool.Put(z)
	}
}
