// Package sinktest tests destinations against the contract of package sink.
package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// soon is how long a Send may take to return after its context has ended, on a busy machine. It is less than the time that
// a destination waits for a service by itself.
const soon = 45 * time.Second

// Record makes a record; members are alternately names and values.
func Record(tag string, pos uint64, members ...string) *sink.Record {
	return &sink.Record{
		Event: record.Event{Tag: tag, Time: record.Time{Sec: 1_700_000_000, Nsec: 123_456_789}, Body: Map(members...)},
		ID:    record.ID{Pos: pos},
	}
}

// Map makes a MessagePack map; members are alternately names and values.
func Map(members ...string) []byte {
	b := record.AppendMapHeader(nil, len(members)/2)
	for _, s := range members {
		b = record.AppendStr(b, s)
	}
	return b
}

// Encode makes a request of records as the loop does. The error is that of the first record that can't be encoded.
func Encode(d sink.Destination, records ...*sink.Record) (*sink.Request, error) {
	req := &sink.Request{}
	keyer, _ := d.(sink.Keyer)
	tails, _ := d.(sink.TailReader)
	for _, r := range records {
		if tails == nil || !tails.ReadsTails() {
			r.Whole()
		}
		if keyer != nil {
			key, err := keyer.Key(nil, r)
			if err != nil {
				return req, err
			}
			req.AddKey(key)
		}
		body, err := d.Append(req.Body, r)
		if err != nil {
			return req, err
		}
		req.Body, req.Ends = body, append(req.Ends, len(body))
	}
	return req, nil
}

// A Case is a destination to be tested.
type Case struct {
	// New makes the destination with a service that accepts everything.
	New func(t *testing.T) sink.Destination
	// Broken makes the destination with a service that never answers; nil if that is impossible.
	Broken func(t *testing.T) sink.Destination
}

// Run tests a destination against its contract.
func Run(t *testing.T, c Case) {
	t.Run("a record with a tail is encoded like the whole record", func(t *testing.T) {
		d := c.New(t)
		defer closed(t, d)
		Tails(t, d)
	})
	t.Run("Append changes neither the bytes before the item nor the record", func(t *testing.T) { testAppend(t, c.New(t)) })
	t.Run("several workers can send at once", func(t *testing.T) { testSend(t, c.New(t)) })
	t.Run("Limits are constant and within the loop's caps", func(t *testing.T) { testLimits(t, c.New(t)) })
	t.Run("Close leaves no goroutine", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		d := c.New(t)
		if err := d.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if err := leaktest.Find(before, goleak.IgnoreTopFunction("net/http.(*Server).Serve"), goleak.IgnoreTopFunction("internal/poll.runtime_pollWait")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a cancelled Send returns soon, with verdict again", func(t *testing.T) {
		make := c.Broken
		if make == nil {
			make = c.New
		}
		testCancelled(t, make(t))
	})
}

// Tails tests that d encodes a record with a tail like the whole record.
func Tails(t *testing.T, d sink.Destination) {
	log, ecs := Map("log", "hello"), Map("ecs_cluster", "demo", "ecs_task", "web", "container_id", "c0ffee", "source", "stdout")
	for _, c := range []struct{ body, tail []byte }{
		{log, Map("ecs_cluster", "demo", "ecs_task", "web")},
		{log, ecs},
		{Map("log", "says \"no\"\n", "container_name", "/web", "ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123"), ecs},
		{Map("n", "1", "ddtags", "env:test", "service", "web"), ecs},
		{Map(), ecs},
		{ecs, log},
		{log, Map("message", "hi", "service", "web", "level", "error")},
		{log, Map("a.b", "c", "größe", "XL", `quoted"`, "\\")},
		{[]byte{0x83, 0x07, 0x01, 0xc3, 0x02, 0xa3, 'l', 'o', 'g', 0xa1, 'x'}, Map("7", "digit", "true", "text")}, // 7 and true as keys
	} {
		r := Record("app.web", 7)
		r.Body, r.Tail = c.body, c.tail
		whole, next := *r, *r
		whole.Whole()
		want, wantErr := Encode(d, &whole)
		for range 2 { // the destination may cache the encoded tail
			got, err := Encode(d, r, &next)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%q, tail %q: got error %v, want %v", c.body, c.tail, err, wantErr)
			}
			for i := range got.Len() {
				if got, want := got.Item(i), want.Item(0); !bytes.Equal(got, want) {
					t.Errorf("%q, tail %q, item %d:\ngot  %q\nwant %q", c.body, c.tail, i, got, want)
				}
				if len(want.Keys) > 0 && !bytes.Equal(got.Keys[got.KeyOf[i]], want.Keys[0]) {
					t.Errorf("%q, tail %q, key of item %d:\ngot  %q\nwant %q", c.body, c.tail, i, got.Keys[got.KeyOf[i]], want.Keys[0])
				}
			}
			next.Body, next.Tail, next.Shared = c.body, c.tail, r.Shared
		}
	}
}

func testAppend(t *testing.T, d sink.Destination) {
	defer closed(t, d)
	r := Record("app.web", 7, "log", "hello")
	body := bytes.Clone(r.Body)
	out, err := d.Append([]byte("before"), r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(out, []byte("before")) || !bytes.Equal(r.Body, body) {
		t.Errorf("body %q, record %q", out, r.Body)
	}
	again, err := d.Append([]byte("before"), r)
	if err != nil || !bytes.Equal(out, again) {
		t.Errorf("the same record made another item: %q, %v", again, err)
	}
	malformed := &sink.Record{Event: record.Event{Tag: strings.Repeat("\xff", record.MaxTag), Body: []byte{0x82, 0xc0, 0xc1 - 1, 0x07, 0x90}}}
	for _, r := range []*sink.Record{Record("", 1), malformed} {
		if out, err := d.Append([]byte("before"), r); err != nil && string(out) != "before" {
			t.Errorf("an error changed the body: %q, %v", out, err)
		}
	}
}

func testSend(t *testing.T, d sink.Destination) {
	defer closed(t, d)
	const workers, each = 4, 20
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			var records []*sink.Record
			for i := range each {
				records = append(records, Record(fmt.Sprintf("app.%d", i%3), uint64(w*each+i), "log", fmt.Sprint("line ", i)))
			}
			req, err := Encode(d, records...)
			if err != nil {
				t.Error(err)
				return
			}
			before := bytes.Clone(req.Body)
			r := d.Send(t.Context(), req)
			if r.Verdict != sink.Done || r.Err != nil || len(r.Items) != 0 || r.Split != sink.No || r.SendsAtOnce() {
				t.Errorf("reply: %+v", r)
			}
			if !bytes.Equal(req.Body, before) {
				t.Error("Send changed the request")
			}
			clear(req.Body) // the loop reuses it at once
		})
	}
	group.Wait()
}

func testLimits(t *testing.T, d sink.Destination) {
	defer closed(t, d)
	l := d.Limits()
	if l != d.Limits() {
		t.Error("limits change")
	}
	if l.MaxBytes < 0 || l.MaxBytes > sink.MaxRequestBytes || l.Workers < 0 || l.Workers > sink.MaxWorkers || l.MaxItem < 0 || l.ItemOverhead < 0 {
		t.Errorf("limits: %+v", l)
	}
}

func testCancelled(t *testing.T, d sink.Destination) {
	defer closed(t, d)
	req, err := Encode(d, Record("app.web", 1, "log", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	r := d.Send(ctx, req)
	if took := time.Since(start); took > soon {
		t.Errorf("Send took %v", took)
	}
	if r.Verdict == sink.Never || r.Verdict == sink.Again && r.Err == nil {
		t.Errorf("reply: %+v", r)
	}
	if r.Verdict == sink.Again && r.Cause == sink.Answered && errors.Is(r.Err, context.DeadlineExceeded) {
		t.Errorf("an attempt that was cancelled counts as refused: %+v", r)
	}
}

func closed(t *testing.T, d sink.Destination) {
	if err := d.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}
