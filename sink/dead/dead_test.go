package dead

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

func deadRecord(text string, pos uint64) *Record {
	body := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "n"), text)
	return &Record{
		Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Output: "es.0", Target: "web-2026-11-23", Status: 400,
		Type: "mapper_parsing_exception", Reason: "failed to parse \"a\"\n",
		Record: &sink.Record{Event: record.Event{Tag: "app.web", Time: record.Time{Sec: 1_700_000_000, Nsec: 5}, Body: body}, ID: record.ID{Pos: pos}},
	}
}

func newFile(dir, output string, log zerolog.Logger) *File {
	return NewFile(dir, output, 0, NewLog(log), log)
}

// syncBuffer is a log that several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func readAll(t *testing.T, dir string) (texts []string) {
	t.Helper()
	files, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for e, err := range Read(f) {
			if err != nil {
				t.Error(err)
				continue
			}
			var r struct{ N string }
			if err := json.Unmarshal(e.Record, &r); err != nil {
				t.Error(err)
			}
			texts = append(texts, r.N)
		}
	}
	return texts
}

func TestALineHoldsEverythingAboutADeadLetter(t *testing.T) {
	dir := t.TempDir()
	d := newFile(filepath.Join(dir, "dead"), "es.0", zerolog.New(io.Discard))
	defer d.Close()
	if where := d.Put(deadRecord("x", 7)); where != filepath.Join(dir, "dead", "es.0.jsonl") {
		t.Errorf("got it put into %q, want the file", where)
	}
	got, err := os.ReadFile(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-11-23T10:00:00Z","output":"es.0","index":"web-2026-11-23","status":400,"type":"mapper_parsing_exception",` +
		`"reason":"failed to parse \"a\"\n","id":"` + record.ID{Pos: 7}.String() + `","tag":"app.web",` +
		`"record_time":"2023-11-14T22:13:20.000000005Z","record":{"n":"x"}}` + "\n"
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for e, err := range Read(d.Path()) {
		if err != nil || e.Index != "web-2026-11-23" || e.Status != 400 || e.Tag != "app.web" || e.RecordTime.Nanosecond() != 5 {
			t.Errorf("got %+v and %v read back, want what was put", e, err)
		}
	}
}

func TestOnlyTheRoutersUserReadsADeadLetter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dead")
	d := newFile(dir, "es.0", zerolog.New(io.Discard))
	defer d.Close()
	d.Put(deadRecord("x", 7))
	for path, want := range map[string]os.FileMode{dir: 0o700, d.Path(): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: got %v and error %v, want %v", path, st.Mode(), err, want)
		}
	}
}

func TestTheOldestFileIsRemovedAtTheLimitAndItsRecordsAreCounted(t *testing.T) {
	dir := t.TempDir()
	logs := &syncBuffer{}
	const n, limit = 80, 256 << 10
	line := strings.Repeat("x", 4<<10)
	put := func(from, to int) (own, earlier int64) {
		d := NewFile(dir, "es.0", limit, NewLog(zerolog.New(logs)), zerolog.New(logs))
		defer d.Close()
		for i := from; i < to; i++ {
			d.Put(deadRecord(fmt.Sprintf("%03d%s", i, line), uint64(i)))
			if size := sizeOf(t, dir); size > limit {
				t.Fatalf("got %d bytes in all files, want at most %d", size, limit)
			}
		}
		return d.Lost()
	}
	if own, earlier := put(0, 40); own != 0 || earlier != 0 {
		t.Errorf("got %d and %d records lost, want none yet", own, earlier)
	}
	own, earlier := put(40, n) // after a restart
	texts := readAll(t, dir)
	if int64(len(texts))+own+earlier != n || earlier == 0 {
		t.Errorf("got %d records kept, %d lost and %d earlier ones lost, want some earlier ones, and %d together", len(texts), own, earlier, n)
	}
	if !slices.IsSorted(texts) || !strings.HasPrefix(texts[len(texts)-1], "079") {
		t.Error("got other records, want the newest ones, the oldest first")
	}
	own2, earlier2 := put(n, 3*n)
	texts = readAll(t, dir)
	if got := int64(len(texts)) + own + earlier + own2 + earlier2; got != 3*n || own2 == 0 || earlier2 == 0 {
		t.Errorf("got %d records kept or lost, %d lost of the last process, want %d", got, own2, 3*n)
	}
	if !strings.Contains(logs.String(), "oldest file was removed") {
		t.Errorf("got the log %s, want it to name the file that was removed", logs)
	}
}

func sizeOf(t *testing.T, dir string) (size int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += st.Size()
	}
	return size
}

func TestALowerLimitRemovesFilesUntilItIsKept(t *testing.T) {
	dir := t.TempDir()
	put := func(limit int64, n int) *File {
		d := NewFile(dir, "es.0", limit, NewLog(zerolog.Nop()), zerolog.Nop())
		defer d.Close()
		for i := range n {
			d.Put(deadRecord(strings.Repeat("x", 4<<10), uint64(i)))
		}
		return d
	}
	put(1<<20, 200)
	d := put(64<<10, 100)
	if size := sizeOf(t, dir); size > 64<<10 {
		t.Errorf("got %d bytes, want at most 64 KiB", size)
	}
	own, earlier := d.Lost()
	if kept := int64(len(readAll(t, dir))); kept+own+earlier != 300 || earlier != 200 {
		t.Errorf("got %d records kept, %d and %d lost, want 300 together", kept, own, earlier)
	}
}

func TestALargeRecordIsKeptWholeAndIsNeverInMemoryAsJSON(t *testing.T) {
	dir := t.TempDir()
	d := newFile(dir, "es.0", zerolog.Nop())
	defer d.Close()
	large := deadRecord(strings.Repeat("\x00", 4<<20), 1)
	d.Put(deadRecord("before", 0))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d.Put(large)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("got %d bytes allocated for a record of %d, want at most 1 MiB", n, len(large.Record.Body))
	}
	d.Put(deadRecord("after", 2))
	var got []Entry
	for e, err := range Read(d.Path()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != 3 || got[1].Type != large.Type || got[1].Tag != "app.web" {
		t.Fatalf("got %d entries, want 3, each with its head", len(got))
	}
	if body, err := got[1].Body(); err != nil || !bytes.Equal(body, large.Record.Body) {
		t.Errorf("got %d bytes and error %v, want the record as it was", len(body), err)
	}
	if body, err := got[2].Body(); err != nil || !bytes.Equal(body, deadRecord("after", 2).Record.Body) {
		t.Errorf("got %q and error %v, want the record as it was", body, err)
	}
	got[1].Packed[0] = 0xc1
	if body, err := got[1].Body(); err == nil {
		t.Errorf("got %d bytes, want an error for what is no record", len(body))
	}
}

func TestALargeRecordIsLoggedCutShort(t *testing.T) {
	logs := &syncBuffer{}
	l := NewLog(zerolog.New(logs))
	l.Put(deadRecord(strings.Repeat("\x00", 4<<20), 1))
	if s := logs.String(); len(s) > 3*maxLogged || !strings.Contains(s, "cut short") || !strings.Contains(s, "mapper_parsing_exception") {
		t.Errorf("got %d bytes of log, want the beginning of the line: %.300s", len(s), s)
	}
}

func TestWhereNoFolderCanBeWrittenTheLogHasTheRecord(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dead"), nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	logs := &syncBuffer{}
	d := newFile(filepath.Join(dir, "dead"), "es.0", zerolog.New(logs))
	defer d.Close()
	if where := d.Put(deadRecord("x", 7)); where != "log" {
		t.Errorf("got it put into %q, want the log", where)
	}
	d.Put(deadRecord(strings.Repeat("y", 100_000), 8))
	if s := logs.String(); !strings.Contains(s, `"record":{"n":"x"}`) || len(s) > 40_000 || d.Logged() != 2 {
		t.Errorf("got %d bytes of log for %d records, want at most 40,000 for 2: %.500s", len(s), d.Logged(), s)
	}
}

func TestAHalfWrittenLineLeavesTheOthersReadable(t *testing.T) {
	dir := t.TempDir()
	d := newFile(dir, "es.0", zerolog.New(io.Discard))
	d.Put(deadRecord("1", 1))
	_ = d.Close()
	f, err := os.OpenFile(d.Path(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"time":"2026-`) // a kill in the middle
	_ = f.Close()
	d.Put(deadRecord("2", 2))
	defer d.Close()
	good, bad := 0, 0
	for _, err := range Read(d.Path()) {
		if err != nil {
			bad++
			if !strings.Contains(err.Error(), "es.0.jsonl:2: not an entry") {
				t.Error(err)
			}
			continue
		}
		good++
	}
	if good != 2 || bad != 1 {
		t.Errorf("got %d entries and %d bad lines, want 2 and 1", good, bad)
	}
}

func TestClaimingLosesNoRecordOfARunningRouter(t *testing.T) {
	dir := t.TempDir()
	d := newFile(dir, "es.0", zerolog.New(io.Discard))
	defer d.Close()
	const n = 3000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range n {
			d.Put(deadRecord(fmt.Sprint(i), uint64(i)))
		}
	})
	seen := map[string]int{}
	claim := func() {
		to, err := Claim(d.Path())
		if err != nil {
			return // not there yet
		}
		for e, err := range Read(to) {
			if err != nil {
				t.Error(err)
			}
			seen[e.ID]++
		}
		if err := os.Remove(to); err != nil {
			t.Error(err)
		}
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		claim()
	}
	claim()
	if len(seen) != n {
		t.Errorf("got %d records, want %d", len(seen), n)
	}
	for id, k := range seen {
		if k != 1 {
			t.Errorf("got %s %d times, want it once", id, k)
		}
	}
}

func TestAClaimedFileIsListedFirst(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.jsonl", "a.jsonl.1", "a.jsonl.10", "a.jsonl.2", "a.jsonl.2.claimed", "b.jsonl.3", "b.jsonl", "other.txt", "a.jsonl.x"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files(dir)
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	if want := []string{"a.jsonl.10", "a.jsonl.2.claimed", "a.jsonl.2", "a.jsonl.1", "a.jsonl", "b.jsonl.3", "b.jsonl"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %q and error %v, want %q", names, err, want)
	}
	if files, err := Files(filepath.Join(dir, "none")); err != nil || files != nil {
		t.Errorf("got %q and error %v for a folder that isn't there, want nothing", files, err)
	}
}
