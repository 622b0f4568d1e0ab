package httpsend

import (
	"fmt"
	"strings"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/sink"
)

// A Compressor compresses requests. It is safe for concurrent use.
type Compressor interface {
	// Compress compresses body. The caller returns the result by Put.
	Compress(body []byte) *Zipped
	// CompressAround compresses body with what is sent around it.
	CompressAround(before, body, after []byte) *Zipped
	// Put returns z for reuse.
	Put(z *Zipped)
	// Encoding is the value of Content-Encoding.
	Encoding() string
}

// zstdWindow is the window of zstd in bytes: a compressor takes a few times as much memory.
const zstdWindow = 256 << 10

// compressorKey is the key in a sink.Common of a Compressor by its name.
type compressorKey string

// SharedCompressor returns the Compressor with that name (gzip, zstd, snappy), which all destinations of a process share;
// nil for "", none and false.
func SharedCompressor(c *sink.Common, name string) (Compressor, error) {
	switch name = strings.ToLower(name); name {
	case "", "none", "false", "off", "text":
		return nil, nil
	case "gzip":
		return SharedGzip(c, Fastest), nil
	case "zstd":
		return c.Get(compressorKey(name), func() any {
			w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow),
				zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)) // fails only for a wrong option
			return &block{name: name, encode: func(dst, body []byte) []byte { return w.EncodeAll(body, dst) }}
		}).(*block), nil
	case "snappy":
		return c.Get(compressorKey(name), func() any {
			return &block{name: name, encode: func(dst, body []byte) []byte {
				if n := s2.MaxEncodedLen(len(body)); cap(dst) < n {
					dst = make([]byte, n)
				}
				return s2.EncodeSnappy(dst[:cap(dst)], body) // snappy.Encode takes twice as long, for a tenth less
			}}
		}).(*block), nil
	}
	return nil, fmt.Errorf("%q is not a compression; want gzip, zstd or snappy", name)
}

// A block compresses a request at once, with its own block of memory for the result.
type block struct {
	name    string
	encode  func(dst, body []byte) []byte // dst is empty
	outputs sync.Pool                     // of *Zipped

	mu      sync.Mutex
	scratch []byte // where encode writes: for a result that is small, snappy needs room for one that is larger than the body
}

// maxKeptScratch is the largest scratch in bytes that is kept for the next request: enough for a body of 1 MiB.
const maxKeptScratch = 5 << 18

func (b *block) Compress(body []byte) *Zipped { return b.CompressAround(nil, body, nil) }

func (b *block) CompressAround(before, body, after []byte) *Zipped {
	z, ok := b.outputs.Get().(*Zipped)
	if !ok {
		z = &Zipped{}
	}
	if len(before)+len(after) > 0 {
		z.whole = append(append(append(z.whole[:0], before...), body...), after...)
		body = z.whole
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scratch = b.encode(b.scratch[:0], body)
	z.block = append(z.block[:0], b.scratch...)
	if cap(b.scratch) > maxKeptScratch {
		b.scratch = nil
	}
	return z
}

func (b *block) Put(z *Zipped) {
	if cap(z.whole) > maxKeptGzip {
		z.whole = nil
	}
	if cap(z.block) > maxKeptGzip {
		z.block = nil
	}
	b.outputs.Put(z)
}

func (b *block) Encoding() string { return b.name }
