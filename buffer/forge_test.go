package buffer

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// A record's id shows the queue's identity and the position, and applications choose what they log. Here one logs what
// would be the next frames of its segment, if all of the header could be derived from ids, and a loss of power takes the
// page in which the record's own frame begins, but not the next one.
func TestContentOfARecordIsNeverTakenForAFrame(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs})
	fill(t, q, 0, 1)
	s := q.segs[0]
	guessed := make([]byte, 60)
	copy(guessed, magic)
	binary.LittleEndian.PutUint32(guessed[8:], version)
	copy(guessed[12:22], s.id[:])
	binary.LittleEndian.PutUint64(guessed[24:], s.number)
	binary.LittleEndian.PutUint64(guessed[32:], s.first)
	seed := crc32.Checksum(guessed, castagnoli)

	body := []byte(batchText(7))
	forged := make([]byte, frameHeader)
	frame{uint32(len(body)), uint32(batchRecords(7)), q.next + 100, crc32.Checksum(body, castagnoli)}.put(forged, seed)
	forged = append(forged, body...)
	end := make([]byte, frameHeader)
	putEndFrame(end, q.next+200, seed)
	forged = append(forged, end...)
	lost := s.end.off
	if err := q.Append(t.Context(), append(append([]byte("log: "), forged...), bytes.Repeat([]byte("x"), 500)...), 1, nil); err != nil {
		t.Fatal(err)
	}
	crashed := fs.clone()
	q.Close()
	clear(crashed.bytesOf(s.name())[lost : lost+frameHeader])
	again := mustOpen(t, Options{FS: crashed})
	defer again.Close()
	got := deliver(t, again)
	if len(got) != 1 || got[0].text != batchText(0) {
		t.Errorf("delivered\n%swant the first batch alone", list(got))
	}
	if n := again.Stats().DroppedRecords; n != 1 {
		t.Errorf("got %d records counted as dropped, want the one whose frame is lost", n)
	}
}

// After the largest number the next would be 0, and at the next start 0 again, which is taken by then: no append would
// succeed any more.
func TestAFileWithTheLargestNumberLeavesRoomForOthers(t *testing.T) {
	for _, name := range []string{"ffffffffffffffff.seg", "ffffffffffffffff.seg.damaged", "ffffffffffffffff.seg.v1", "7fffffffffffffff.seg.damaged"} {
		fs := newFolder()
		f, err := fs.Open(name, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("not a segment"), 0); err != nil {
			t.Fatal(err)
		}
		var want []delivery
		for start := range 3 {
			q := mustOpen(t, Options{FS: fs, Full: DropOldest})
			want = append(want, fill(t, q, start, start+1)...)
			if start == 2 {
				checkDeliveries(t, deliver(t, q), want)
			}
			q.Close()
		}
	}
}
