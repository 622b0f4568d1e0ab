package kafka

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Show implements sink.Shower: the message's value, its topic, key and headers.
func (k *destination) Show(item, key []byte) (value []byte, where []string) {
	where = []string{"topic", string(key)}
	var rec kgo.Record
	if _, err := k.decode(&rec, nil, item); err != nil { // an item that isn't Append's
		return nil, where
	}
	if rec.Key != nil {
		where = append(where, "key", string(rec.Key))
	}
	if rec.Partition >= 0 {
		where = append(where, "partition", strconv.Itoa(int(rec.Partition)))
	}
	for _, h := range rec.Headers {
		where = append(where, "header "+h.Key, string(h.Value))
	}
	return rec.Value, where
}
