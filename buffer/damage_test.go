package buffer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A crash table: what is done to a queue's files between two runs, and what must hold for what is delivered then.
//
// The queue that it is done to has three segments and a little more, of eight batches each.

const damageSegment = dataAt + 380

// damageable is the folder of a queue that was closed, or that a crash left. Its files are new, or were other segments'
// before.
func damageable(t testing.TB, closed, reused bool) (*memory, []delivery) {
	t.Helper()
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs, SegmentSize: damageSegment})
	if reused {
		formerLife(t, q, 4)
	}
	want := fill(t, q, 0, 28)
	if closed {
		q.Close()
	}
	if n := len(fs.files); n != 4 {
		t.Fatalf("%d segments, want 4", n)
	}
	return fs, want
}

// bytesOf is a file's content, which may be changed in place: it is smaller than a block.
func (m *memory) bytesOf(name string) []byte { return m.files[name].blocks[0][:m.files[name].size] }

// framesOf are the offsets of a segment's frames, and where the last one ends.
func framesOf(data []byte) (offs []int, end int) {
	at := dataAt
	for at < len(data) {
		h, _ := parseFrame(data[at:], 0)
		if h.length == 0 {
			break
		}
		offs = append(offs, at)
		at += int(h.size())
	}
	return offs, at
}

// frameAt is the number of the frame, among all of the segment, that the byte at off belongs to; -1 for the head, and
// the number of frames for what is after them.
func frameAt(data []byte, off int) int {
	offs, end := framesOf(data)
	if off >= end {
		return len(offs)
	}
	n, found := slices.BinarySearch(offs, off)
	if !found {
		n--
	}
	return n
}

func forEachSegment(t *testing.T, test func(t *testing.T, fs *memory, want []delivery, name string, closed bool)) {
	for _, closed := range []bool{true, false} {
		for _, reused := range []bool{true, false} {
			fs, want := damageable(t, closed, reused)
			for i, name := range fs.names() {
				t.Run(fmt.Sprintf("segment %d, closed %v, reused %v", i, closed, reused), func(t *testing.T) {
					t.Parallel()
					test(t, fs, want, name, closed)
				})
			}
		}
	}
}

// segmentOf are the deliveries of one segment, and where they begin in want.
func segmentOf(fs *memory, want []delivery, name string) (start, n int) {
	data := fs.bytesOf(name)
	h, _ := parseFrame(data[dataAt:], 0)
	start = slices.IndexFunc(want, func(d delivery) bool { return d.pos == h.pos })
	offs, _ := framesOf(data)
	return start, len(offs)
}

func records(ds []delivery) (n int64) {
	for _, d := range ds {
		n += int64(d.records)
	}
	return n
}

// TestFlippedBitLosesOneBatchAtMost flips a bit in every byte of every segment, and the whole byte.
func TestFlippedBitLosesOneBatchAtMost(t *testing.T) {
	forEachSegment(t, func(t *testing.T, fs *memory, want []delivery, name string, closed bool) {
		start, n := segmentOf(fs, want, name)
		for off := 0; off < len(fs.bytesOf(name)); off += everyByte() {
			for _, mask := range []byte{1 << (off % 8), 0xff} {
				broken := fs.clone()
				broken.bytesOf(name)[off] ^= mask
				q := mustOpen(t, Options{FS: broken})
				got := deliver(t, q)
				frame := frameAt(fs.bytesOf(name), off)
				if frame < 0 || frame == n {
					checkDeliveries(t, got, want)
					if s := q.Stats(); s.Damaged > 0 || s.DroppedRecords > 0 {
						t.Fatalf("byte %d, mask %#x: %+v", off, mask, s)
					}
					continue
				}
				checkDeliveries(t, got, slices.Delete(slices.Clone(want), start+frame, start+frame+1))
				lost := int64(want[start+frame].records)
				if s := q.Stats(); s.DroppedDamaged != lost {
					t.Fatalf("byte %d, mask %#x: %d records counted as dropped, want %d", off, mask, s.DroppedDamaged, lost)
				}
				if !slices.Contains(broken.names(), name+asideSuffix) {
					t.Fatalf("byte %d, mask %#x: the file isn't kept: %v", off, mask, broken.names())
				}
				q.Close()
			}
		}
	})
}

// TestSegmentCutAnywhereLosesWhatIsBehindTheCut cuts every segment at every byte.
func TestSegmentCutAnywhereLosesWhatIsBehindTheCut(t *testing.T) {
	forEachSegment(t, func(t *testing.T, fs *memory, want []delivery, name string, closed bool) {
		start, n := segmentOf(fs, want, name)
		data := fs.bytesOf(name)
		for cut := 0; cut < len(data); cut += everyByte() {
			broken := fs.clone()
			broken.files[name].size = int64(cut)
			log := new(logged)
			q := mustOpen(t, Options{FS: broken, Log: log.logger()})
			got := deliver(t, q)
			kept := max(0, frameAt(data, cut))
			_, end := framesOf(data)
			behind := cut > end
			checkDeliveries(t, got, slices.Delete(slices.Clone(want), start+kept, start+n))

			// What is lost is counted if the segment's own mark or a later segment tells it.
			lost := records(want[start+kept : start+n])
			marked := closed || start+n < len(want)
			if first := start == 0; cut < markAt+markSize && (first || start+n == len(want)) || !marked {
				lost = -1
			}
			if s := q.Stats(); lost >= 0 && s.DroppedDamaged != lost {
				t.Fatalf("cut at %d: %d records counted as dropped, want %d", cut, s.DroppedDamaged, lost)
			}
			frameEdge := cut == 0 || cut == dataAt || kept > 0 && frameAt(data, cut-1) != frameAt(data, cut)
			if lost < 0 && !frameEdge && !behind && log.String() == "" {
				t.Fatalf("cut at %d: nothing was said", cut)
			}
			q.Close()
		}
	})
}

func TestMissingSegment(t *testing.T) {
	forEachSegment(t, func(t *testing.T, fs *memory, want []delivery, name string, closed bool) {
		start, n := segmentOf(fs, want, name)
		log := new(logged)
		broken := fs.clone()
		delete(broken.files, name)
		q := mustOpen(t, Options{FS: broken, Log: log.logger()})
		defer q.Close()
		left := slices.Delete(slices.Clone(want), start, start+n)
		missing := records(want[start : start+n])
		if start == 0 || start+n == len(want) {
			missing = 0 // nothing says that it was ever there
		}
		if s := q.Stats(); s.DroppedDamaged != missing || s.Records != records(left) {
			t.Errorf("%+v, want %d missing and %d left", s, missing, records(left))
		}
		if said := strings.Contains(log.String(), "missing"); said != (missing > 0) {
			t.Errorf("said: %s", log)
		}
		// What is appended now can't be taken for what is missing.
		left = append(left, fill(t, q, 50, 55)...)
		if slices.ContainsFunc(want, func(d delivery) bool { return d.queue == q.id }) {
			t.Error("the identity of the run before is used again")
		}
		checkDeliveries(t, deliver(t, q), left)
	})
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	fs, want := damageable(t, true, false)
	for _, name := range []string{"lock", "notes.txt", "1.seg", "0000000000000001.seg.bak", "0000000000000001.seg.damaged"} {
		f, _ := fs.Open(name, true)
		f.WriteAt([]byte("mine"), 0)
	}
	q := mustOpen(t, Options{FS: fs})
	checkDeliveries(t, deliver(t, q), want)
	q.Close()
	if names := fs.names(); len(names) != 5 {
		t.Errorf("%v", names)
	}
}

func TestGarbageInPlaceOfASegmentIsSetAside(t *testing.T) {
	for name, content := range map[string]string{
		"text": strings.Repeat("not a segment ", 70), "zeros": string(make([]byte, 1000)), "short": "x",
	} {
		t.Run(name, func(t *testing.T) {
			fs, want := damageable(t, true, false)
			number := segmentName(0xffff)
			f, _ := fs.Open(number, true)
			f.WriteAt([]byte(content), 0)
			q := mustOpen(t, Options{FS: fs})
			defer q.Close()
			if s := q.Stats(); s.Damaged != 1 {
				t.Errorf("%+v", s)
			}
			want = append(want, fill(t, q, 30, 31)...)
			checkDeliveries(t, deliver(t, q), want)
			if got := string(fs.bytesOf(number + asideSuffix)); got != content {
				t.Errorf("what was set aside is %q", got)
			}
			if q.number != 0x10000 {
				t.Errorf("the next segment's number is %x", q.number)
			}
		})
	}
}

// TestDamageIsRememberedOverRestarts stops between the damaged batch and the segment's end.
func TestDamageIsRememberedOverRestarts(t *testing.T) {
	fs, want := damageable(t, true, false)
	name := fs.names()[0]
	fs.bytesOf(name)[dataAt+frameHeader] ^= 1
	q := mustOpen(t, Options{FS: fs})
	c, err := q.Next(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	checkDeliveries(t, deliveries(c), want[1:1+len(c.Batches)])
	left := want[1+len(c.Batches):]
	q.Commit(c)
	q = mustOpen(t, Options{FS: fs}) // after a crash
	if s := q.Stats(); s.Records != records(left) {
		t.Errorf("%+v", s)
	}
	checkDeliveries(t, deliver(t, q), left)
	q.Close()
	if names := fs.names(); !slices.Equal(names, []string{name + asideSuffix}) {
		t.Errorf("%v", names)
	}
}

// TestUnfinishedTail is about the end of a segment that was not sealed: what was written over its end frame, and isn't a
// frame, is cut off.
func TestUnfinishedTail(t *testing.T) {
	for name, tail := range map[string][]byte{
		"a few bytes":      []byte("abc"),
		"a hole":           append(make([]byte, 100), "xyz"...),
		"half a frame":     nil,
		"not a frame":      []byte(strings.Repeat("damage", 10)),
		"another's frames": nil,
	} {
		t.Run(name, func(t *testing.T) {
			fs, want := damageable(t, false, false)
			names := fs.names()
			s := &segment{number: 4}
			s.parseHeader(fs.bytesOf(names[3]))
			switch name {
			case "half a frame":
				tail = make([]byte, 40)
				frame{length: 17, records: 1, pos: 1 << 30}.put(tail, s.seed)
			case "another's frames":
				tail = fs.bytesOf(names[0])[dataAt:]
			}
			f, _ := fs.Open(names[3], false)
			_, end := framesOf(fs.bytesOf(names[3]))
			f.WriteAt(tail, int64(end))
			for range 2 {
				q := mustOpen(t, Options{FS: fs})
				if s := q.Stats(); s.Recovered != records(want) {
					t.Fatalf("%+v", s)
				}
			}
			if size, _ := f.Size(); size != int64(end) {
				t.Errorf("the tail isn't cut off: %d bytes, want %d", size, end)
			}
			q := mustOpen(t, Options{FS: fs})
			checkDeliveries(t, deliver(t, q), want)
			q.Close()
			if names := fs.names(); len(names) > 0 {
				t.Errorf("left: %v", names)
			}
		})
	}
}

// TestNumberOfWhatWasSetAsideIsNotUsedAgain: or the next damaged segment would take its place.
func TestNumberOfWhatWasSetAsideIsNotUsedAgain(t *testing.T) {
	fs := newFolder()
	fs.Open(segmentName(5)+asideSuffix, true)
	q := mustOpen(t, Options{FS: fs})
	defer q.Close()
	fill(t, q, 0, 1)
	if names := fs.names(); !slices.Contains(names, segmentName(6)) {
		t.Errorf("%v", names)
	}
}

// TestMarkOutlivesTheFrames is what a loss of power may leave: a mark that says more than the segment holds.
func TestMarkOutlivesTheFrames(t *testing.T) {
	fs := newFolder()
	q := mustOpen(t, Options{FS: fs})
	want := fill(t, q, 0, 20)
	c, err := q.Next(t.Context(), 300, 0)
	if err != nil {
		t.Fatal(err)
	}
	delivered := len(c.Batches)
	q.Commit(c)
	left := fs.clone()
	left.files[left.names()[0]].size = dataAt + 40
	r := mustOpen(t, Options{FS: left})
	defer r.Close()
	checkBalance(t, r)
	if s := r.Stats(); s.Recovered != 0 || r.next != want[delivered].pos {
		t.Errorf("%+v, next position %d", s, r.next)
	}
	checkDeliveries(t, deliver(t, r), nil)
}
