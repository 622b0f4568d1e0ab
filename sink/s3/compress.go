package s3

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/firelane/firelane/sink/s3/parquet"
)

// zstdWindow is the window of zstd in bytes: a compressor takes a few times as much memory.
const zstdWindow = 256 << 10

// snappyBlock is the largest block of snappy's framing format, in bytes.
const snappyBlock = 64 << 10

// A compressor writes compressed bytes to a buffer. What it has written after Close can be read by itself, and be followed by
// others: members of gzip, frames of zstd, streams of snappy's framing format.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// newCompressor makes the compressor with that name; nil for none.
func newCompressor(name string) (compressor, error) {
	switch name {
	case "", "none":
		return nil, nil
	case "gzip":
		return gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	case "zstd":
		return zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	case "snappy":
		return s2.NewWriter(io.Discard, s2.WriterSnappyCompat(), s2.WriterConcurrency(1), s2.WriterBlockSize(snappyBlock)), nil
	}
	return nil, errors.New("unknown compression " + name)
}

// A partBuffer is the part that is being made. It belongs to one object at a time.
type partBuffer struct {
	bytes.Buffer
	zip  compressor
	open bool // zip has been given something since it was closed
	rows parquet.Rows
}

// add appends bytes to the part. file is the object's, if that is a Parquet file.
func (p *partBuffer) add(body []byte, file *parquet.File) error {
	if file != nil {
		if p.rows.Add(body); p.rows.Len() < parquet.GroupBytes || !p.rows.Whole() {
			return nil
		}
		return file.Append(&p.Buffer, &p.rows)
	}
	if p.zip == nil {
		p.Write(body)
		return nil
	}
	if !p.open {
		p.zip.Reset(&p.Buffer)
		p.open = true
	}
	_, err := p.zip.Write(body)
	return err
}

// end completes the part.
func (p *partBuffer) end(file *parquet.File) error {
	if file != nil {
		return file.Append(&p.Buffer, &p.rows)
	}
	if !p.open {
		return nil
	}
	p.open = false
	return p.zip.Close()
}

// clear empties the part.
func (p *partBuffer) clear() {
	if p.open {
		p.zip.Reset(io.Discard)
		p.open = false
	}
	p.rows.Reset()
	p.Reset()
}
