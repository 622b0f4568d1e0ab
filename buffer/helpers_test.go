package buffer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/internal/race"
	"github.com/rs/zerolog"
)

func TestMain(m *testing.M) {
	appendUntilKilled()     // only in the child of TestKilledProcessLosesNothingThatWasAppended
	debug.SetGCPercent(400) // thousands of small queues are made
	debug.SetMemoryLimit(64 << 20)
	leaktest.Main(m)
}

// everyByte is 1: tests that damage or cut files do so at every byte. Under the race detector, which costs ten times as much
// and finds nothing in what one goroutine does, it is every 11th.
func everyByte() int {
	if race.Enabled {
		return 11
	}
	return 1
}

// newFolder is an empty folder in memory. Its blocks are small, so that a copy of it is cheap.
func newFolder() *memory { return newMemory(1 << 10) }

// A batch that was appended or delivered, with the id of its first record.
type delivery struct {
	queue   [10]byte
	pos     uint64
	records int
	text    string
}

// batchText is the i-th batch of a test: no two are equal, nor equally long as their neighbours.
func batchText(i int) string {
	if i < len(batchTexts) {
		return batchTexts[i]
	}
	return makeBatchText(i)
}

func makeBatchText(i int) string { return fmt.Sprintf("batch %04d %s", i, strings.Repeat("x", i*7%23)) }

var batchTexts = func() (texts [2000]string) {
	for i := range texts {
		texts[i] = makeBatchText(i)
	}
	return texts
}()

// batchNumber is the number in a batch's text, -1 if it is none.
func batchNumber(text string) int {
	if len(text) < len("batch 0000") {
		return -1
	}
	digits, _, _ := strings.Cut(text[len("batch "):], " ")
	i, err := strconv.Atoi(digits)
	if err != nil || text != batchText(i) {
		return -1
	}
	return i
}

func batchRecords(i int) int { return 1 + i%3 }

func mustOpen(t testing.TB, o Options) *Queue {
	t.Helper()
	q, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// fill appends the batches from number from to number to, and returns what they should be delivered as.
func fill(t testing.TB, q *Queue, from, to int) (want []delivery) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := q.Append(t.Context(), []byte(batchText(i)), batchRecords(i), nil); err != nil {
			t.Errorf("append %d: %v", i, err)
			return want
		}
		want = append(want, delivery{q.id, q.next - uint64(batchRecords(i)), batchRecords(i), batchText(i)})
		checkBalance(t, q)
	}
	return want
}

// deliver takes and commits all that the queue holds.
func deliver(t testing.TB, q *Queue) (got []delivery) {
	t.Helper()
	q.Drain()
	for {
		c, err := q.Next(context.Background(), 100, time.Hour)
		checkBalance(t, q)
		if errors.Is(err, ErrClosed) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, deliveries(c)...)
		q.Commit(c)
		checkBalance(t, q)
	}
}

// formerLife lets the queue have a number of spares: files of segments that held batches, all delivered.
func formerLife(t testing.TB, q *Queue, spares int) {
	t.Helper()
	q.keep = spares
	for i := 1000; len(q.segs) <= spares; i++ {
		fill(t, q, i, i+1)
	}
	for q.Stats().Records > 0 {
		c, err := q.Next(t.Context(), 100, 0)
		if err != nil {
			t.Fatal(err)
		}
		q.Commit(c)
	}
	q.mu.Lock()
	defer q.unlock()
	q.removeIfEmpty(0)
}

// deliveries is what a chunk holds. Only tests know how many records are in a batch: its number says it.
func deliveries(c *Chunk) (ds []delivery) {
	pos := c.First
	for _, b := range c.Batches {
		n := batchRecords(batchNumber(string(b)))
		ds = append(ds, delivery{c.Queue, pos, n, string(b)})
		pos += uint64(n)
	}
	return ds
}

// checkBalance holds the accounts: nothing appears or disappears, at any moment.
func checkBalance(t testing.TB, q *Queue) {
	s := q.Stats()
	if s.Recovered+s.Appended != s.Committed+s.DroppedRecords+s.Records {
		t.Helper()
		t.Fatalf("the accounts don't balance: %+v", s)
	}
	if s.Records < 0 || s.Bytes < 0 || (s.Records == 0) != (s.Bytes == 0) {
		t.Helper()
		t.Fatalf("records and bytes don't go together: %+v", s)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	size := int64(0)
	for _, seg := range q.segs {
		size += seg.size()
	}
	if size != q.size {
		t.Helper()
		t.Fatalf("the segments' size is %d, counted as %d", size, q.size)
	}
}

func checkDeliveries(t testing.TB, got, want []delivery) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("delivered\n%s\nwant\n%s", list(got), list(want))
	}
}

func list(ds []delivery) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "%x/%d %d %q\n", d.queue[:2], d.pos, d.records, d.text)
	}
	return b.String()
}

// logged is a logger and what it was told.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() zerolog.Logger { return zerolog.New(l) }

// clone is a copy of a folder in memory: what a crash at this moment leaves, as kill -9 does.
func (m *memory) clone() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newMemory(m.block)
	for name, f := range m.files {
		c.files[name] = &memFile{fs: c, size: f.size}
		for _, b := range f.blocks {
			c.files[name].blocks = append(c.files[name].blocks, bytes.Clone(b))
		}
	}
	return c
}

func (m *memory) names() (names []string) {
	names, _ = m.List()
	slices.Sort(names)
	return names
}

func (m *memory) segments() (names []string) {
	return slices.DeleteFunc(m.names(), isSpare)
}

// faulty is a folder whose operations can be made to fail.
type faulty struct {
	FS
	// fault is asked before every operation that changes something, and before every read: an error makes it fail,
	// after n bytes of it were done.
	fault func(op, name string, size int) (n int, err error)
	// written is told of every write before it is made.
	written func(name string, p []byte, off int64)
}

func (f *faulty) ask(op, name string, size int) (int, error) {
	if f.fault == nil {
		return size, nil
	}
	return f.fault(op, name, size)
}

func (f *faulty) Open(name string, create bool) (File, error) {
	op := "open"
	if create {
		op = "create"
	}
	if _, err := f.ask(op, name, 0); err != nil {
		return nil, err
	}
	file, err := f.FS.Open(name, create)
	return &faultyFile{file, f, name}, err
}

func (f *faulty) Rename(from, to string) error {
	if _, err := f.ask("rename", from, 0); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *faulty) Remove(name string) error {
	if _, err := f.ask("remove", name, 0); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// nameOf is the name that an open file has by now.
func (f *faulty) nameOf(file File) string {
	folder, ok := f.FS.(*memory)
	if !ok {
		folder = f.FS.(*linked).memory
	}
	for name, of := range folder.files {
		if File(of) == file {
			return name
		}
	}
	return ""
}

type faultyFile struct {
	File
	fs   *faulty
	name string
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if n, err := f.fs.ask("read", f.name, len(p)); err != nil {
		n, _ = f.File.ReadAt(p[:n], off)
		return n, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fs.written != nil {
		f.fs.written(f.fs.nameOf(f.File), p, off)
	}
	if n, err := f.fs.ask("write", f.name, len(p)); err != nil {
		n, _ = f.File.WriteAt(p[:n], off)
		return n, err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) WritevAt(parts [][]byte, off int64) (int, error) {
	return f.WriteAt(bytes.Join(parts, nil), off)
}

func (f *faultyFile) Truncate(size int64) error {
	if _, err := f.fs.ask("truncate", f.name, 0); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Sync() error {
	if _, err := f.fs.ask("sync", f.name, 0); err != nil {
		return err
	}
	return f.File.Sync()
}
