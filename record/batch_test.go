package record

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// addEvents adds n events: tags in runs of run, bodies that tell them apart.
func addEvents(b *Batch, n, run int) (want []Event) {
	for i := range n {
		ev := Event{
			Tag:  "app." + strconv.Itoa(i/run),
			Time: Time{uint32(i), uint32(i) * 7},
			Body: AppendInt(AppendStr(AppendMapHeader(nil, 1), "n"), int64(i)),
		}
		b.Add(ev.Tag, ev.Time, ev.Body)
		want = append(want, ev)
	}
	return want
}

func readAll(t *testing.T, r *BatchReader) (got []Event) {
	t.Helper()
	var ev Event
	for r.Next(&ev) {
		got = append(got, ev)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return got
}

func sameEvents(a, b []Event) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Tag != b[i].Tag || a[i].Time != b[i].Time || !bytes.Equal(a[i].Body, b[i].Body) {
			return false
		}
	}
	return true
}

func TestABatchGivesBackWhatWasAdded(t *testing.T) {
	var b Batch
	var r BatchReader
	for _, run := range []int{1, 3, 100} {
		b.Reset()
		want := addEvents(&b, 50, run)
		if b.Records() != 50 || b.Len() != len(b.Bytes()) {
			t.Errorf("%d records, %d bytes", b.Records(), b.Len())
		}
		r.Reset(b.Bytes())
		if got := readAll(t, &r); !sameEvents(got, want) {
			t.Errorf("runs of %d: got %v", run, got)
		}
	}
}

func TestABatchIsEventsOfTheForwardProtocol(t *testing.T) {
	var b Batch
	want := addEvents(&b, 6, 3)
	dec := msgpack.NewDecoder(bytes.NewReader(b.Bytes()))
	for range 2 {
		if n, err := dec.DecodeArrayLen(); n != 2 || err != nil {
			t.Fatalf("group of %d: %v", n, err)
		}
		tag, err := dec.DecodeString()
		if err != nil || tag != want[0].Tag {
			t.Fatalf("tag %q, %v", tag, err)
		}
		entries, err := dec.DecodeBytes()
		if err != nil {
			t.Fatal(err)
		}
		in := msgpack.NewDecoder(bytes.NewReader(entries))
		for range 3 {
			n, _ := in.DecodeArrayLen()
			typ, size, err := in.DecodeExtHeader()
			if n != 2 || typ != 0 || size != 8 || err != nil {
				t.Fatalf("entry of %d, ext %d of %d bytes, %v", n, typ, size, err)
			}
			if err := in.ReadFull(make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
			if body, err := in.DecodeRaw(); err != nil || !bytes.Equal(body, want[0].Body) {
				t.Fatalf("body %x, %v", body, err)
			}
			want = want[1:]
		}
	}
}

func TestATagThatIsTooLongIsCut(t *testing.T) {
	var b Batch
	long := strings.Repeat("t", MaxTag+10)
	b.Add(long, Time{}, []byte{0x80})
	b.Add(long, Time{}, []byte{0x80})
	r := ReadBatch(b.Bytes())
	got := readAll(t, &r)
	if len(got) != 2 || got[0].Tag != long[:MaxTag] {
		t.Errorf("got %v", got)
	}
}

func TestTagsOutliveTheBatch(t *testing.T) {
	var b Batch
	addEvents(&b, 1, 1)
	r := ReadBatch(b.Bytes())
	got := readAll(t, &r)
	clear(b.Bytes())
	if got[0].Tag != "app.0" {
		t.Errorf("tag is now %q", got[0].Tag)
	}
}

func TestADamagedBatchIsAnErrorAndNotAnEvent(t *testing.T) {
	var b Batch
	want := addEvents(&b, 4, 2)
	whole := b.Bytes()
	ends := map[int]bool{0: true, len(whole) / 2: true} // the groups are of one length
	for n := range whole {
		r := ReadBatch(whole[:n])
		var ev Event
		got := 0
		for r.Next(&ev) {
			if !sameEvents([]Event{ev}, want[got:got+1]) {
				t.Fatalf("the first %d bytes: event %d is %v", n, got, ev)
			}
			got++
		}
		if (r.Err() == nil) != ends[n] {
			t.Errorf("the first %d bytes: %v", n, r.Err())
		}
		if r.Next(&ev) {
			t.Errorf("the first %d bytes: an event behind the error", n)
		}
	}
	for at, c := range map[int]error{0: ErrType, 1: ErrType} {
		bad := bytes.Clone(whole)
		bad[at] = 0xc1
		r := ReadBatch(bad)
		if r.Next(new(Event)) || !errors.Is(r.Err(), c) {
			t.Errorf("byte %d: %v, want %v", at, r.Err(), c)
		}
	}
}

func FuzzBatch(f *testing.F) {
	var b Batch
	addEvents(&b, 3, 2)
	f.Add(b.Bytes())
	b.Add(strings.Repeat("t", MaxTag), Time{1, 2}, typicalEvent())
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		// What can be read of any bytes is a batch again, which gives back the same.
		r := ReadBatch(in)
		var b Batch
		var ev Event
		var want []Event
		for r.Next(&ev) {
			if n, err := Check(ev.Body); err != nil || n != len(ev.Body) || len(ev.Tag) > MaxTag {
				t.Fatalf("event %v: %d, %v", ev, n, err)
			}
			want = append(want, ev)
			b.Add(ev.Tag, ev.Time, ev.Body)
		}
		again := ReadBatch(b.Bytes())
		if got := readAll(t, &again); !sameEvents(got, want) || b.Records() != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
