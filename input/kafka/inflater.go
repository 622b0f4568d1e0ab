package kafka

import (
	"errors"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// errInflated ends the reading of a fetch at a batch; the next fetch begins there.
var errInflated = errors.New("the fetch has more compressed data than is read at once")

// An inflater decompresses batches. A fetch is small, but its batches may become a thousand times as large, and all of them are
// in memory at once: it refuses to go on after limit bytes, until the next poll. One batch may always be decompressed.
type inflater struct {
	inner   kgo.Decompressor
	limit   int64
	in, out atomic.Int64 // bytes since the last poll
}

func newInflater(limit int64, maxBatch int) (*inflater, error) {
	// The client bounds a decompressor that it makes itself, and none that is passed to it: so this is one of a client.
	client, err := kgo.NewClient(kgo.MaxDecompressBatchBytes(maxBatch), kgo.DisableClientMetrics())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	inner, ok := client.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
	if !ok {
		return nil, errors.New("the client has no decompressor")
	}
	return &inflater{inner: inner, limit: limit}, nil
}

// Decompress implements kgo.Decompressor.
func (f *inflater) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec == kgo.CodecNone {
		return src, nil
	}
	if f.out.Load() >= f.limit {
		return nil, errInflated
	}
	out, err := f.inner.Decompress(src, codec)
	f.in.Add(int64(len(src)))
	f.out.Add(int64(len(out)))
	return out, err
}

// reset lets another limit bytes be decompressed. It returns how many compressed bytes probably become half of that, so that
// fetches of that size end before the limit: a partition in whose first batch it is reached is asked for again a second later.
func (f *inflater) reset() (fetch int64) {
	in, out := f.in.Swap(0), f.out.Swap(0)
	if in == 0 || out == 0 {
		return f.limit
	}
	return max(f.limit/2*in/out, 1)
}
