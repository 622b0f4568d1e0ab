package loki

import (
	"bytes"
	"slices"
	"sync"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/wire"
)

// A tenant is the streams of a request that belong to one.
type tenant struct {
	name    []byte
	streams []stream
}

// A stream is the items of a request with the same labels.
type stream struct {
	labels []byte
	items  []int
}

// only returns the tenant's item if it has just one.
func (t *tenant) only() (item int, ok bool) {
	if len(t.streams) != 1 || len(t.streams[0].items) != 1 {
		return 0, false
	}
	return t.streams[0].items[0], true
}

// groupByTenant groups the request's items.
func groupByTenant(req *sink.Request) []tenant {
	var out []tenant
	for key, items := range req.ByKey() {
		name, labels := splitKey(key)
		i := slices.IndexFunc(out, func(t tenant) bool { return bytes.Equal(t.name, name) })
		if i < 0 {
			i, out = len(out), append(out, tenant{name: name})
		}
		out[i].streams = append(out[i].streams, stream{labels, inOrder(req, items)})
	}
	return out
}

// inOrder sorts items by their time: a Loki without unordered writes refuses an entry that is older than the one before.
func inOrder(req *sink.Request, items []int) []int {
	var last moment
	for _, i := range items {
		at := timeOf(req.Item(i))
		if at.compare(last) < 0 {
			items = slices.Clone(items)
			slices.SortStableFunc(items, func(a, b int) int { return timeOf(req.Item(a)).compare(timeOf(req.Item(b))) })
			break
		}
		last = at
	}
	return items
}

// A body is memory for a request before it is compressed.
type body struct{ plain []byte }

// maxKeptBody is the largest body in bytes that is kept for the next request.
const maxKeptBody = 2 << 20

// bodies are the unused bodies of one destination.
type bodies struct{ pool sync.Pool }

func (p *bodies) get() *body {
	if b, ok := p.pool.Get().(*body); ok {
		return b
	}
	return new(body)
}

func (p *bodies) put(b *body) {
	if cap(b.plain) <= maxKeptBody {
		p.pool.Put(b)
	}
}

// encode makes the PushRequest of a tenant, valid until the next call.
func (b *body) encode(req *sink.Request, t *tenant) []byte {
	b.plain = b.plain[:0]
	var head [16]byte
	for _, s := range t.streams {
		size := len(wire.AppendHeader(head[:0], streamLabels, len(s.labels))) + len(s.labels)
		for _, i := range s.items {
			size += len(req.Item(i))
		}
		b.plain = wire.AppendHeader(b.plain, requestStreams, size)
		b.plain = wire.AppendBytes(b.plain, streamLabels, s.labels)
		for _, i := range s.items {
			b.plain = append(b.plain, req.Item(i)...)
		}
	}
	return b.plain
}

// A moment is the time of an entry.
type moment struct{ sec, nsec int64 }

func (m moment) compare(o moment) int {
	if m.sec != o.sec {
		return int(m.sec - o.sec)
	}
	return int(m.nsec - o.nsec)
}

// timeOf reads the time of an item that append wrote.
func timeOf(item []byte) (m moment) {
	_, _, entry, _, _ := wire.Next(item)
	_, _, at, _, _ := wire.Next(entry)
	for ok := true; ok; {
		var field int
		var v uint64
		if field, v, _, at, ok = wire.Next(at); field == timeSeconds {
			m.sec = int64(v)
		} else if field == timeNanos {
			m.nsec = int64(v)
		}
	}
	return m
}

// lineLen reads the length in bytes of the line of an item that append wrote.
func lineLen(item []byte) int {
	_, _, entry, _, _ := wire.Next(item)
	_, _, _, rest, _ := wire.Next(entry)
	_, _, line, _, _ := wire.Next(rest)
	return len(line)
}
