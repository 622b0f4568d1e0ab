// Package gathertest tests stores against the contract of package gather.
package gathertest

import (
	"bytes"
	"context"
	"encoding/base64"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/gather"
)

// soon is how long a call may take to return after its context has ended, on a busy machine. It is less than the time that a
// store waits for a service by itself.
const soon = 45 * time.Second

// A Case is a store to be tested.
type Case struct {
	// New makes the store with a service that accepts everything.
	New func(t *testing.T) gather.Store
	// Stored returns what the service has under that name, decompressed; ok is false if it has no finished object.
	Stored func(t *testing.T, name string) (body []byte, ok bool)
	// Unfinished returns how many unfinished objects the service has.
	Unfinished func(t *testing.T) int
	// Broken makes the store with a service that never answers.
	Broken func(t *testing.T) gather.Store
}

// Run tests a store against its contract.
func Run(t *testing.T, c Case) {
	t.Run("an object is what was written", func(t *testing.T) { testWhole(t, c) })
	t.Run("an object that is begun again has the same name, and replaces the one before", func(t *testing.T) { testAgain(t, c) })
	t.Run("objects that begin with different records have different names", func(t *testing.T) { testNames(t, c.New(t)) })
	t.Run("what was not saved can be written again", func(t *testing.T) { testRewind(t, c) })
	t.Run("Abort removes what is unfinished", func(t *testing.T) { testAbort(t, c) })
	t.Run("Abandon removes what a dead process left", func(t *testing.T) { testAbandon(t, c) })
	t.Run("Append changes neither the bytes before the record nor the record", func(t *testing.T) { testAppend(t, c.New(t)) })
	t.Run("a record's key depends on the record alone", func(t *testing.T) { testKey(t, c.New(t)) })
	t.Run("Limits are constant and within the loop's means", func(t *testing.T) { testLimits(t, c.New(t)) })
	t.Run("Close leaves no goroutine", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		closed(t, c.New(t))
		if err := leaktest.Find(before, goleak.IgnoreTopFunction("net/http.(*Server).Serve"), goleak.IgnoreTopFunction("internal/poll.runtime_pollWait")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a cancelled call returns soon, with verdict again", func(t *testing.T) { testCancelled(t, c.Broken(t)) })
}

// Record makes a record with a field log that compresses to three quarters.
func Record(pos uint64) *sink.Record {
	noise := make([]byte, 6000)
	rand.NewChaCha8([32]byte{byte(pos), byte(pos >> 8), byte(pos >> 16)}).Read(noise)
	return recordOf("app.web", pos, "log", base64.StdEncoding.EncodeToString(noise))
}

// recordOf makes a record; members are alternately names and values.
func recordOf(tag string, pos uint64, members ...string) *sink.Record {
	b := record.AppendMapHeader(nil, len(members)/2)
	for _, s := range members {
		b = record.AppendStr(b, s)
	}
	return &sink.Record{Event: record.Event{Tag: tag, Time: record.Time{Sec: 1_700_000_000, Nsec: 123_456_789}, Body: b}, ID: record.ID{Pos: pos}}
}

// begin begins an object; notes gets what is noted.
func begin(s gather.Store, pos uint64, notes *[][2]string) gather.Object {
	return s.Create(Record(pos), gather.Start{Index: pos, Note: func(name, token string) error {
		if notes != nil {
			*notes = append(*notes, [2]string{name, token})
		}
		return nil
	}})
}

// body encodes records from a position on, about bytes in all.
func body(t *testing.T, s gather.Store, pos uint64, size int) (b []byte) {
	t.Helper()
	for len(b) < size {
		var err error
		if b, err = s.Append(b, Record(pos)); err != nil {
			t.Fatal(err)
		}
		pos++
	}
	return b
}

// write writes b in pieces, and returns how much of it was saved last.
func write(t *testing.T, o gather.Object, b []byte) (saved int) {
	t.Helper()
	const piece = 100 << 10
	for at := 0; at < len(b); at += piece {
		end := min(at+piece, len(b))
		part := bytes.Clone(b[at:end])
		if r := o.Write(t.Context(), part); r.Verdict != sink.Done {
			t.Fatalf("write: %+v", r)
		}
		clear(part) // the loop reuses it at once
		if o.Saved() {
			saved = end
		}
	}
	return saved
}

func finish(t *testing.T, o gather.Object) {
	t.Helper()
	if r := o.Finish(t.Context()); r.Verdict != sink.Done || r.Err != nil {
		t.Fatalf("finish: %+v", r)
	}
}

func (c *Case) want(t *testing.T, name string, want []byte) {
	t.Helper()
	got, ok := c.Stored(t, name)
	if !ok || !bytes.Equal(got, want) {
		t.Errorf("got an object %s of %d bytes (%v), want the %d bytes that were written", name, len(got), ok, len(want))
	}
	if n := c.Unfinished(t); n != 0 {
		t.Errorf("got %d unfinished objects, want none", n)
	}
}

func testWhole(t *testing.T, c Case) {
	s := c.New(t)
	defer closed(t, s)
	for i, size := range []int{1, 2 * s.Limits().PartBytes} {
		pos := uint64(1000 * (i + 1))
		o, b := begin(s, pos, nil), body(t, s, pos, size)
		if !o.Saved() || o.Size() != 0 {
			t.Errorf("a new object is saved: %v, and has %d bytes; want true and 0", o.Saved(), o.Size())
		}
		write(t, o, b)
		if o.Size() == 0 {
			t.Error("got size 0 of an object with records")
		}
		finish(t, o)
		c.want(t, o.Name(), b)
	}
}

func testAgain(t *testing.T, c Case) {
	s := c.New(t)
	defer closed(t, s)
	first, b := begin(s, 5, nil), body(t, s, 5, 2*s.Limits().PartBytes)
	write(t, first, b)
	finish(t, first)
	again := begin(s, 5, nil)
	if again.Name() != first.Name() {
		t.Errorf("got the name %s, and then %s for the same record", first.Name(), again.Name())
	}
	b = body(t, s, 5, len(b)/4)
	write(t, again, b)
	finish(t, again)
	c.want(t, again.Name(), b)
}

func testNames(t *testing.T, s gather.Store) {
	defer closed(t, s)
	names := make(map[string]uint64)
	for pos := range uint64(1000) {
		name := begin(s, pos, nil).Name()
		if other, ok := names[name]; ok {
			t.Fatalf("records %d and %d give the same name %s", other, pos, name)
		}
		names[name] = pos
	}
}

func testRewind(t *testing.T, c Case) {
	s := c.New(t)
	defer closed(t, s)
	o, b := begin(s, 9, nil), body(t, s, 9, 2*s.Limits().PartBytes)
	saved := write(t, o, b)
	size := o.Size()
	o.Rewind()
	if !o.Saved() || o.Size() > size || saved == 0 && o.Size() != 0 {
		t.Errorf("after Rewind the object is saved: %v, and has %d bytes of %d", o.Saved(), o.Size(), size)
	}
	write(t, o, b[saved:])
	finish(t, o)
	c.want(t, o.Name(), b)
}

func testAbort(t *testing.T, c Case) {
	s := c.New(t)
	defer closed(t, s)
	o := begin(s, 11, nil)
	write(t, o, body(t, s, 11, 2*s.Limits().PartBytes))
	o.Abort(t.Context())
	if _, ok := c.Stored(t, o.Name()); ok || c.Unfinished(t) != 0 {
		t.Errorf("got a finished object: %v, and %d unfinished; want neither", ok, c.Unfinished(t))
	}
}

// What was noted last, and each note before it, is enough to find what is left: the process may die at any moment.
func testAbandon(t *testing.T, c Case) {
	s := c.New(t)
	defer closed(t, s)
	for n := 0; ; n++ {
		var notes [][2]string
		o := begin(s, uint64(100+n), &notes)
		write(t, o, body(t, s, 13, 2*s.Limits().PartBytes))
		if c.Unfinished(t) > 0 && len(notes) == 0 {
			t.Fatal("an unfinished object was not noted")
		}
		if n >= len(notes) {
			o.Abort(t.Context())
			return
		}
		for range 2 { // a process may die before it notes that nothing is left
			if r := s.Abandon(t.Context(), notes[n][0], notes[n][1]); r.Verdict != sink.Done {
				t.Fatalf("abandon: %+v", r)
			}
		}
		if left := c.Unfinished(t); left != 0 {
			t.Errorf("note %d: got %d unfinished objects, want none", n, left)
		}
	}
}

func testAppend(t *testing.T, s gather.Store) {
	defer closed(t, s)
	r := Record(1)
	whole := bytes.Clone(r.Body)
	out, err := s.Append([]byte("before"), r)
	if err != nil || !bytes.HasPrefix(out, []byte("before")) || !bytes.Equal(r.Body, whole) {
		t.Errorf("got %q, %v", out, err)
	}
	for _, r := range []*sink.Record{recordOf("", 1), {Event: record.Event{Tag: "\xff", Body: []byte{0x82, 0xc0, 0xc0, 0x07, 0x90}}}} {
		if out, err := s.Append([]byte("before"), r); err != nil && string(out) != "before" {
			t.Errorf("an error changed the body: %q, %v", out, err)
		}
	}
}

func testKey(t *testing.T, s gather.Store) {
	defer closed(t, s)
	r := Record(1)
	one := s.Key([]byte("before"), r)
	if !bytes.HasPrefix(one, []byte("before")) || !bytes.Equal(one, s.Key([]byte("before"), r)) {
		t.Errorf("got %q, and then %q", one, s.Key(nil, r))
	}
}

func testLimits(t *testing.T, s gather.Store) {
	defer closed(t, s)
	l := s.Limits()
	if l != s.Limits() {
		t.Error("limits change")
	}
	if l.ObjectBytes <= 0 || l.PartBytes <= 0 || int64(l.PartBytes) > l.ObjectBytes || l.MaxAge <= 0 && l.Slice <= 0 || l.Memory <= 0 || l.Memory > maxMemory {
		t.Errorf("limits: %+v", l)
	}
}

// maxMemory is what an object in progress may take, in bytes: two of them and all else must fit into 50 MiB.
const maxMemory = 10 << 20

func testCancelled(t *testing.T, s gather.Store) {
	defer closed(t, s)
	o := begin(s, 1, nil)
	for name, call := range map[string]func(ctx context.Context) sink.Reply{
		"write":   func(ctx context.Context) sink.Reply { return o.Write(ctx, body(t, s, 1, 2*s.Limits().PartBytes)) },
		"finish":  o.Finish,
		"abandon": func(ctx context.Context) sink.Reply { return s.Abandon(ctx, o.Name(), "token") },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		r := call(ctx)
		cancel()
		if took := time.Since(start); took > soon {
			t.Errorf("%s took %v", name, took)
		}
		if r.Verdict == sink.Never || r.Verdict == sink.Again && (r.Err == nil || r.Cause == sink.Answered) {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "finish" && r.Verdict == sink.Done {
			t.Error("an object was finished by a service that doesn't answer")
		}
	}
	o.Rewind()
}

func closed(t *testing.T, s gather.Store) {
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}
