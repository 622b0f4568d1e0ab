package buffer

import (
	"bytes"
	"os"
	"slices"
	"testing"
)

// linked is a folder in memory whose files may have names in others, too.
type linked struct {
	*memory
	disk *linkedDisk
}

// linkedDisk is what such folders are on.
type linkedDisk struct {
	names map[*memFile]int // of files with more names than one
	ids   map[*memFile]uint64
}

func newLinked(n int) (folders []*linked) {
	d := &linkedDisk{map[*memFile]int{}, map[*memFile]uint64{}}
	for range n {
		folders = append(folders, &linked{newFolder(), d})
	}
	return folders
}

func (l *linked) Link(name string, to FS, as string) error {
	if f, ok := to.(*faulty); ok {
		if _, err := f.ask("link", as, 0); err != nil {
			return err
		}
		to = f.FS
	}
	other, f := to.(*linked), l.files[name]
	if f == nil || other.files[as] != nil {
		return os.ErrExist
	}
	other.files[as] = f
	l.disk.names[f] = max(1, l.disk.names[f]) + 1
	l.disk.ids[f] = uint64(len(l.disk.ids))
	return nil
}

func (l *linked) Links(name string) (int, uint64) {
	f := l.files[name]
	if f == nil {
		return 0, 0
	}
	return max(1, l.disk.names[f]), l.disk.ids[f]
}

func (l *linked) Remove(name string) error {
	if f := l.files[name]; l.disk.names[f] > 1 {
		l.disk.names[f]--
		delete(l.files, name)
		return nil
	}
	return l.memory.Remove(name)
}

func (l *linked) Rename(from, to string) error {
	if l.files[to] != nil {
		if err := l.Remove(to); err != nil {
			return err
		}
	}
	return l.memory.Rename(from, to)
}

// cloneAll is what a crash leaves of the folders.
func cloneAll(folders []*linked) []*linked {
	copies := newLinked(len(folders))
	same := map[*memFile]*memFile{}
	for n, l := range folders {
		for name, f := range l.files {
			c := same[f]
			if c == nil {
				c = &memFile{fs: copies[n].memory, size: f.size}
				for _, b := range f.blocks {
					c.blocks = append(c.blocks, bytes.Clone(b))
				}
				same[f] = c
			}
			copies[n].files[name] = c
			copies[n].disk.names[c]++
			copies[n].disk.ids[c] = uint64(len(copies[n].disk.ids))
		}
	}
	return copies
}

// fanOf opens a queue in each folder, and makes a Fan of them.
func fanOf(t testing.TB, folders []*linked, o Options) (f *Fan, queues []*Queue) {
	t.Helper()
	for _, l := range folders {
		o.FS = l
		q := mustOpen(t, o)
		t.Cleanup(func() { q.Close() })
		queues = append(queues, q)
	}
	return NewFan(queues), queues
}

// fan appends the batches from number from to number to to the queues of a Fan, as the router does: to those that don't take one
// at once by itself. It returns what each should deliver.
func fan(t testing.TB, f *Fan, queues []*Queue, from, to int) (want [][]delivery) {
	t.Helper()
	want = make([][]delivery, len(queues))
	for i := from; i < to; i++ {
		var took []*Queue
		f.Append([]byte(batchText(i)), batchRecords(i), func(q *Queue) { took = append(took, q) })
		for n, q := range queues {
			d := delivery{q.id, q.next - uint64(batchRecords(i)), batchRecords(i), batchText(i)}
			if !slices.Contains(took, q) {
				d = fill(t, q, i, i+1)[0]
			}
			want[n] = append(want[n], d)
			checkBalance(t, q)
		}
	}
	return want
}

// shared is how many of the queue's segments other queues have, too.
func (q *Queue) shared() (n int) {
	for _, s := range q.segs {
		if !s.stub && !q.isOnlyOurs(s) {
			n++
		}
	}
	return n
}

// flip changes a bit of a file.
func flip(t testing.TB, fs FS, name string, off int64) {
	t.Helper()
	f, err := fs.Open(name, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	f.ReadAt(b[:], off)
	b[0] ^= 1
	f.WriteAt(b[:], off)
}
