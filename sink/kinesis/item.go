package kinesis

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// An item is a header of three bytes, the partition key and the data. The header is the key's origin and length:
//
//	origin (1)  length (2, big-endian)  key  data
const headerLen = 3

// Where a key comes from.
const (
	random  = iota // the record's id
	written        // the field partition_key, or fixed_partition_key
)

// A keyer makes partition keys.
type keyer struct {
	at    field.Accessor // nil: random keys
	fixed string
}

// append appends r's key to dst, valid UTF-8 of at most maxKey characters. A random key is the record's id: the same one at each
// attempt, and spread over the shards evenly, since Kinesis hashes it.
func (k *keyer) append(dst []byte, r *sink.Record) (out []byte, origin byte) {
	if k.fixed != "" {
		return append(dst, k.fixed...), written
	}
	start := len(dst)
	if v, ok := k.at.FindScalar(&r.Event); ok {
		dst = record.AppendText(dst, v)
	}
	if key := dst[start:]; len(key) > 0 {
		if len(key) > maxKey {
			key = cut(key[:min(len(key), maxKey*utf8.UTFMax)])
		}
		if !utf8.Valid(key) {
			key = cut(bytes.ToValidUTF8(key, []byte("\ufffd")))
		}
		return append(dst[:start], key...), written
	}
	return r.ID.Append(dst), random
}

// cut cuts a key after maxKey characters.
func cut(key []byte) []byte {
	n := 0
	for i := range string(key) {
		if n == maxKey {
			return key[:i]
		}
		n++
	}
	return key
}

// keyOf returns an item's partition key and its data.
func keyOf(item []byte) (origin byte, key, data []byte) {
	n := headerLen + int(binary.BigEndian.Uint16(item[1:]))
	return item[0], item[headerLen:n:n], item[n:]
}

// Append encodes r as a key and the data of one record.
func (d *Destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	start := len(body)
	body, origin := d.keyer.append(append(body, 0, 0, 0), r)
	body[start] = origin
	binary.BigEndian.PutUint16(body[start+1:], uint16(len(body)-start-headerLen))
	body, err := d.Encoder.Append(body, r)
	if err != nil {
		return body[:start], err
	}
	if n := len(body) - start - headerLen; n > d.largest {
		return body[:start], fmt.Errorf("the record is %d bytes long with its partition key; Kinesis takes at most %d", n, d.largest)
	}
	return body, nil
}
