package kinesistest

import (
	"bytes"
	"crypto/md5" // of the format
	"encoding/binary"
	"errors"
	"fmt"
)

// A UserRecord is one of the records in an aggregated record.
type UserRecord struct {
	Key  string
	Data []byte
}

// Deaggregate reads an aggregated record as readers' libraries do ("KPL Aggregated Record Format", in the repository of the
// Kinesis Producer Library). It knows nothing of how they are written. A record that isn't aggregated is returned as it is.
func Deaggregate(r Record) ([]UserRecord, error) {
	message, ok := bytes.CutPrefix(r.Data, []byte{0xF3, 0x89, 0x9A, 0xC2})
	if !ok || len(message) < md5.Size {
		return []UserRecord{{r.Key, r.Data}}, nil
	}
	message, sum := message[:len(message)-md5.Size], message[len(message)-md5.Size:]
	if got := md5.Sum(message); !bytes.Equal(got[:], sum) {
		return []UserRecord{{r.Key, r.Data}}, nil // by chance it begins with the magic number
	}
	var keys []string
	var records []UserRecord
	err := fields(message, func(number int, value uint64, content []byte) error {
		switch number {
		case 1:
			keys = append(keys, string(content))
		case 2:
			return errors.New("a hash key, which firelane doesn't write")
		case 3:
			u, err := userRecord(content, keys)
			records = append(records, u)
			return err
		default:
			return fmt.Errorf("field %d of an aggregated record", number)
		}
		return nil
	})
	return records, err
}

func userRecord(message []byte, keys []string) (u UserRecord, err error) {
	index, data := -1, []byte(nil)
	err = fields(message, func(number int, value uint64, content []byte) error {
		switch number {
		case 1:
			index = int(value)
		case 3:
			data = content
		default:
			return fmt.Errorf("field %d of a record", number)
		}
		return nil
	})
	switch {
	case err != nil:
	case index < 0 || index >= len(keys):
		err = fmt.Errorf("partition key %d of %d", index, len(keys))
	case data == nil:
		err = errors.New("a record without data")
	default:
		u = UserRecord{keys[index], data}
	}
	return u, err
}

// fields reads a message of Protocol Buffers: numbers and what has a length.
func fields(message []byte, use func(number int, value uint64, content []byte) error) error {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return errors.New("a tag is cut off")
		}
		message = message[n:]
		value, n := binary.Uvarint(message)
		if n <= 0 {
			return errors.New("a number is cut off")
		}
		message = message[n:]
		content := []byte(nil)
		switch tag & 7 {
		case 0:
		case 2:
			if value > uint64(len(message)) {
				return errors.New("content is cut off")
			}
			content, message = message[:value:value], message[value:]
			if content == nil {
				content = []byte{}
			}
		default:
			return fmt.Errorf("wire type %d", tag&7)
		}
		if err := use(int(tag>>3), value, content); err != nil {
			return err
		}
	}
	return nil
}
