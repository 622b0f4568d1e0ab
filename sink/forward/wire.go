package forward

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A group is the items of one request that have the same tag, and are sent in one message.
type group struct {
	tag   []byte
	items []int
	done  bool
}

// groupByTag groups the request's items.
func groupByTag(req *sink.Request) []group {
	var groups []group
	for tag, items := range req.ByKey() {
		groups = append(groups, group{tag: tag, items: items})
	}
	return groups
}

// A packer builds messages, and reuses the memory for them.
type packer struct {
	msg   []byte
	plain []byte
	out   bytes.Buffer
	gz    *gzip.Writer
	zs    *zstd.Encoder
}

// maxKept is the most memory in bytes with which a packer is kept.
const maxKept = 2 << 20

// packers are the unused packers of one destination.
type packers struct{ pool sync.Pool }

func (p *packers) get() *packer {
	if k, ok := p.pool.Get().(*packer); ok {
		return k
	}
	return new(packer)
}

func (p *packers) put(k *packer) {
	if cap(k.msg)+cap(k.plain)+k.out.Cap() <= maxKept {
		p.pool.Put(k)
	}
}

// pack builds the message of a group in PackedForward mode, valid until the next call. chunk is the id that the server has
// to acknowledge; "": none.
func (k *packer) pack(req *sink.Request, g *group, s *settings) (msg []byte, chunk string, err error) {
	size := 2
	if s.options {
		size = 3
	}
	k.msg = record.AppendStrBytes(record.AppendArrayHeader(k.msg[:0], size), g.tag)
	if s.compress == "" {
		// Always a bin32, so that the length can be filled in after the entries: they need no second copy.
		k.msg = append(k.msg, 0xc6, 0, 0, 0, 0)
		start := len(k.msg)
		k.msg = appendEntries(k.msg, req, g)
		binary.BigEndian.PutUint32(k.msg[start-4:], uint32(len(k.msg)-start))
	} else {
		k.plain = appendEntries(k.plain[:0], req, g)
		if err := k.compress(s.compress); err != nil {
			return nil, "", err
		}
		if cap(k.plain) > maxKept {
			k.plain = nil // before as much is taken for the message
		}
		k.msg = record.AppendBin(k.msg, k.out.Bytes())
	}
	if !s.options {
		return k.msg, "", nil
	}
	if s.ack {
		id := make([]byte, 16)
		rand.Read(id) // never fails
		chunk = base64.StdEncoding.EncodeToString(id)
	}
	k.msg = appendOptions(k.msg, len(g.items), chunk, s)
	return k.msg, chunk, nil
}

func appendEntries(b []byte, req *sink.Request, g *group) []byte {
	for _, i := range g.items {
		b = append(b, req.Item(i)...)
	}
	return b
}

// appendOptions appends the option map: chunk first, as in Fluent Bit.
func appendOptions(b []byte, entries int, chunk string, s *settings) []byte {
	n := 1 + len(s.extra)
	if chunk != "" {
		n++
	}
	if s.compress != "" {
		n++
	}
	b = record.AppendMapHeader(b, n)
	if chunk != "" {
		b = record.AppendStr(record.AppendStr(b, "chunk"), chunk)
	}
	b = record.AppendUint(record.AppendStr(b, "size"), uint64(entries))
	if s.compress != "" {
		b = record.AppendStr(record.AppendStr(b, "compressed"), s.compress)
	}
	for _, o := range s.extra {
		b = record.AppendStr(record.AppendStr(b, o.Key), o.Value)
	}
	return b
}

// compress compresses plain into out, by gzip or zstd.
func (k *packer) compress(method string) error {
	k.out.Reset()
	if method == "zstd" {
		if k.zs == nil {
			zs, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
			if err != nil {
				return err
			}
			k.zs = zs
		}
		k.out.Write(k.zs.EncodeAll(k.plain, k.out.AvailableBuffer()))
		return nil
	}
	if k.gz == nil {
		k.gz = gzip.NewWriter(&k.out)
	}
	k.gz.Reset(&k.out)
	_, err := k.gz.Write(k.plain)
	return errors.Join(err, k.gz.Close())
}

// maxAck is the largest ack in bytes that a server may send.
const maxAck = 1 << 10

// readAck waits for the ack of chunk.
func readAck(r io.Reader, chunk string) error {
	buf := make([]byte, maxAck)
	for n := 0; n < len(buf); {
		k, err := r.Read(buf[n:])
		n += k
		if k == 0 && err != nil {
			return err
		}
		switch _, err := record.Check(buf[:n]); {
		case errors.Is(err, record.ErrShort):
			continue
		case err != nil:
			return fmt.Errorf("parsing the ack: %w", err)
		}
		v, _ := record.Find(buf[:n], "ack")
		if id, _ := record.Text(v); string(id) != chunk {
			return fmt.Errorf("got the ack of chunk %q; want %q", id, chunk)
		}
		return nil
	}
	return fmt.Errorf("the ack is longer than %d bytes", maxAck)
}
