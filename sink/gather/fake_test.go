package gather

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/deliver"
)

func TestMain(m *testing.M) {
	gatherUntilKilled() // only in the child
	leaktest.Main(m)
}

// folder is a store of files: the name of an object is that of a file in objects, parts of unfinished ones are files in parts,
// as an S3 bucket has unfinished uploads. A record's line is its number; its key is the number modulo keys.
type folder struct {
	dir    string
	keys   int
	limits Limits
	// script says what becomes of a call (write, finish, abandon) for the object of that name; nil: it succeeds.
	script func(ctx context.Context, call, name string) sink.Reply

	keyTime time.Duration // that Key takes

	mu     sync.Mutex
	calls  []string
	closed int
}

func newFolderStore(t testing.TB, keys int) *folder {
	return &folder{dir: t.TempDir(), keys: keys, limits: Limits{ObjectBytes: 2000, PartBytes: 300, MaxAge: time.Minute, Memory: 1000}}
}

func numberOf(r *sink.Record) int {
	v, _ := record.Find(r.Body, "n")
	n, _ := strconv.Atoi(string(record.AppendText(nil, v)))
	return n
}

func (f *folder) Key(dst []byte, r *sink.Record) []byte {
	time.Sleep(f.keyTime)
	return strconv.AppendInt(dst, int64(numberOf(r)%f.keys), 10)
}

func (f *folder) Append(body []byte, r *sink.Record) ([]byte, error) {
	text, _ := record.Find(r.Body, "n")
	line := string(record.AppendText(nil, text))
	if strings.HasPrefix(line, "unencodable") {
		return body, errors.New("no such thing can be stored")
	}
	if strings.HasPrefix(line, "panic") {
		panic(line)
	}
	return append(append(body, line...), '\n'), nil
}

func (f *folder) Create(first *sink.Record, s Start) Object {
	return &fileObject{f: f, name: fmt.Sprintf("%s-%s-%d", f.Key(nil, first), first.ID, s.Index), note: s.Note}
}

func (f *folder) Abandon(ctx context.Context, name, token string) sink.Reply {
	if r := f.say(ctx, "abandon", name); r.Verdict != sink.Done {
		return r
	}
	return failure(os.RemoveAll(filepath.Join(f.dir, "parts", name)))
}

func (f *folder) Limits() Limits { return f.limits }
func (f *folder) Close() error   { f.closed++; return nil }

func (f *folder) say(ctx context.Context, call, name string) sink.Reply {
	f.mu.Lock()
	f.calls = append(f.calls, call+" "+name)
	f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	if f.script != nil {
		return f.script(ctx, call, name)
	}
	return sink.Reply{}
}

func failure(err error) sink.Reply {
	if err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	return sink.Reply{}
}

type fileObject struct {
	f     *folder
	name  string
	note  func(name, token string) error
	body  []byte
	saved int64
	parts int
}

func (o *fileObject) Name() string { return o.name }
func (o *fileObject) Saved() bool  { return len(o.body) == 0 }
func (o *fileObject) Size() int64  { return o.saved + int64(len(o.body)) }
func (o *fileObject) Rewind()      { o.body = nil }

func (o *fileObject) Write(ctx context.Context, body []byte) sink.Reply {
	o.body = append(o.body, body...)
	if len(o.body) < o.f.limits.PartBytes {
		return sink.Reply{}
	}
	return o.part(ctx, "write")
}

func (o *fileObject) part(ctx context.Context, call string) sink.Reply {
	if r := o.f.say(ctx, call, o.name); r.Verdict != sink.Done {
		return r
	}
	dir := filepath.Join(o.f.dir, "parts", o.name)
	if o.parts == 0 {
		if err := o.note(o.name, "token"); err != nil {
			return failure(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return failure(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", o.parts)), o.body, 0o600); err != nil {
		return failure(err)
	}
	o.saved += int64(len(o.body))
	o.body = nil
	o.parts++
	return sink.Reply{}
}

func (o *fileObject) Finish(ctx context.Context) sink.Reply {
	if len(o.body) > 0 {
		if r := o.part(ctx, "last"); r.Verdict != sink.Done {
			return r
		}
	}
	if r := o.f.say(ctx, "finish", o.name); r.Verdict != sink.Done {
		return r
	}
	var all []byte
	dir := filepath.Join(o.f.dir, "parts", o.name)
	for n := range o.parts {
		part, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%06d", n)))
		if err != nil {
			return failure(fmt.Errorf("%w: %w", err, ErrGone))
		}
		all = append(all, part...)
	}
	objects := filepath.Join(o.f.dir, "objects")
	err := errors.Join(os.MkdirAll(objects, 0o700), os.WriteFile(filepath.Join(dir, "all"), all, 0o600))
	if err == nil {
		err = os.Rename(filepath.Join(dir, "all"), filepath.Join(objects, o.name))
	}
	return failure(errors.Join(err, os.RemoveAll(dir)))
}

func (o *fileObject) Abort(context.Context) { os.RemoveAll(filepath.Join(o.f.dir, "parts", o.name)) }

// objects are the finished objects by name.
func (f *folder) objects(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(f.dir, "objects", "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = string(text)
	}
	return all
}

// wantOnce checks that each number is in exactly one finished object, that objects have one key each, and that nothing unfinished
// is left.
func (f *folder) wantOnce(t testing.TB, numbers int) {
	t.Helper()
	seen := make(map[string]int)
	for name, text := range f.objects(t) {
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			seen[line]++
			if n, _ := strconv.Atoi(line); !strings.HasPrefix(name, strconv.Itoa(n%f.keys)+"-") {
				t.Errorf("record %s is in object %s", line, name)
			}
		}
	}
	missing, twice := 0, 0
	for n := range numbers {
		switch k := seen[strconv.Itoa(n)]; {
		case k == 0:
			missing++
		case k > 1:
			twice++
		}
	}
	if missing+twice > 0 || len(seen) != numbers {
		t.Errorf("got %d numbers, %d missing, %d more than once; want %d, each once", len(seen), missing, twice, numbers)
	}
	if left, _ := filepath.Glob(filepath.Join(f.dir, "parts", "*")); len(left) > 0 {
		t.Errorf("got %d unfinished objects, want none", len(left))
	}
}

// letters is a dead letter that keeps the reasons.
type letters struct {
	mu      sync.Mutex
	reasons []string
}

func (l *letters) Put(d *dead.Record) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reasons = append(l.reasons, d.Reason)
	return "here"
}

func (l *letters) Close() error { return nil }

// A rig is a queue, a store and the Output between them.
type rig struct {
	*testing.T
	queue   *buffer.Queue
	store   *folder
	out     *Output
	letters *letters
	done    chan struct{}
	log     bytes.Buffer
}

func newRig(t *testing.T, store *folder, q buffer.Options, retry sink.Retry) *rig {
	t.Helper()
	if q.Name == "" {
		q.Name = "q"
	}
	r := &rig{T: t, store: store, letters: &letters{}, done: make(chan struct{})}
	var err error
	if r.queue, err = buffer.Open(q); err != nil {
		t.Fatal(err)
	}
	r.out = New(Config{Name: "test", Queue: r.queue, Store: store, Retry: retry, Dead: r.letters, Log: zerolog.New(zerolog.SyncWriter(&r.log))})
	r.out.chunkBytes, r.out.bodyBytes = 500, 100
	return r
}

func unlimited() sink.Retry { return sink.Retry{Limit: sink.Unlimited, Base: time.Millisecond} }

func batchOf(texts ...string) []byte {
	var b record.Batch
	for i, text := range texts {
		body := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "n"), text)
		b.Add("app.web", record.Time{Sec: 1_700_000_000, Nsec: uint32(i)}, body)
	}
	return b.Bytes()
}

func upTo(from, to int) (texts []string) {
	for i := from; i < to; i++ {
		texts = append(texts, strconv.Itoa(i))
	}
	return texts
}

// add appends numbers in batches of ten.
func (r *rig) add(from, to int) {
	r.Helper()
	for ; from < to; from += 10 {
		texts := upTo(from, min(from+10, to))
		if err := r.queue.Append(r.Context(), batchOf(texts...), len(texts), nil); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *rig) start(ctx context.Context) {
	go func() {
		defer close(r.done)
		r.out.Run(ctx)
	}()
}

// finish drains, and waits for the end.
func (r *rig) finish() deliver.Stats {
	r.Helper()
	r.out.Drain()
	return r.wait()
}

func (r *rig) wait() deliver.Stats {
	r.Helper()
	<-r.done
	s := r.out.Stats()
	r.check()
	if err := r.queue.Close(); err != nil {
		r.Fatal(err)
	}
	if r.store.closed != 1 {
		r.Errorf("the store was closed %d times, want once", r.store.closed)
	}
	return s
}

// check holds the accounts to their promise.
func (r *rig) check() {
	r.Helper()
	r.out.Inspect(func(s deliver.Stats) {
		got := s.Delivered + s.Dead + s.Unreadable + s.Queue.DroppedRecords + s.Buffered
		if want := s.Queue.Appended + s.Queue.Recovered + s.Again; got != want || s.Buffered < 0 {
			r.Errorf("got %d records in the accounts %+v, want %d, as many as were appended", got, s, want)
		}
	})
}

// eventually waits by synctest's clock for cond.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for range 60_000 {
		if cond() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("timed out waiting for this: %s", what)
}
