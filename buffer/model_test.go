package buffer

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// FuzzQueue holds the queue against a model: a slice of batches, each delivered, in flight or waiting. Every byte of the
// script is one step. The model says what may come out after a crash: all that isn't committed, in order, under the
// ids of its birth, and of what is committed only what lies in one segment with, and after, something that isn't.
func FuzzQueue(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x80\x81\x82"), uint16(300))
	f.Fuzz(func(t *testing.T, script []byte, segment uint16) {
		m := &model{t: t, fs: newFolder(), segment: max(dataAt, int64(segment))}
		m.folder = m.fs
		m.open()
		for _, b := range script[:min(len(script), 2000)] {
			m.step(b)
			m.check()
		}
		m.end()
	})
}

type model struct {
	t       *testing.T
	fs      *memory
	folder  FS // fs as the queue sees it
	segment int64
	q       *Queue
	batches []modelBatch // all that were ever appended
	next    int          // the first that wasn't taken
	chunks  []*Chunk     // in flight

	appended int // the next batch's number
}

type modelBatch struct {
	delivery
	bytes     int64
	committed bool
}

func (m *model) open() {
	m.q = mustOpen(m.t, Options{FS: m.folder, SegmentSize: m.segment, Limit: 1 << 30})
	m.q.padBy = m.segment % 3 * 50
	m.q.maxSegSize = 4 * m.segment
}

func (m *model) step(b byte) {
	arg := int(b >> 3)
	switch b & 7 {
	case 0, 1, 2:
		for range 1 + arg%4 {
			m.append()
		}
	case 3, 4:
		m.take(arg * 20)
	case 5, 6:
		if len(m.chunks) > 0 {
			m.commit(arg % len(m.chunks))
		}
	case 7:
		switch arg % 4 {
		case 0:
			m.q.Close()
			m.reopen()
		case 1: // a crash
			m.fs = m.fs.clone()
			m.folder = m.fs
			m.reopen()
		default:
			if len(m.chunks) > 0 {
				m.q.Release(m.chunks[0])
				m.chunks = m.chunks[1:]
			}
		}
	}
}

func (m *model) append() {
	i := m.appended
	m.appended++
	d := fill(m.t, m.q, i, i+1)[0]
	m.batches = append(m.batches, modelBatch{delivery: d, bytes: frameHeader + int64(len(d.text))})
}

func (m *model) take(maxBytes int) {
	ctx, cancel := context.WithCancel(m.t.Context())
	if m.next == len(m.batches) {
		cancel() // there is nothing, and it must not be waited for
	}
	defer cancel()
	c, err := m.q.Next(ctx, maxBytes, 0)
	if errors.Is(err, context.Canceled) {
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	got := deliveries(c)
	if m.next+len(got) > len(m.batches) {
		m.t.Fatalf("more than was appended: %s", list(got))
	}
	for i, d := range got {
		if want := m.batches[m.next+i].delivery; d != want {
			m.t.Fatalf("got %s, want %s", list(got[i:i+1]), list([]delivery{want}))
		}
	}
	m.next += len(got)
	m.chunks = append(m.chunks, c)
	if maxBytes%40 == 0 {
		m.q.Free(c)
	}
}

func (m *model) commit(i int) {
	c := m.chunks[i]
	if err := m.q.Load(c); err != nil {
		m.t.Fatal(err)
	}
	for _, d := range deliveries(c) {
		j := slices.IndexFunc(m.batches, func(b modelBatch) bool { return b.delivery == d })
		m.batches[j].committed = true
	}
	m.q.Commit(c)
	m.chunks = slices.Delete(m.chunks, i, i+1)
}

// reopen opens the queue again, and learns from a copy of it what will be taken.
func (m *model) reopen() {
	copied := mustOpen(m.t, Options{FS: m.fs.clone(), SegmentSize: m.segment})
	got := deliver(m.t, copied)
	if s := copied.Stats(); s.DroppedRecords > 0 || s.Damaged > 0 {
		m.t.Fatalf("%+v", s)
	}
	var left []modelBatch
	behind := false // something that isn't committed
	for _, b := range m.batches {
		came := len(got) > 0 && got[0] == b.delivery
		switch {
		case came:
			if b.committed && !behind {
				m.t.Fatalf("committed, and nothing before it isn't: %s", list(got[:1]))
			}
			got = got[1:]
			left = append(left, modelBatch{delivery: b.delivery, bytes: b.bytes})
		case !b.committed:
			m.t.Fatalf("lost: %s", list([]delivery{b.delivery}))
		}
		behind = behind || !b.committed
	}
	if len(got) > 0 {
		m.t.Fatalf("from nowhere: %s", list(got))
	}
	m.batches, m.chunks, m.next = left, nil, 0
	m.open()
}

// check holds the accounts against the model's.
func (m *model) check() {
	checkBalance(m.t, m.q)
	var want tally
	for _, b := range m.batches {
		if !b.committed {
			want.add(tally{int64(b.records), b.bytes})
		}
	}
	if s := m.q.Stats(); s.Records != want.records || s.Bytes != want.bytes {
		m.t.Fatalf("%d records in %d bytes, want %d in %d", s.Records, s.Bytes, want.records, want.bytes)
	}
}

// end delivers everything: nothing must be left in the folder.
func (m *model) end() {
	m.q.Close()
	m.reopen()
	deliver(m.t, m.q)
	m.q.Close()
	if names := m.fs.names(); len(names) > 0 {
		m.t.Fatalf("left behind: %v", names)
	}
}
