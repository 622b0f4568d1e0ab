package kafka

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// A checker is a Receiver that checks what it gets.
type checker struct {
	*testing.T
	n int
}

func (c *checker) Add(tag []byte, t record.Time, body []byte) {
	c.AddIdentified(tag, t, body, record.ID{})
}

func (c *checker) AddIdentified(_ []byte, _ record.Time, body []byte, _ record.ID) {
	if n, err := record.Check(body); err != nil || n != len(body) || record.KindOf(body[0]) != record.KindMap {
		c.Errorf("got %q, which is read to %d of %d, %v", body, n, len(body), err)
	}
	c.n++
}

func (c *checker) Flush(context.Context) error { return nil }

func (c *checker) Reject(n int, _ string) { c.n += n }

// Whatever a message is, it becomes a record.
func FuzzMessages(f *testing.F) {
	for _, s := range []string{"", "text", `{"a":[1,2.5,null,true],"b":{"c":"d"}}`, "\xff\xfe", "[[[[", `{"a":1e999}`, "0Kq4567890abcdefghijkA"} {
		f.Add([]byte(s), []byte(s), true)
	}
	f.Fuzz(func(t *testing.T, key, value []byte, asJSON bool) {
		o := &Options{IDHeader: "id", Format: map[bool]string{true: "json", false: "none"}[asJSON]}
		e := newEvents(o, "kafka.0")
		e.cluster = "c"
		c := &checker{T: t}
		e.addRecord(c, input.Identifier(c), [16]byte{}, &kgo.Record{Topic: "t", Key: key, Value: value, Headers: []kgo.RecordHeader{{Key: "id", Value: key}}})
		if c.n != 1 {
			t.Errorf("got %d records of one message", c.n)
		}
	})
}
