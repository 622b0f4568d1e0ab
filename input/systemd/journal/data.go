package journal

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// How the payload of an object is compressed.
const (
	flagXZ = 1 << iota
	flagLZ4
	flagZstd
)

// Errors of fields that are not damaged, and that are left out.
var (
	ErrXZ      = errors.New("a field is compressed with XZ, which is not supported; want a journal with LZ4 or Zstandard")
	ErrTooLong = fmt.Errorf("a field is longer than %d KiB", MaxField>>10)
)

// A Decoder decompresses fields. Its zero value is ready. It belongs to one goroutine.
type Decoder struct {
	zstd *zstd.Decoder // nil: none was needed yet
	out  []byte
}

// maxZstdWindow is the largest window of Zstandard, that which its specification recommends to support.
const maxZstdWindow = 8 << 20

// Field returns the field at an offset, its name and its value. They are valid until the next call of a method of the File.
func (f *File) Field(at int64) (name, value []byte, err error) {
	payload, flags, err := f.payload(at)
	if err != nil {
		return nil, nil, err
	}
	if flags != 0 {
		if payload, err = f.dec.decompress(payload, flags); err != nil {
			return nil, nil, err
		}
	}
	name, value, ok := bytes.Cut(payload, []byte("="))
	if !ok || len(name) == 0 {
		return nil, nil, damaged("the field at %d has no name", at)
	}
	return name, value, nil
}

// payload returns the bytes of the data object at an offset, and how they are compressed.
func (f *File) payload(at int64) (payload []byte, flags byte, err error) {
	head := dataHeader
	if f.compact {
		head = compactData
	}
	if at < headerSize || at > maxOffset {
		return nil, 0, damaged("invalid offset %d of a field", at)
	}
	read := f.near.read
	if !f.near.has(at, head) && at < f.near.at { // older
		read = f.far.readFar
	}
	b, err := read(f.r, at, head)
	if err != nil {
		return nil, 0, err
	}
	size := u64(b[8:])
	flags = b[1]
	switch {
	case b[0] != typeData || size < uint64(head) || flags&^(flagXZ|flagLZ4|flagZstd) != 0:
		return nil, 0, damaged("there is no field at %d", at)
	case flags&flagXZ != 0:
		return nil, 0, ErrXZ
	case size > MaxField+uint64(head):
		return nil, 0, ErrTooLong
	}
	b, err = read(f.r, at, int(size))
	if err != nil {
		return nil, 0, err
	}
	return b[head:], flags, nil
}

// decompress decompresses a payload, if it does not become too long.
func (d *Decoder) decompress(b []byte, flags byte) (_ []byte, err error) {
	if cap(d.out) > keptField {
		d.out = nil
	}
	if flags&flagLZ4 != 0 {
		return d.lz4(b)
	}
	if d.zstd == nil {
		if d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxField),
			zstd.WithDecoderMaxWindow(maxZstdWindow)); err != nil {
			return nil, err
		}
	}
	d.out, err = d.zstd.DecodeAll(b, d.out[:0])
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, ErrTooLong
	case err != nil:
		return nil, damaged("a field can't be decompressed: %v", err)
	}
	return d.out, nil
}

// keptField is how many bytes of a decompressed field are kept for the next one.
const keptField = 128 << 10

// zstdMemory is about what Zstandard's decoder has, in bytes.
const zstdMemory = 512 << 10

// lz4 decompresses a block, before which its length stands.
func (d *Decoder) lz4(b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, damaged("a field is too short for LZ4")
	}
	size := u64(b)
	switch {
	case size > MaxField:
		return nil, ErrTooLong
	case size == 0: // the library doesn't check that
		return nil, damaged("a field is empty")
	}
	if uint64(cap(d.out)) < size {
		d.out = make([]byte, size)
	}
	n, err := lz4.UncompressBlock(b[8:], d.out[:size])
	if err != nil || uint64(n) != size {
		return nil, damaged("a field can't be decompressed: %d bytes of %d, %v", n, size, err)
	}
	return d.out[:n], nil
}

// Memory is about how many bytes the Decoder has.
func (d *Decoder) Memory() int {
	if d.zstd == nil {
		return cap(d.out)
	}
	return cap(d.out) + zstdMemory
}
