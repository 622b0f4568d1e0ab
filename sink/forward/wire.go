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

// A group is the items of one request that have one tag, which travel in one message.
type group struct {
	tag   []byte
	items []int
	done  bool
}

// groups are the request's items by their tags.
func groups(req *sink.Request) []group {
	var gs []group
	for tag, items := range req.ByKey() {
		gs = append(gs, group{tag: tag, items: items})
	}
	return gs
}

// A packer builds messages in memory of its own.
type packer struct {
	msg   []byte
	plain []byte
	out   bytes.Buffer
	gz    *gzip.Writer
	zs    *zstd.Encoder
}

// maxKept is the largest message in bytes whose memory a packer keeps.
const maxKept = 2 << 20

// packers are for one destination.
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

// pack builds the message of a group in PackedForward mode. It is the packer's, until the next one. chunk is what the
// server has to acknowledge, "" for nothing.
func (k *packer) pack(req *sink.Request, g *group, s *settings) (msg []byte, chunk string, err error) {
	size := 2
	if s.options {
		size = 3
	}
	k.msg = record.AppendStrBytes(record.AppendArrayHeader(k.msg[:0], size), g.tag)
	if s.compress == "" {
		// A bin32 whatever its length is, so that the entries need no second copy.
		k.msg = append(k.msg, 0xc6, 0, 0, 0, 0)
		start := len(k.msg)
		k.msg = appendEntries(k.msg, req, g)
		binary.BigEndian.PutUint32(k.msg[start-4:], uint32(len(k.msg)-start))
	} else {
		k.plain = appendEntries(k.plain[:0], req, g)
		if err := k.compress(s.compress); err != nil {
			return nil, "", err
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

// appendOptions puts chunk first, where Fluent Bit has it.
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

// compress fills out.
func (k *packer) compress(how string) error {
	k.out.Reset()
	if how == "zstd" {
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

// maxAck is the largest answer in bytes that a server may give to a message.
const maxAck = 1 << 10

// readAck waits for the server's answer.
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
			return fmt.Errorf("the answer: %w", err)
		}
		v, _ := record.Find(buf[:n], "ack")
		if id, _ := record.Text(v); string(id) != chunk {
			return fmt.Errorf("the answer is about %q, not about %q", id, chunk)
		}
		return nil
	}
	return fmt.Errorf("the answer is longer than %d bytes", maxAck)
}
