package record

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// addEvents adds n events: tags in runs of run, the tails in turn with them, bodies that tell them apart.
func addEvents(b *Batch, n, run int, tails ...[]byte) (want []Event) {
	for i := range n {
		ev := Event{
			Tag:  "app." + strconv.Itoa(i/run),
			Time: Time{uint32(i), uint32(i) * 7},
			Body: AppendInt(AppendStr(AppendMapHeader(nil, 1), "n"), int64(i)),
		}
		if len(tails) > 0 {
			ev.Tail = tails[i/run%len(tails)]
		}
		b.AddEvent(&ev)
		want = append(want, ev)
	}
	return want
}

var (
	tailA = []byte("\x81\xa3env\xa4prod")
	tailB = []byte("\x81\xa3env\xa4test")
)

func readAll(t *testing.T, r *BatchReader) (got []Event) {
	t.Helper()
	var ev Event
	for r.Next(&ev) {
		if ev.Origin != nil { // valid until the next Next
			origin := *ev.Origin
			ev.Origin = &origin
		}
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
		if a[i].Tag != b[i].Tag || a[i].Time != b[i].Time || !bytes.Equal(a[i].Body, b[i].Body) || !bytes.Equal(a[i].Tail, b[i].Tail) {
			return false
		}
	}
	return true
}

func TestABatchGivesBackWhatWasAdded(t *testing.T) {
	var b Batch
	var r BatchReader
	for _, run := range []int{1, 3, 100} {
		for _, tails := range [][][]byte{nil, {tailA}, {tailA, tailB}, {tailA, nil, {0x80}}} {
			b.Reset()
			want := addEvents(&b, 50, run, tails...)
			if b.Records() != 50 || b.Len() != len(b.Bytes()) {
				t.Errorf("%d records, %d bytes", b.Records(), b.Len())
			}
			r.Reset(b.Bytes())
			if got := readAll(t, &r); !sameEvents(got, want) {
				t.Errorf("runs of %d, tails %q: got %v", run, tails, got)
			}
		}
	}
}

func TestABatchHoldsATailOnceForEachRunOfIt(t *testing.T) {
	ev := Event{Tag: "app", Time: Time{1, 2}, Body: []byte("\x81\xa1n\x07")}
	var b Batch
	for _, tail := range [][]byte{nil, tailA, tailA, tailB, tailB, nil, nil, tailA} { // of one tag
		ev.Tail = tail
		b.AddEvent(&ev)
	}
	const entry = "\x92\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02\x81\xa1n\x07"
	const one, two = "\xc6\x00\x00\x00\x0f" + entry, "\xc6\x00\x00\x00\x1e" + entry + entry
	want := "\x92\xa3app" + one + "\x93\xa3app" + string(tailA) + two + "\x93\xa3app" + string(tailB) + two +
		"\x92\xa3app" + two + "\x93\xa3app" + string(tailA) + one
	if got := string(b.Bytes()); got != want {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

// A queue on disk may have been written by an older version, which knew no tails.
func TestABatchFromBeforeThereWereTailsIsRead(t *testing.T) {
	r := ReadBatch([]byte("\x92\xa5app.a\xc6\x00\x00\x00\x1e" +
		"\x92\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02\x81\xa1n\x07" +
		"\x92\xd7\x00\x00\x00\x00\x03\x00\x00\x00\x04\x81\xa1n\x08"))
	want := []Event{
		{Tag: "app.a", Time: Time{1, 2}, Body: []byte("\x81\xa1n\x07")},
		{Tag: "app.a", Time: Time{3, 4}, Body: []byte("\x81\xa1n\x08")},
	}
	if got := readAll(t, &r); !sameEvents(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestFoldMakesOneMapOfBodyAndTail(t *testing.T) {
	mapOf := func(n int, key string) []byte {
		b := AppendMapHeader(nil, n)
		for i := range n {
			b = AppendInt(AppendStr(b, key+strconv.Itoa(i)), int64(i))
		}
		return b
	}
	var buf []byte
	for _, c := range [][2]int{{0, 0}, {0, 3}, {4, 3}, {12, 3}, {13, 3}, {15, 1}, {65532, 3}, {65533, 3}, {1, 70000}} {
		ev := Event{Tag: "app", Time: Time{1, 2}, Body: mapOf(c[0], "a"), Tail: mapOf(c[1], "b")}
		var want []string
		for _, m := range [][]byte{ev.Body, ev.Tail} {
			for f := FieldsOf(m); f.Next(); {
				want = append(want, string(f.Key())+string(f.Value()))
			}
		}
		buf = ev.Fold(buf)
		if n, err := Check(ev.Body); err != nil || n != len(ev.Body) || ev.Tail != nil || ev.Tag != "app" || ev.Time != (Time{1, 2}) {
			t.Fatalf("%v: %d of %d bytes, %v; %.100v", c, n, len(ev.Body), err, ev)
		}
		var got []string
		for f := FieldsOf(ev.Body); f.Next(); {
			got = append(got, string(f.Key())+string(f.Value()))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: %d members, want %d", c, len(got), len(want))
		}
	}
	alone := Event{Body: []byte{0x80}}
	if kept := alone.Fold(buf); &kept[0] != &buf[0] || &alone.Body[0] == &buf[0] {
		t.Error("an event without a tail was copied")
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
	testDamage(t, addEvents(&b, 4, 2), b.Bytes())
	b.Reset()
	testDamage(t, addEvents(&b, 4, 2, tailA, tailB), b.Bytes())
}

func TestADamagedTailIsAnErrorAndNotAnEvent(t *testing.T) {
	for tail, want := range map[string]error{
		"\x91\x01":                 ErrType,    // an array
		"\xa1x":                    ErrType,    // no container
		"\x82\xa1a\x01\xa1b":       ErrType,    // its last value are the entries
		"\x81\xa1a\xc1":            ErrInvalid, // not MessagePack
		"\xdf\xff\xff\xff\xff":     ErrShort,   // no end
		string(deep(MaxDepth + 1)): ErrDepth,   // no body may be that deep
	} {
		bad := "\x93\xa3app" + tail + "\xc6\x00\x00\x00\x0c\x92\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02\x80"
		r := ReadBatch([]byte(bad))
		if r.Next(new(Event)) || !errors.Is(r.Err(), want) {
			t.Errorf("%x: %v, want %v", tail, r.Err(), want)
		}
	}
}

// testDamage cuts a batch of two groups of one length, and breaks it.
func testDamage(t *testing.T, want []Event, whole []byte) {
	t.Helper()
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
	f.Add(bytes.Clone(b.Bytes()))
	b.Add(strings.Repeat("t", MaxTag), Time{1, 2}, typicalEvent())
	f.Add(b.Bytes())
	addEvents(&b, 3, 1, tailA, tailA, nil)
	f.Add(bytes.Clone(b.Bytes()))
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
			b.AddEvent(&ev)
			ev.Fold(nil)
			if n, err := Check(ev.Body); err != nil || n != len(ev.Body) || len(ev.Tail) > 0 {
				t.Fatalf("folded event %v: %d, %v", ev, n, err)
			}
		}
		again := ReadBatch(b.Bytes())
		if got := readAll(t, &again); !sameEvents(got, want) || b.Records() != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
