package kinesis

import (
	"bytes"
	"crypto/md5" // of the format: a checksum against damage, not against forgery
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws/put"
)

// The format of records that are aggregated ("KPL Aggregated Record Format", in the repository of the Kinesis Producer
// Library): a magic number, a message of Protocol Buffers, and the message's MD5.
//
//	message AggregatedRecord {
//		repeated string partition_key_table     = 1;
//		repeated string explicit_hash_key_table = 2;
//		repeated Record records                 = 3;
//	}
//	message Record {
//		required uint64 partition_key_index     = 1;
//		optional uint64 explicit_hash_key_index = 2;
//		required bytes  data                    = 3;
//	}
const (
	magic = "\xf3\x89\x9a\xc2"

	tagKeyTable = 1<<3 | 2
	tagRecords  = 3<<3 | 2
	tagKeyIndex = 1 << 3
	tagData     = 3<<3 | 2
)

// together is the largest record in bytes that several records are made, as in the Kinesis Producer Library: two of the units
// of 25 KB that Kinesis charges for, and small enough to be spread over the shards. A record that is larger is sent as it is.
const together = 51_200

// aggregated yields records of as many items as fit together. They have one partition key: the reader's library drops what is
// in a record that isn't of its own shard, and only records of one key are certain to be of the same shard.
func (d *Destination) aggregated(req *sink.Request, items []int) iter.Seq[put.Record] {
	if d.keyer.at != nil {
		items = slices.Clone(items)
		slices.SortStableFunc(items, func(a, b int) int { return compareKeys(req.Item(a), req.Item(b)) })
	}
	return func(yield func(put.Record) bool) {
		buf := make([]byte, 0, together)
		for len(items) > 0 {
			n, size := 1, d.sizeOf(req.Item(items[0]), true)
			for ; n < len(items) && compareKeys(req.Item(items[0]), req.Item(items[n])) == 0; n++ {
				if size += d.sizeOf(req.Item(items[n]), false); size > together {
					break
				}
			}
			var ok bool
			if buf, ok = d.yield(yield, buf[:0], req, items[:n]); !ok {
				return
			}
			items = items[n:]
		}
	}
}

// yield yields the record of items. buf is its memory, which is returned.
func (d *Destination) yield(yield func(put.Record) bool, buf []byte, req *sink.Request, items []int) ([]byte, bool) {
	_, key, data := keyOf(req.Item(items[0]))
	r := put.Record{Key: key, Data: data, Items: items}
	switch {
	case d.simple:
		if len(items) > 1 {
			for _, i := range items {
				_, _, data := keyOf(req.Item(i))
				buf = append(buf, data...)
			}
			r.Data = buf
		}
		if d.compressor != nil {
			z := d.compressor.Compress(r.Data)
			defer d.compressor.Put(z)
			r.Data = z.Bytes()
		}
	case len(items) > 1:
		buf = appendAggregated(buf, key, req, items)
		r.Data = buf
	}
	return buf, yield(r)
}

// compareKeys orders items by their key. Random keys are equal: such records may be together.
func compareKeys(a, b []byte) int {
	aOrigin, aKey, _ := keyOf(a)
	bOrigin, bKey, _ := keyOf(b)
	switch {
	case aOrigin != bOrigin:
		return int(aOrigin) - int(bOrigin)
	case aOrigin == random:
		return 0
	}
	return bytes.Compare(aKey, bKey)
}

// sizeOf is by how many bytes an item makes a record larger, as the first one of it or as another one.
func (d *Destination) sizeOf(item []byte, first bool) int {
	_, key, data := keyOf(item)
	n := len(data)
	if !d.simple {
		n = 1 + sizeBytes(sizeRecord(data))
	}
	if first {
		n += len(key) // which counts for the record's size
		if !d.simple {
			n += len(magic) + 1 + sizeBytes(len(key)) + md5.Size
		}
	}
	return n
}

// sizeRecord is the size of a message Record, sizeBytes that of n bytes with their length.
func sizeRecord(data []byte) int { return 2 + 1 + sizeBytes(len(data)) }
func sizeBytes(n int) int        { return (bits.Len64(uint64(n)|1)+6)/7 + n }

// appendAggregated appends the record that items make.
func appendAggregated(dst, key []byte, req *sink.Request, items []int) []byte {
	dst = append(dst, magic...)
	start := len(dst)
	dst = binary.AppendUvarint(append(dst, tagKeyTable), uint64(len(key)))
	dst = append(dst, key...)
	for _, i := range items {
		_, _, data := keyOf(req.Item(i))
		dst = binary.AppendUvarint(append(dst, tagRecords), uint64(sizeRecord(data)))
		dst = append(dst, tagKeyIndex, 0, tagData)
		dst = append(binary.AppendUvarint(dst, uint64(len(data))), data...)
	}
	sum := md5.Sum(dst[start:])
	return append(dst, sum[:]...)
}
