package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// Numbers of parquet-format's parquet.thrift.
const (
	encodingPlain, encodingRLE             = 0, 3
	optional                               = 1 // FieldRepetitionType
	utf8Text                               = 0 // ConvertedType
	dataPage                               = 0 // PageType
	logicalString              byte        = 1 // of LogicalType
	codecNone                  codecNumber = 0
	codecSnappy                codecNumber = 1
	codecGzip                  codecNumber = 2
	codecZstd                  codecNumber = 6
)

type codecNumber int

// zstdWindow is zstd's window in bytes. A compressor takes a few times that memory.
const zstdWindow = 256 << 10

// An Encoder encodes and compresses pages, for one file at a time.
type Encoder struct {
	number codecNumber
	gzip   *gzip.Writer
	zstd   *zstd.Encoder

	rows               []columnRows // of the file's columns
	page, packed, json []byte
}

// NewEncoder makes an Encoder. compression is none, snappy, gzip or zstd; any other name is an error.
func NewEncoder(compression string) (c *Encoder, err error) {
	c = new(Encoder)
	switch compression {
	case "none":
	case "snappy":
		c.number = codecSnappy
	case "gzip":
		c.number = codecGzip
		c.gzip, err = gzip.NewWriterLevel(nil, gzip.BestSpeed)
	case "zstd":
		c.number = codecZstd
		c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	default:
		err = errors.New("unknown compression of Parquet: " + compression + "; want none, snappy, gzip or zstd")
	}
	return c, err
}

// compress returns e.page, compressed.
func (e *Encoder) compress() ([]byte, error) {
	switch e.number {
	case codecSnappy:
		e.packed = snappy.Encode(e.packed[:cap(e.packed)], e.page)
	case codecZstd:
		e.packed = e.zstd.EncodeAll(e.page, e.packed[:0])
	case codecGzip:
		out := bytes.NewBuffer(e.packed[:0])
		e.gzip.Reset(out)
		if _, err := e.gzip.Write(e.page); err != nil {
			return nil, err
		}
		if err := e.gzip.Close(); err != nil {
			return nil, err
		}
		e.packed = out.Bytes()
	default:
		return e.page, nil
	}
	return e.packed, nil
}

// appendLevels appends the definition levels of a page: 1 for a row that has a value, else 0, in the hybrid encoding of
// parquet-format's Encodings.md, prefixed with its length in bytes.
func appendLevels(dst []byte, defined []bool) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	if uniform(defined) { // one RLE run
		dst = binary.AppendUvarint(dst, uint64(len(defined))<<1)
		dst = append(dst, bit(len(defined) > 0 && defined[0]))
	} else { // bit-packed groups of eight
		groups := (len(defined) + 7) / 8
		dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
		dst = appendBits(dst, defined)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

func uniform(all []bool) bool {
	for _, v := range all {
		if v != all[0] {
			return false
		}
	}
	return true
}

// appendBits appends bits, the first one in the lowest bit of the first byte.
func appendBits(dst []byte, all []bool) []byte {
	for i, v := range all {
		if i%8 == 0 {
			dst = append(dst, 0)
		}
		dst[len(dst)-1] |= bit(v) << (i % 8)
	}
	return dst
}

func bit(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// appendPageHeader appends the header of a page of n rows, of plain bytes that were compressed to packed bytes.
func appendPageHeader(dst []byte, n, plain, packed int) []byte {
	t := thrift{b: dst}
	t.structure(func() {
		t.i32(1, dataPage)
		t.i32(2, plain)
		t.i32(3, packed)
		t.field(5, thriftStruct)
		t.structure(func() {
			t.i32(1, n)
			t.i32(2, encodingPlain)
			t.i32(3, encodingRLE)
			t.i32(4, encodingRLE)
		})
	})
	return t.b
}
