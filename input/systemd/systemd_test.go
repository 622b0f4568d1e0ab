package systemd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/systemd/journaltest"
	"github.com/firelane/firelane/record"
)

const patience = time.Minute // on a busy machine

func openFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func create(t *testing.T, path string, o journaltest.Options) *journaltest.Writer {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := journaltest.Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func add(t *testing.T, w *journaltest.Writer, at uint64, fields ...string) {
	t.Helper()
	if err := w.Add(at, fields...); err != nil {
		t.Fatal(err)
	}
}

// A collector is a Receiver that keeps what it gets, as "tag {…}".
type collector struct {
	mu       sync.Mutex
	added    []string
	flushed  []string
	ids      []record.ID
	rejected map[string]int
	refuse   bool // Flush fails
	hold     bool // Flush says that a filter holds what it got
	more     chan struct{}
	memory   *input.Memory // of the input; nil: none
}

func newCollector() *collector {
	return &collector{rejected: map[string]int{}, more: make(chan struct{}, 1)}
}

func (c *collector) Add([]byte, record.Time, []byte) { panic("an event without an identity") }

func (c *collector) AddIdentified(tag []byte, t record.Time, body []byte, id record.ID) {
	if n, err := record.Check(body); err != nil || n != len(body) {
		panic(fmt.Sprintf("body %q: %d, %v", body, n, err))
	}
	text := fmt.Sprintf("%s %d.%06d %s", tag, t.Sec, t.Nsec/1000, record.AppendJSON(nil, body))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.added = append(c.added, text)
	c.ids = append(c.ids, id)
}

func (c *collector) Reject(n int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rejected[reason] += n
	c.tell()
}

func (c *collector) tell() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func (c *collector) Flush(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse {
		return context.Canceled
	}
	if c.hold {
		return input.ErrHeld
	}
	c.flushed = append(c.flushed, c.added...)
	c.added = nil
	c.tell()
	return ctx.Err()
}

// wait waits until there are n flushed events, and returns them.
func (c *collector) wait(t *testing.T, n int) []string {
	t.Helper()
	c.until(t, func() bool { return len(c.flushed) >= n })
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.flushed)
}

func (c *collector) until(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		done := ok()
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-c.more:
		case <-deadline:
			t.Fatalf("it doesn't happen; got %q", c.flushed)
		}
	}
}

// A log keeps lines of the input's log.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A running is an input that runs.
type running struct {
	*collector
	in   input.Input
	log  *log
	stop context.CancelFunc
	done chan error
}

// run starts an input, and ends it after the test.
func run(t *testing.T, o Options, d config.Dialect) *running {
	t.Helper()
	return runInto(t, newCollector(), o, d)
}

// runInto is run with a collector that is as the test wants it.
func runInto(t *testing.T, c *collector, o Options, d config.Dialect) *running {
	t.Helper()
	if d == config.FluentBit {
		if o.MaxFields == 0 {
			o.MaxFields = 8000
		}
		if o.MaxEntries == 0 {
			o.MaxEntries = 5000
		}
	}
	if err := o.Check(d); err != nil {
		t.Fatal(err)
	}
	r := &running{collector: c, log: new(log), done: make(chan error, 1)}
	in, err := New(&o, d, input.Env{ID: "systemd.0", Log: zerolog.New(r.log), Memory: c.memory})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.in, r.stop = in, cancel
	go func() { r.done <- in.Run(ctx, func() input.Receiver { return r.collector }) }()
	t.Cleanup(func() { r.end(t) })
	return r
}

// end ends the input.
func (r *running) end(t *testing.T) {
	t.Helper()
	if r.done == nil {
		return
	}
	r.stop()
	select {
	case <-r.done:
	case <-time.After(patience):
		t.Fatal("Run doesn't end")
	}
	r.done = nil
}

// idle waits until everything is queued.
func (r *running) idle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.in.WaitIdle(ctx); err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRecordsAreThoseOfFluentBit(t *testing.T) {
	fields := []string{"_SYSTEMD_UNIT=docker.service", "PRIORITY=6", "__ODD=x", "MESSAGE=hello", "TAGS=one", "TAGS=two", "TAGS=three", "EMPTY="}
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"plain": {Options{Tag: "host.*"},
			`host.docker.service 1700000000.000001 {"_SYSTEMD_UNIT":"docker.service","PRIORITY":"6","__ODD":"x","MESSAGE":"hello","TAGS":["one","two","three"],"EMPTY":""}`},
		"default tag": {Options{MaxFields: 2}, `systemd.0 1700000000.000001 {"_SYSTEMD_UNIT":"docker.service","PRIORITY":"6"}`},
		"unit beyond max_fields": {Options{MaxFields: 1, Tag: "a.*.b", Lowercase: true},
			`a.docker.service.b 1700000000.000001 {"_systemd_unit":"docker.service"}`},
		"names": {Options{Tag: "x", Lowercase: true, Strip: true, MaxFields: 4},
			`x 1700000000.000001 {"systemd_unit":"docker.service","priority":"6","_odd":"x","message":"hello"}`},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Path = t.TempDir()
			w := create(t, filepath.Join(c.o.Path, "0123456789abcdef0123456789abcdef", "system.journal"), journaltest.Options{})
			add(t, w, 1_700_000_000_000_001, fields...)
			add(t, w, 1_700_000_001_000_000, "MESSAGE=two")
			got := run(t, c.o, config.FluentBit).wait(t, 2)
			if got[0] != c.want {
				t.Errorf("got  %s\nwant %s", got[0], c.want)
			}
			if strings.HasPrefix(name, "plain") && !strings.HasPrefix(got[1], "host.unknown ") {
				t.Errorf("got %s, want the unit unknown", got[1])
			}
		})
	}
}

// Otherwise an HTTP input would refuse large requests for ever.
func TestWhatIsReadOfAJournalTakesNoRoomFromTheEventsOfOthers(t *testing.T) {
	o := Options{Path: t.TempDir()}
	w := create(t, filepath.Join(o.Path, "0123456789abcdef0123456789abcdef", "system.journal"), journaltest.Options{})
	add(t, w, 1_700_000_000_000_001, "MESSAGE=hello")
	c := newCollector()
	c.memory = input.NewMemory(budget.New(budget.Default))
	r := runInto(t, c, o, config.FluentBit)
	r.wait(t, 1)
	r.idle(t)
	if !c.memory.TakeUnqueued(8 << 20) {
		t.Error("there is no room for 8 MiB of events, although none waits")
	}
}

func TestFiltersTakeWhatTheySay(t *testing.T) {
	f := func(list ...string) (o []config.Ordered) {
		for _, text := range list {
			o = append(o, config.Ordered{Value: text})
		}
		return o
	}
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"none":                 {Options{}, "1234"},
		"or":                   {Options{Filters: f("A=x", "B=y")}, "123"},
		"and":                  {Options{Filters: f("A=x", "B=y"), FilterType: "and"}, "1"},
		"twice the same field": {Options{Filters: f("A=x", "A=z"), FilterType: "and"}, ""},
		"no field":             {Options{Filters: f("A=xx")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Path = t.TempDir()
			w := create(t, filepath.Join(c.o.Path, "system.journal"), journaltest.Options{})
			for i, fields := range [][]string{{"A=x", "B=y"}, {"A=x", "B=n"}, {"B=y"}, {"A=z"}} {
				add(t, w, uint64(i), append(fields, fmt.Sprint("N=", i+1))...)
			}
			r := run(t, c.o, config.FluentBit)
			r.idle(t)
			got := ""
			for _, line := range r.wait(t, 0) {
				_, after, _ := strings.Cut(line, `"N":"`)
				got += after[:1]
			}
			if got != c.want {
				t.Errorf("got entries %s, want %s", got, c.want)
			}
		})
	}
	for _, text := range []string{"a=x", "A", "=x", "__CURSOR=1", "A B=x"} {
		if err := (&Options{Filters: f(text), MaxFields: 1, MaxEntries: 1}).Check(config.FluentBit); err == nil {
			t.Errorf("%q is taken as a condition", text)
		}
	}
}

func TestFluentdsOptions(t *testing.T) {
	dir := t.TempDir()
	w := create(t, filepath.Join(dir, "system.journal"), journaltest.Options{})
	add(t, w, 1, "MESSAGE=no", "_SYSTEMD_UNIT=x.service")
	add(t, w, 2, "MESSAGE=hello", "_SYSTEMD_UNIT=a.service", "_PID=7", "_CMDLINE=run it", "__PRIO_X=3", "PRIORITY=4")
	add(t, w, 3, "MESSAGE=no", "_SYSTEMD_UNIT=b.service", "PRIORITY=5")
	o := Options{Tag: "j", Path: dir, FromHead: true, Matches: `[{"_SYSTEMD_UNIT": ["a.service", "b.service"], "PRIORITY": 4}, {"A": "x"}]`,
		Entry: &Entry{Map: `{"MESSAGE": "log", "_PID": ["process", "pid"], "_CMDLINE": "process", "_COMM": "cmd"}`, Strip: true, Lowercase: true}}
	r := run(t, o, config.Fluentd)
	r.idle(t)
	equal(t, r.wait(t, 1), `j 0.000002 {"log":"hello","systemd_unit":"a.service","process":"7 run it","pid":"7","prio_x":"3","priority":"4"}`)
	r.end(t)
	o.Entry.MapStrict = true
	r = run(t, o, config.Fluentd)
	equal(t, r.wait(t, 1), `j 0.000002 {"log":"hello","process":"7 run it","pid":"7"}`)
	for _, bad := range []Options{{Tag: "j", Matches: "{}"}, {Tag: "j", Matches: `[{"a b": 1}]`}, {Tag: "j", Entry: &Entry{Map: "[]"}}, {Tag: "j", Entry: &Entry{Map: `{"A": 1}`}}, {}} {
		if bad.Check(config.Fluentd) == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestFieldsAreDecompressed(t *testing.T) {
	long := "MESSAGE=" + strings.Repeat("text and ", 500)
	for _, compact := range []bool{false, true} {
		for _, how := range []string{"zstd", "lz4"} {
			dir := t.TempDir()
			add(t, create(t, filepath.Join(dir, "system.journal"), journaltest.Options{Compress: how, Compact: compact}), 1, long)
			got := run(t, Options{Path: dir}, config.FluentBit).wait(t, 1)
			if !strings.Contains(got[0], long[len("MESSAGE="):]) {
				t.Errorf("%s: got %.100s", how, got[0])
			}
		}
	}
}

func TestAFieldThatCannotBeReadIsLeftOutAndNamed(t *testing.T) {
	for how, want := range map[string]string{"xz": "compressed with XZ", "zstd": "longer than", "": "longer than", "lz4": "longer than"} {
		dir := t.TempDir()
		w := create(t, filepath.Join(dir, "system.journal"), journaltest.Options{Compress: how})
		add(t, w, 1, "A=1", "LONG="+strings.Repeat("x", 1<<20), "B=2")
		r := run(t, Options{Path: dir}, config.FluentBit)
		equal(t, r.wait(t, 1), `systemd.0 0.000001 {"A":"1","B":"2"}`)
		r.end(t)
		if strings.Count(r.log.String(), "\n") != 1 || !strings.Contains(r.log.String(), want) {
			t.Errorf("%s: got log %s, want one line with %q", how, r.log, want)
		}
	}
}

// An entry is read once: across rotation, restarts, and a Flush that failed.
func TestNoEntryIsLostOrReadTwice(t *testing.T) {
	dir := t.TempDir()
	o := Options{Path: dir, DB: filepath.Join(dir, "db"), MaxEntries: 3}
	seqnums := journaltest.ID("one")
	n := uint64(0)
	write := func(w *journaltest.Writer, count int) {
		for range count {
			n++
			add(t, w, n, fmt.Sprint("N=", n), "_HOSTNAME=h")
		}
	}
	first := create(t, filepath.Join(dir, "system.journal"), journaltest.Options{SeqnumID: seqnums, FileID: journaltest.ID("a")})
	write(first, 10)
	r := run(t, o, config.FluentBit)
	var all []string
	r.wait(t, 10)
	write(first, 5)
	r.wait(t, 15)
	rotate := func(w *journaltest.Writer, id string) *journaltest.Writer { // as journald does
		if err := w.Archive(filepath.Join(dir, fmt.Sprintf("system@%s.journal", id))); err != nil {
			t.Fatal(err)
		}
		next := create(t, filepath.Join(dir, "system.journal"), journaltest.Options{SeqnumID: seqnums, FileID: journaltest.ID(id), Compact: true})
		next.SetSeqnum(n + 1)
		return next
	}
	second := rotate(first, "b")
	write(second, 7)
	r.wait(t, 22)
	r.end(t)
	all = append(all, r.flushed...)

	write(second, 3) // while it doesn't run
	third := rotate(second, "c")
	write(third, 4)
	refusing := newCollector()
	refusing.refuse = true
	failed := runInto(t, refusing, o, config.FluentBit)
	failed.end(t)
	if len(failed.flushed) > 0 {
		t.Fatal("it was flushed")
	}
	r = run(t, o, config.FluentBit)
	r.wait(t, 7)
	r.idle(t)
	r.end(t)
	all = append(all, r.flushed...)
	var want []string
	for i := uint64(1); i <= n; i++ {
		want = append(want, fmt.Sprintf(`systemd.0 0.%06d {"N":"%d","_HOSTNAME":"h"}`, i, i))
	}
	equal(t, all, want...)
}

func TestAnEntryThatIsReadAgainHasTheSameID(t *testing.T) {
	dir := t.TempDir()
	w := create(t, filepath.Join(dir, "system.journal"), journaltest.Options{})
	for n := range uint64(5) {
		add(t, w, n, "A=x")
	}
	one, two, other := run(t, Options{Path: dir}, config.FluentBit), run(t, Options{Path: dir}, config.FluentBit), run(t, Options{Path: dir, Tag: "other"}, config.FluentBit)
	one.wait(t, 5)
	two.wait(t, 5)
	other.wait(t, 5)
	if !slices.Equal(one.ids, two.ids) || one.ids[0] == one.ids[1] || one.ids[0] == other.ids[0] {
		t.Errorf("got ids %v, %v, %v", one.ids, two.ids, other.ids)
	}
}

func TestReadFromTailLeavesOutWhatThereIsAtTheFirstStart(t *testing.T) {
	dir := t.TempDir()
	o := Options{Path: dir, DB: filepath.Join(dir, "db"), FromTail: true}
	w := create(t, filepath.Join(dir, "system.journal"), journaltest.Options{FileID: journaltest.ID("a")})
	add(t, w, 1, "N=1")
	r := run(t, o, config.FluentBit)
	r.idle(t)
	r.end(t)
	add(t, w, 2, "N=2")
	add(t, create(t, filepath.Join(dir, "user-1000.journal"), journaltest.Options{FileID: journaltest.ID("b"), SeqnumID: journaltest.ID("user")}), 3, "N=3") // while it doesn't run
	r = run(t, o, config.FluentBit)
	equal(t, r.wait(t, 2), `systemd.0 0.000002 {"N":"2"}`, `systemd.0 0.000003 {"N":"3"}`)
}

// Entries of several files come in the order of their times, or of their numbers where the files are of one journald.
func TestFilesAreReadInTheOrderOfTheirEntries(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for n := range maxOpen + 8 {
		w := create(t, filepath.Join(dir, fmt.Sprintf("user-%d.journal", n)), journaltest.Options{FileID: journaltest.ID(fmt.Sprint(n)), SeqnumID: journaltest.ID(fmt.Sprint(n))})
		add(t, w, uint64(n), fmt.Sprint("N=", n))
		add(t, w, uint64(n+100), fmt.Sprint("N=", n+100))
		want = append(want, fmt.Sprintf(`systemd.0 0.%06d {"N":"%d"}`, n, n))
	}
	for n := range maxOpen + 8 {
		want = append(want, fmt.Sprintf(`systemd.0 0.%06d {"N":"%d"}`, n+100, n+100))
	}
	equal(t, run(t, Options{Path: dir}, config.FluentBit).wait(t, len(want)), want...)
}

func TestAJournalThatComesLaterIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	r := run(t, Options{Path: dir}, config.FluentBit)
	add(t, create(t, filepath.Join(dir, "0123456789abcdef0123456789abcdef", "system.journal"), journaltest.Options{}), 1, "A=x")
	r.wait(t, 1)
}

func TestAFileThatAnotherProgramHasWrittenIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "db")
	if err := os.WriteFile(db, []byte("SQLite format 3\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	add(t, create(t, filepath.Join(dir, "system.journal"), journaltest.Options{}), 1, "A=x")
	r := run(t, Options{Path: dir, DB: db}, config.FluentBit)
	r.wait(t, 1)
	r.end(t)
	if b, _ := os.ReadFile(db); string(b) != "SQLite format 3\x00" {
		t.Errorf("got %q", b)
	}
	if r = run(t, Options{Path: dir, DB: db}, config.FluentBit); r.in.(*Input).positions.fresh {
		t.Error("the position was not kept")
	}
}

// Without path, the journal is that of this machine, if its id is known.
func TestTheJournalOfThisMachineIsRead(t *testing.T) {
	const own, other = "0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff"
	dir := t.TempDir()
	logs, volatile, id := filepath.Join(dir, "log"), filepath.Join(dir, "run"), filepath.Join(dir, "id")
	roots, file := standardRoots, machineIDFile
	standardRoots, machineIDFile = []string{logs, volatile}, id
	defer func() { standardRoots, machineIDFile = roots, file }()
	add(t, create(t, filepath.Join(logs, other, "system.journal"), journaltest.Options{FileID: journaltest.ID("a"), SeqnumID: journaltest.ID("a")}), 1, "N=other")
	add(t, create(t, filepath.Join(volatile, own, "system.journal"), journaltest.Options{FileID: journaltest.ID("b")}), 2, "N=own")
	r := run(t, Options{}, config.FluentBit) // the id isn't known
	equal(t, r.wait(t, 2), `systemd.0 0.000001 {"N":"other"}`, `systemd.0 0.000002 {"N":"own"}`)
	r.end(t)
	if err := os.WriteFile(id, []byte(own+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = run(t, Options{}, config.FluentBit)
	r.idle(t)
	equal(t, r.wait(t, 1), `systemd.0 0.000002 {"N":"own"}`)
}

func TestAJournalThatIsNotThereIsLoggedOnce(t *testing.T) {
	r := run(t, Options{Path: filepath.Join(t.TempDir(), "none")}, config.FluentBit)
	r.idle(t)
	r.end(t)
	if n := strings.Count(r.log.String(), "no journal that can be read was found"); n != 1 {
		t.Errorf("got %d lines, want 1: %s", n, r.log)
	}
}
