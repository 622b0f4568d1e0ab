package record

import (
	"testing"
)

func TestABatchKeepsTheOriginsOfItsEvents(t *testing.T) {
	a := ID{Queue: [10]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, Pos: 1<<48 - 2}
	b := ID{Queue: a.Queue, Pos: 7}
	var batch Batch
	want := []*ID{&a, nil, &b, &b, nil}
	for _, origin := range want {
		batch.AddEvent(&Event{Tag: "app", Time: Time{1, 2}, Body: []byte("\x81\xa1n\x07"), Tail: tailA, Origin: origin})
	}
	got := readAll(t, func() *BatchReader { r := ReadBatch(batch.Bytes()); return &r }())
	if len(got) != len(want) {
		t.Fatalf("got %d events, want %d", len(got), len(want))
	}
	for i, ev := range got {
		if (ev.Origin == nil) != (want[i] == nil) || want[i] != nil && *ev.Origin != *want[i] || string(ev.Body) != "\x81\xa1n\x07" || string(ev.Tail) != string(tailA) || ev.Time != (Time{1, 2}) {
			t.Errorf("event %d: got %+v, want it with the origin %v", i, ev, want[i])
		}
	}
}

func TestAnOriginThatIsCutShortOrOfAnotherTypeIsAnError(t *testing.T) {
	var batch Batch
	batch.AddEvent(&Event{Tag: "a", Body: []byte{0x80}, Origin: &ID{Pos: 1}})
	whole := batch.Bytes() // 92 a1 61 c6 <4> 93 <time 10> c4 10 <16> 80
	origin := 8 + entryHead
	for _, at := range []int{origin, origin + 1} {
		bad := append([]byte(nil), whole...)
		bad[at]++
		r := ReadBatch(bad)
		var ev Event
		if r.Next(&ev) || r.Err() == nil {
			t.Errorf("byte %d changed: got %+v and %v, want an error", at, ev, r.Err())
		}
	}
	for n := range originSize {
		bad := append([]byte(nil), whole[:origin+n]...)
		bad[7] = byte(entryHead + n)
		r := ReadBatch(bad)
		var ev Event
		if r.Next(&ev) || r.Err() == nil {
			t.Errorf("%d bytes of the origin: got %+v and %v, want an error", n, ev, r.Err())
		}
	}
}

func TestPartsOfARecordHaveDifferentIDsWhichStayTheSame(t *testing.T) {
	id := ID{Queue: NewQueueIdentity(), Pos: 42}
	if id.Part(1, 0) != id || (ID{}).Part(1, 3) != (ID{}) {
		t.Error("the first part has another id, or a record without id has parts")
	}
	seen := map[ID]bool{}
	for n := range 100 {
		for m := range 100 {
			part := id.Part(1, n).Part(2, m)
			if part != id.Part(1, n).Part(2, m) || seen[part] {
				t.Fatalf("part %d of part %d: got %v, which another one has", m, n, part)
			}
			seen[part] = true
		}
	}
}

func TestAnIDIsReadFromItsText(t *testing.T) {
	for _, id := range []ID{{Queue: NewQueueIdentity(), Pos: 0}, {Queue: NewQueueIdentity(), Pos: 1<<48 - 1}, {Queue: NewQueueIdentity(), Pos: 0x123456789abc}} {
		if got, ok := ParseID([]byte(id.String())); !ok || got != id {
			t.Errorf("got %v, %v; want %v", got, ok, id)
		}
	}
	for _, text := range []string{"", "short", "abcdefghijklmnopqrstu!", "abcdefghijklmnopqrstuvw", "zzzzzzzzzzzzzzzzzzzzzz"} {
		if _, ok := ParseID([]byte(text)); ok {
			t.Errorf("%q: got an id, want none", text)
		}
	}
}
