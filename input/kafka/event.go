package kafka

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// events make events of messages. They belong to one goroutine.
type events struct {
	tag      []byte
	json     bool
	idHeader string // "": not read

	cluster string // the cluster's id; "": not known

	body  []byte
	topic map[string][16]byte // ids of topics that brokers have told
	logs  map[log][10]byte
}

// A log is what a partition's leader has written in one term of office: in it no two records have the same offset, whatever is
// truncated or created anew.
type log struct {
	topic     string
	id        [16]byte
	partition int32
	epoch     int32
}

// maxLogs is how many logs' identities are kept.
const maxLogs = 4096

// tooLarge is the reason of a message that no event can hold.
const tooLarge = "message is too large"

func newEvents(o *Options, tag string) events {
	e := events{tag: []byte(tag), json: o.Format == "json", idHeader: o.IDHeader, topic: map[string][16]byte{}, logs: map[log][10]byte{}}
	switch o.IDHeader {
	case "false", "off", "no":
		e.idHeader = ""
	}
	if len(e.tag) > record.MaxTag {
		e.tag = e.tag[:record.MaxTag]
	}
	return e
}

// needsCluster reports whether a broker doesn't tell the ids of topics, so that the cluster's id is needed.
func (e *events) needsCluster(fetches kgo.Fetches) bool {
	for _, f := range fetches {
		for _, t := range f.Topics {
			if e.topicID(t) == ([16]byte{}) {
				return true
			}
		}
	}
	return false
}

// topicID is the topic's id, zero if brokers don't tell it.
func (e *events) topicID(t kgo.FetchTopic) [16]byte {
	if t.TopicID == ([16]byte{}) {
		return e.topic[t.Topic]
	}
	if len(e.topic) < maxLogs {
		e.topic[t.Topic] = t.TopicID
	}
	return t.TopicID
}

// add adds an event for each message. It returns the bytes of all, and the last message of each partition.
func (e *events) add(recv input.Receiver, fetches kgo.Fetches) (size int, last []*kgo.Record) {
	identifier, _ := recv.(input.Identifier)
	for _, f := range fetches {
		for _, t := range f.Topics {
			id := e.topicID(t)
			for _, p := range t.Partitions {
				for _, r := range p.Records {
					e.addRecord(recv, identifier, id, r)
					size += len(r.Value) + len(r.Key)
				}
				if n := len(p.Records); n > 0 {
					last = append(last, p.Records[n-1])
				}
			}
		}
	}
	return size, last
}

func (e *events) addRecord(recv input.Receiver, identifier input.Identifier, topicID [16]byte, r *kgo.Record) {
	if len(r.Value)+len(r.Key) > record.MaxJSON {
		recv.Reject(1, tooLarge)
		return
	}
	e.body = e.appendBody(e.body[:0], r)
	at := timeOf(r.Timestamp)
	var origin record.ID
	if identifier != nil {
		origin = e.origin(topicID, r)
	}
	if origin.IsZero() {
		recv.Add(e.tag, at, e.body)
	} else {
		identifier.AddIdentified(e.tag, at, e.body, origin)
	}
	if cap(e.body) > maxKept {
		e.body = nil
	}
}

// maxKept is the largest body in bytes whose memory is kept for the next one.
const maxKept = 64 << 10

// timeOf is the message's own time, which is the same each time that it is consumed; so an index whose name has a date is, too.
func timeOf(t time.Time) record.Time {
	if sec := t.Unix(); sec > 0 && sec < 1<<32 {
		return record.Time{Sec: uint32(sec), Nsec: uint32(t.Nanosecond())}
	}
	now := time.Now()
	return record.Time{Sec: uint32(now.Unix()), Nsec: uint32(now.Nanosecond())}
}

// appendBody appends the members that Fluent Bit makes of a message.
func (e *events) appendBody(b []byte, r *kgo.Record) []byte {
	b = record.AppendStr(record.AppendStr(record.AppendMapHeader(b, 6), "topic"), r.Topic)
	b = record.AppendInt(record.AppendStr(b, "partition"), int64(r.Partition))
	b = record.AppendInt(record.AppendStr(b, "offset"), r.Offset)
	b = record.AppendNil(record.AppendStr(b, "error"))
	b = appendBytes(record.AppendStr(b, "key"), r.Key)
	b = record.AppendStr(b, "payload")
	if e.json && r.Value != nil {
		if out, err := record.AppendFromJSON(b, r.Value); err == nil {
			if _, err := record.Check(out); err == nil { // it may be nested one level too deep
				return out
			}
		}
	}
	return appendBytes(b, r.Value)
}

// appendBytes appends text as a str, other bytes as a bin, and nil as nil.
func appendBytes(b, s []byte) []byte {
	switch {
	case s == nil:
		return record.AppendNil(b)
	case utf8.Valid(s):
		return record.AppendStrBytes(b, s)
	}
	return record.AppendBin(b, s)
}

// origin is the identity of a message: its place in the log, or the id that an output kafka has given it. Zero: it can't be told
// from a message of another cluster.
func (e *events) origin(topicID [16]byte, r *kgo.Record) record.ID {
	if e.idHeader != "" {
		for i := range r.Headers {
			if h := &r.Headers[i]; h.Key == e.idHeader {
				if id, ok := record.ParseID(h.Value); ok {
					return produced(id, r.Value)
				}
			}
		}
	}
	if topicID == ([16]byte{}) && e.cluster == "" {
		return record.ID{}
	}
	l := log{r.Topic, topicID, r.Partition, r.LeaderEpoch}
	queue, ok := e.logs[l]
	if !ok {
		queue = l.identity(e.cluster)
		if len(e.logs) >= maxLogs {
			clear(e.logs)
		}
		e.logs[l] = queue
	}
	return record.ID{Queue: queue, Pos: uint64(r.Offset)}
}

// produced is the identity of a message that was produced with an id. Whoever can write to the topic can write any id. So the
// identity is made of the message, too: no message can take the place of another one with other content. Ids still ascend.
func produced(id record.ID, value []byte) record.ID {
	h := sha256.New()
	var head [18]byte
	copy(head[:], id.Queue[:])
	binary.BigEndian.PutUint64(head[10:], id.Pos)
	h.Write(head[:])
	h.Write(value)
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	out := record.ID{Pos: binary.BigEndian.Uint64(sum[:]) >> 16}
	copy(out.Queue[:4], id.Queue[:])
	copy(out.Queue[4:], head[12:]) // the 48 bits of Pos
	return out
}

// identity is the part of a record's id that is the same for all records of the log. Brokers before Kafka 3.1 don't tell a
// topic's id: there it is the topic's name and the cluster's id.
func (l *log) identity(cluster string) (id [10]byte) {
	b := append(make([]byte, 0, 128), "kafka\x00"...)
	b = append(b, l.id[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(l.partition))
	b = binary.BigEndian.AppendUint32(b, uint32(l.epoch))
	if l.id == ([16]byte{}) {
		b = append(append(append(b, cluster...), 0), l.topic...)
	}
	sum := sha256.Sum256(b)
	copy(id[:], sum[:])
	return id
}
