package tail

import (
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
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// logs is a folder with a file that lines are appended to, and the file of offsets.
type logs struct {
	dir string
	o   Options
}

func newLogs(t testing.TB) *logs {
	t.Helper()
	dir := t.TempDir()
	l := &logs{dir: dir, o: Options{
		Path: []string{filepath.Join(dir, "*.log")}, Key: "log", FromHead: true, Inotify: true, DB: filepath.Join(dir, "offsets.db"),
		Refresh: time.Minute, RotateWait: 50 * time.Millisecond, MaxLine: 32 << 10, Tag: "app.*",
	}}
	l.write(t, "app.log", "")
	return l
}

func (l *logs) path(name string) string { return filepath.Join(l.dir, name) }

func (l *logs) write(t testing.TB, name, text string) {
	t.Helper()
	out, err := os.OpenFile(l.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func (l *logs) open(t testing.TB) input.Input {
	t.Helper()
	in, err := New(&l.o, config.FluentBit, input.Env{ID: "tail.0", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (l *logs) Send(t *testing.T, text string) { l.write(t, "app.log", text+"\n") }

// Acked counts the lines before the saved offset.
func (l *logs) Acked(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(l.path("app.log"))
	if err != nil {
		t.Fatal(err)
	}
	p := l.saved(t)
	return strings.Count(string(b[:p.offset]), "\n")
}

// saved is the place of app.log in the file of offsets, which a running input has locked.
func (l *logs) saved(t testing.TB) place {
	t.Helper()
	id, _, err := stat(l.path("app.log"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(l.o.DB)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &store{file: f, places: map[fileID]place{}}
	_ = s.load() // it can't truncate
	return s.places[id]
}

func (l *logs) Close() {}

func TestPromises(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
		l := newLogs(t)
		return l.open(t), l
	}})
}

func TestPromisesWithoutWatches(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
		l := newLogs(t)
		l.o.Inotify = false
		return l.open(t), l
	}})
}

// A run follows files until stop.
type run struct {
	*inputtest.Recorder
	t    testing.TB
	in   *Input
	done chan error
	end  context.CancelFunc
}

func (l *logs) start(t testing.TB) *run {
	t.Helper()
	return l.run(t, l.open(t))
}

func (l *logs) run(t testing.TB, in input.Input) *run {
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{Recorder: new(inputtest.Recorder), t: t, in: in.(*Input), done: make(chan error, 1), end: cancel}
	go func() { r.done <- in.Run(ctx, r.Receiver) }()
	return r
}

// stop ends the run and returns what it has flushed.
func (r *run) stop() []string {
	r.t.Helper()
	r.end()
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
	if err := r.in.Close(); err != nil {
		r.t.Error(err)
	}
	return r.Flushed()
}

// gets waits until n lines were flushed.
func (r *run) gets(n int) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); len(r.Flushed()) < n; time.Sleep(time.Millisecond) { // a Recorder can only be asked again
		if time.Now().After(deadline) {
			r.t.Fatalf("%d lines arrived, want %d", len(r.Flushed()), n)
		}
	}
}

func lines(first, last int) (list []string) {
	for n := first; n <= last; n++ {
		list = append(list, fmt.Sprintf("line number %d", n))
	}
	return list
}

func text(first, last int) string { return strings.Join(lines(first, last), "\n") + "\n" }

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %d lines, want %d: %.300q", len(got), len(want), got)
	}
}

func TestTheNextRunGoesOnWhereTheLastOneEnded(t *testing.T) {
	l := newLogs(t)
	var all []string
	for n := range 3 {
		l.write(t, "app.log", text(10*n+1, 10*n+10))
		r := l.start(t)
		r.gets(10)
		all = append(all, r.stop()...)
	}
	same(t, all, lines(1, 30))
}

// Otherwise an HTTP input would refuse large requests for ever.
func TestTheBufferForReadingTakesNoRoomFromTheEventsOfOthers(t *testing.T) {
	l := newLogs(t)
	memory := input.NewMemory(budget.New(budget.Default))
	in, err := New(&l.o, config.FluentBit, input.Env{ID: "tail.0", Log: zerolog.Nop(), Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	l.write(t, "app.log", text(1, 10))
	r := l.run(t, in)
	r.gets(10)
	if !memory.TakeUnqueued(8 << 20) {
		t.Error("there is no room for 8 MiB of events, although none waits")
	}
	r.stop()
}

func TestAFileThatIsRenamedIsReadToItsEnd(t *testing.T) {
	for _, watched := range []bool{true, false} {
		l := newLogs(t)
		l.o.Inotify = watched
		l.write(t, "app.log", text(1, 10))
		r := l.start(t)
		r.gets(10)
		old, err := os.OpenFile(l.path("app.log"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(l.path("app.log"), l.path("app.log.1")); err != nil {
			t.Fatal(err)
		}
		old.WriteString(text(11, 20))
		l.write(t, "app.log", text(21, 30))
		old.WriteString("no newline at the end")
		old.Close()
		r.gets(31)
		got := r.stop()
		slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
		same(t, got, append([]string{"no newline at the end"}, lines(1, 30)...))
	}
}

func TestARotationWhileNobodyReadsLosesNothing(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	r.stop()
	l.write(t, "app.log", text(11, 20))
	if err := os.Rename(l.path("app.log"), l.path("app.log.1")); err != nil {
		t.Fatal(err)
	}
	l.write(t, "app.log", text(21, 30))
	r = l.start(t)
	r.gets(20)
	got := r.stop()
	slices.Sort(got)
	same(t, got, lines(11, 30))
}

// What was written between the last read and the copy is in the copy only.
func TestAFileThatIsCopiedAndTruncatedIsReadToItsEnd(t *testing.T) {
	for _, while := range []string{"following", "stopped"} {
		l := newLogs(t)
		l.o.Inotify = false // so that there is something that was not read
		l.write(t, "app.log", text(1, 10))
		r := l.start(t)
		r.gets(10)
		got := []string(nil)
		if while == "stopped" {
			got = r.stop()
		}
		l.write(t, "app.log", text(11, 20))
		b, err := os.ReadFile(l.path("app.log"))
		if err != nil {
			t.Fatal(err)
		}
		l.write(t, "app.log.1", string(b))
		if err := os.Truncate(l.path("app.log"), 0); err != nil {
			t.Fatal(err)
		}
		l.write(t, "app.log", text(21, 50)) // longer than before: only its beginning tells
		if while == "stopped" {
			r = l.start(t)
			r.gets(40)
		} else {
			r.gets(50)
		}
		got = append(got, r.stop()...)
		slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
		same(t, got, lines(1, 50))
	}
}

func number(line string) (n int) {
	fmt.Sscanf(line, "line number %d", &n)
	return n
}

func TestAFileThatTakesAnotherOnesPlaceIsReadFromItsBeginning(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	if err := os.Remove(l.path("app.log")); err != nil {
		t.Fatal(err)
	}
	l.write(t, "app.log", text(11, 30)) // it may have the same inode
	r.gets(30)
	same(t, r.stop(), lines(1, 30))
}

func TestNewFilesAreFoundAndOldOnesBeginAtTheirEnd(t *testing.T) {
	l := newLogs(t)
	l.o.FromHead = false
	l.o.Exclude = []string{"*.skip.log", filepath.Join(l.dir, "no.log")}
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	if err := r.in.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.write(t, "app.log", text(11, 12))
	r.gets(2)
	l.write(t, "a.skip.log", "no\n")
	l.write(t, "no.log", "no\n")
	l.write(t, "new.log", text(13, 14))
	r.gets(4)
	same(t, r.stop(), lines(11, 14))
}

func TestPatternsMayHaveDotsAndDoubleSlashes(t *testing.T) {
	l := newLogs(t)
	l.o.Path = []string{l.dir + "//*.log"}
	l.o.Exclude = []string{l.dir + "/./no*.log"}
	l.write(t, "no.log", "no\n")
	r := l.start(t)
	if err := r.in.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.write(t, "no2.log", "no\n")
	l.write(t, "new.log", text(1, 2)) // seen at once: the next search is in a minute
	r.gets(2)
	same(t, r.stop(), lines(1, 2))
}

// What a parent is depends on symbolic links, so such a pattern isn't shortened.
func TestAPatternWithAParentStaysAsItIs(t *testing.T) {
	if got := cleaned([]string{"/logs//./*.log", "/link/../*.log", ""}); !slices.Equal(got, []string{"/logs/*.log", "/link/../*.log", ""}) {
		t.Errorf("got %q", got)
	}
}

// An application that starts with the router writes before the first search for files.
func TestLinesThatComeBetweenTheStartAndTheFirstSearchAreRead(t *testing.T) {
	l := newLogs(t)
	l.o.FromHead = false
	l.write(t, "old.log", text(1, 9))
	in := l.open(t)
	l.write(t, "old.log", text(10, 10))
	l.write(t, "new.log", text(11, 12))
	r := l.run(t, in)
	r.gets(3)
	got := r.stop()
	slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
	same(t, got, lines(10, 12))
}

func TestASymbolicLinkIsFollowed(t *testing.T) {
	l := newLogs(t)
	target := filepath.Join(t.TempDir(), "0.log")
	if err := os.WriteFile(target, []byte(text(1, 5)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, l.path("pod.log")); err != nil {
		t.Fatal(err)
	}
	r := l.start(t)
	r.gets(5)
	f, err := os.OpenFile(target, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString(text(6, 10))
	r.gets(10)
	same(t, r.stop(), lines(1, 10))
}

func TestLongAndEmptyLines(t *testing.T) {
	long := strings.Repeat("x", 100)
	for skip, want := range map[bool][]string{
		true:  {"a", "b", "c"},
		false: {"a", strings.Repeat("x", 40), strings.Repeat("x", 40), strings.Repeat("x", 20), "b", "c"},
	} {
		l := newLogs(t)
		l.o.MaxLine, l.o.SkipLong, l.o.SkipEmpty = 40, skip, true
		l.write(t, "app.log", "a\n\n"+long+"\nb\r\n\r\nc\n")
		r := l.start(t)
		r.gets(len(want))
		same(t, r.stop(), want)

		l = newLogs(t) // longer than what is read at once
		l.o.MaxLine, l.o.SkipLong = 200<<10, skip
		huge := strings.Repeat("y", 500<<10)
		l.write(t, "app.log", "a\n"+huge+"\nb\n"+huge[:150<<10]+"\n")
		want := []string{"a", "b", huge[:150<<10]}
		if !skip {
			want = []string{"a", huge[:200<<10], huge[:200<<10], huge[:100<<10], "b", huge[:150<<10]}
		}
		r = l.start(t)
		r.gets(len(want))
		same(t, r.stop(), want)
	}
}

func TestLinesAreJoinedAndComeAgainUntilTheyAreQueued(t *testing.T) {
	l := newLogs(t)
	l.o.Multiline = []string{"java"}
	trace := "java.lang.Error: x\n\tat a.b\n\tat c.d"
	l.write(t, "app.log", "before\n"+trace+"\n")
	r := l.start(t)
	r.gets(1)
	same(t, r.stop(), []string{"before"}) // what it held is read again
	l.write(t, "app.log", "\tat e.f\nafter\n"+trace+"\n")
	r = l.start(t)
	r.gets(2)
	if err := r.in.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, r.stop(), []string{trace + "\n\tat e.f", "after", trace})
}

func TestLinesAfterTheFirstOneAreAdded(t *testing.T) {
	l := newLogs(t)
	l.o.Joined, l.o.FirstLine, l.o.JoinFlush = true, "first", time.Hour
	l.write(t, "app.log", "alone\n2026 one\n two\n2026 three\n four")
	in, err := New(&l.o, config.FluentBit, input.Env{ID: "tail.0", Log: zerolog.Nop(), Parsers: []config.Instance{
		{Name: "regex", ID: "first", Options: &parse.Options{Name: "first", Format: "regex", Regex: `^\d+ (?<log>.*)$`}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := l.run(t, in)
	r.gets(2)
	l.write(t, "app.log", "\n2026 five\n")
	r.gets(3)
	same(t, r.stop(), []string{"alone", "one\n two", "three\n four"})
}

func TestContainersFilesAreJoined(t *testing.T) {
	l := newLogs(t)
	l.o.Multiline = []string{"docker", "cri"}
	l.write(t, "app.log", `{"log":"one ","stream":"stdout","time":"2026-11-26T10:00:00.5Z"}`+"\n"+
		`{"log":"two\n","stream":"stdout","time":"2026-11-26T10:00:00.7Z"}`+"\n"+
		"2026-11-26T10:00:00.5+00:00 stdout P three \n2026-11-26T10:00:00.7+00:00 stdout F four\n")
	r := l.start(t)
	r.gets(2)
	same(t, r.stop(), []string{"one two\n", "three four"})
}

// 1,000 files of which few are open at a time.
func TestAThousandFilesWithFewDescriptors(t *testing.T) {
	l := newLogs(t)
	const files, rounds = 1000, 4
	r := l.start(t)
	r.gets(0)
	for round := range rounds {
		for n := range files {
			l.write(t, fmt.Sprintf("many-%d.log", n), fmt.Sprintf("line number %d\n", round*files+n))
		}
		r.gets((round + 1) * files)
	}
	if n := r.in.opened.Len(); n > maxOpen {
		t.Errorf("%d files are open, want at most %d", n, maxOpen)
	}
	got := r.stop()
	slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
	same(t, got, lines(0, files*rounds-1))
}

// As in Fluent Bit 5.1.1 and Fluentd 1.19.3.
func TestTags(t *testing.T) {
	for _, c := range []struct {
		path, want string
		d          config.Dialect
		o          Options
	}{
		{"/var/log/a.log", "kube.var.log.a.log", config.FluentBit, Options{Tag: "kube.*"}},
		{"/var/log/a.log", "tail.0", config.FluentBit, Options{}},
		{"/a:b..c*/d.", "x.a.b.c.d", config.FluentBit, Options{Tag: "x.*."}},
		{"/a:b..c/d", "x.a:b.c.d.y", config.Fluentd, Options{Tag: "x.*.y"}},
		{"/var/log/nginx_prod.log", "x.nginx.prod", config.FluentBit, Options{Tag: "x.<name>.<space>", TagRegex: `(?<name>[a-z]+)_(?<space>[a-z]+)\.log$`}},
		{"/var/log/nginx_.log", "x.nginx._._", config.FluentBit, Options{Tag: "x.<name>.<space>.<other>", TagRegex: `(?<name>[a-z]+)_(?<space>[a-z]+)?\.log$`}},
		{"/var/log/a.log", "", config.FluentBit, Options{Tag: "x.<name>", TagRegex: `(?<name>[a-z]+)_`}},
		{"/var/log/a.log", "x", config.FluentBit, Options{Tag: "x", TagRegex: `(?<name>[a-z]+)_`}},
	} {
		tags, err := newTagger(&c.o, c.d, "tail.0")
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := tags.tagFor(c.path); string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s with %s: got %s, want %s", c.path, c.o.Tag, got, c.want)
		}
	}
}

// As in Fluent Bit, and for * in paths in Fluentd, too.
func TestWhichFilesAreFollowed(t *testing.T) {
	for _, c := range []struct {
		path, exclude, file string
		d                   config.Dialect
		want                bool
	}{
		{"/logs/*", "", "/logs/a", config.FluentBit, true},
		{"/logs/*", "", "/logs/.a", config.FluentBit, false},
		{"/logs/*", "", "/logs/.nfs0001", config.Fluentd, false},
		{"/logs/.*", "", "/logs/.a", config.FluentBit, true},
		{"/logs/*/a", "", "/logs/.git/a", config.FluentBit, false},
		{"/.logs/*", "", "/.logs/a", config.FluentBit, true},
		{"/logs/[!b]", "", "/logs/a", config.FluentBit, true},
		{"/logs/[!b]", "", "/logs/b", config.Fluentd, false},
		{"/logs/*/*", "*debug*", "/logs/debug/a", config.FluentBit, false},
		{"/logs/*/*", "*debug*", "/logs/debug/a", config.Fluentd, true},
		{"/logs/*/*", "/logs/*.gz", "/logs/a/b.gz", config.FluentBit, false},
		{"/logs/*/*", "*.gz", "/logs/a/b.gz", config.Fluentd, false},
		{"/logs/*/*", "/logs/*", "/logs/a/b", config.Fluentd, true},
	} {
		in := &Input{opts: Options{Path: cleaned([]string{c.path}), Exclude: cleaned([]string{c.exclude})}}
		in.liner.dialect = c.d
		if got := in.wants(c.file); got != c.want {
			t.Errorf("%s without %s: got %v for %s, want %v", c.path, c.exclude, got, c.file, c.want)
		}
	}
}

func TestHiddenFilesAreLeftOut(t *testing.T) {
	l := newLogs(t)
	l.write(t, ".hidden.log", "no\n")
	l.write(t, "app.log", text(1, 1))
	r := l.start(t)
	r.gets(1)
	l.write(t, ".new.log", "no\n")
	r.idle()
	same(t, r.stop(), lines(1, 1))
}

// As in Fluent Bit: what an old file had is not read when it gets a new line.
func TestWhatAFileHadWhileItWasLeftOutAsOldIsNotRead(t *testing.T) {
	l := newLogs(t)
	l.o.IgnoreOlder = time.Hour
	l.write(t, "old.log", text(1, 10))
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(l.path("old.log"), past, past); err != nil {
		t.Fatal(err)
	}
	r := l.start(t)
	r.idle()
	l.write(t, "old.log", text(11, 12))
	l.write(t, "new.log", text(13, 14))
	r.gets(4)
	got := r.stop()
	slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
	same(t, got, lines(11, 14))
}

func TestATagRegexThatIsNoneHasNoEffect(t *testing.T) {
	o := Options{Path: []string{"/var/log/*.log"}, Refresh: time.Minute, RotateWait: time.Second, Tag: "x.<name>.*", TagRegex: "(?<name>["}
	if err := o.Check(config.FluentBit); err != nil {
		t.Fatal(err)
	}
	if w := o.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "tag_regex pattern ") {
		t.Errorf("got warnings %q, want one about tag_regex", w)
	}
	tags, _ := newTagger(&o, config.FluentBit, "")
	if got, _ := tags.tagFor("/var/log/a.log"); string(got) != "x.<name>.var.log.a.log" {
		t.Errorf("got %s", got)
	}
}

func TestAnothersFileOfOffsetsIsLeftAlone(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", text(1, 10))
	id, _, err := stat(l.path("app.log"))
	if err != nil {
		t.Fatal(err)
	}
	pos := fmt.Sprintf("%s\t%016x\t%016x\n", l.path("app.log"), len(text(1, 4)), id.ino)
	if err := os.WriteFile(l.o.DB, []byte(pos), 0o600); err != nil {
		t.Fatal(err)
	}
	r := l.start(t)
	r.gets(6)
	same(t, r.stop(), lines(5, 10))
	if b, err := os.ReadFile(l.o.DB); string(b) != pos {
		t.Errorf("Fluentd's file was written to: %q, %v", b, err)
	}
	l.write(t, "app.log", text(11, 12))
	r = l.start(t)
	r.gets(2)
	same(t, r.stop(), lines(11, 12))
}

func TestEndOfFileEndsTheInput(t *testing.T) {
	l := newLogs(t)
	l.o.ExitOnEOF = true
	l.write(t, "app.log", text(1, 1000))
	r := l.start(t)
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	same(t, r.Flushed(), lines(1, 1000))
	r.done <- nil
	r.stop()
}

// A counter keeps the bodies of events as JSON, and counts what is rejected.
type counter struct {
	mu       sync.Mutex
	bodies   []string
	times    []uint32
	rejected map[string]int
}

func (c *counter) Add(tag []byte, at record.Time, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, err := record.Check(body); err != nil || n != len(body) {
		panic("not one map")
	}
	c.bodies = append(c.bodies, string(tag)+" "+string(record.AppendJSON(nil, body)))
	c.times = append(c.times, at.Sec)
}

func (c *counter) Reject(n int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rejected[reason] += n
}

func (c *counter) Flush(context.Context) error { return nil }

// read reads all lines of app.log by options of a dialect.
func (l *logs) read(t *testing.T, d config.Dialect, env input.Env) *counter {
	t.Helper()
	l.o.ExitOnEOF = true
	env.ID, env.Log = "tail.0", zerolog.Nop()
	in, err := New(&l.o, d, env)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := &counter{rejected: map[string]int{}}
	if err := in.Run(t.Context(), func() input.Receiver { return c }); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLinesAreParsedAndGetTheirFilesFields(t *testing.T) {
	const text = `{"a":1,"time":1795430441}` + "\nno JSON\n"
	l := newLogs(t)
	path := l.path("app.log")
	l.o.Tag, l.o.PathKey, l.o.OffsetKey, l.o.Parser = "app", "file", "at", "json"
	l.write(t, "app.log", text)
	env := input.Env{Parsers: []config.Instance{{Name: "json", ID: "json", Options: &parse.Options{Name: "json", Format: "json"}}}}
	same(t, l.read(t, config.FluentBit, env).bodies, []string{
		`app {"file":"` + path + `","at":0,"a":1,"time":1795430441}`, `app {"file":"` + path + `","at":26,"log":"no JSON"}`,
	})

	for emit, want := range map[bool][]string{
		true:  {`app {"path":"` + path + `","a":1}`, `app {"path":"` + path + `","unmatched_line":"no JSON"}`},
		false: {`app {"path":"` + path + `","a":1}`},
	} {
		l.o = Options{Path: l.o.Path, Tag: "app", PathKey: "path", FromHead: true, Refresh: time.Minute, Unmatched: emit, Parse: &parse.Spec{Type: "json", TimeKey: "time"}}
		c := l.read(t, config.Fluentd, input.Env{})
		same(t, c.bodies, want)
		if c.times[0] != 1795430441 {
			t.Errorf("got the time %d, want that of the line", c.times[0])
		}
		if !emit && c.rejected[unmatched] != 1 {
			t.Errorf("got %v rejected, want one line", c.rejected)
		}
	}
}

func TestAPathWithADateIsAWarningInFluentdsDialect(t *testing.T) {
	for path, want := range map[string]int{"/log/a.%Y%m%d.log": 1, "/log/%d/*": 1, "/log/*.log": 0, "/log/a%2Fb%": 0} {
		o := &Options{Path: []string{"/log/b", path}, Parse: &parse.Spec{}}
		if got := o.Warnings(); len(got) != want {
			t.Errorf("%s: got %q", path, got)
		}
		o.Parse = nil // Fluent Bit's dialect, which puts no date there
		if got := o.Warnings(); len(got) != 0 {
			t.Errorf("%s in Fluent Bit's dialect: got %q", path, got)
		}
	}
}

func TestFluentdsTextsOfSeveralLinesAreParsed(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", "before\n2026 ERROR one\n\tat a\n\n\tat b\nlast\n2026 INFO two\n2026 odd\n")
	l.o = Options{Path: l.o.Path, Tag: "app", FromHead: true, Refresh: time.Minute, Unmatched: true, FluentdFlush: time.Hour, Parse: &parse.Spec{
		Type: "multiline", FirstLine: `/^\d{4} /`, Formats: []config.Ordered{{Value: `/^\d{4} (?<level>[A-Z]+) /`}, {Order: 1, Value: `/(?<message>.*)/`}},
	}}
	c := l.read(t, config.Fluentd, input.Env{})
	same(t, c.bodies, []string{
		`app {"unmatched_line":"before"}`, `app {"level":"ERROR","message":"one\n\tat a\n\n\tat b\nlast"}`, `app {"level":"INFO","message":"two"}`, `app {"unmatched_line":"2026 odd"}`,
	})
}

func TestPatternsOfFluentdThatMeanLessHereAreWarnedAbout(t *testing.T) {
	for path, want := range map[string]int{"/logs/**/*.log": 1, "/logs/app.%Y%m%d.log": 1, "/logs/*/100%.log": 0} {
		o := Options{Path: []string{path}, Parse: &parse.Spec{Type: "none"}}
		if got := o.Warnings(); len(got) != want {
			t.Errorf("%s: got %q, want %d warnings", path, got, want)
		}
	}
}
