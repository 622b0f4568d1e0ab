package tail

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// A writerFunc is told of each line of the log.
type writerFunc func(line string)

func (f writerFunc) Write(b []byte) (int, error) {
	f(string(b))
	return len(b), nil
}

// The search has its list of the folder's names by then, and the next one is an hour later.
func TestAFileThatIsMadeDuringTheFirstSearchIsSeenAtOnce(t *testing.T) {
	l := newLogs(t)
	l.o.Refresh = time.Hour
	l.o.Tag, l.o.TagRegex = "<name>", `/(?<name>[a-z]+)\.log$`
	l.write(t, "0.log", "") // doesn't match, which is logged
	in, err := New(&l.o, config.FluentBit, input.Env{ID: "tail.0", Log: zerolog.New(writerFunc(func(line string) {
		if strings.Contains(line, "tag_regex") {
			l.write(t, "new.log", text(1, 2))
		}
	}))})
	if err != nil {
		t.Fatal(err)
	}
	r := l.run(t, in)
	r.gets(2)
	same(t, r.stop()[:2], lines(1, 2))
}

// Only the search for files finds a folder, and only from then on it is watched.
func TestAFileThatIsMadeWhileItsFolderIsFoundIsSeenSoon(t *testing.T) {
	l := newLogs(t)
	l.o.Refresh = time.Hour
	l.o.Path = []string{filepath.Join(l.dir, "*", "*.log")}
	l.o.Tag, l.o.TagRegex = "<name>", `/(?<name>[a-z]+)\.log$`
	made, err := New(&l.o, config.FluentBit, input.Env{ID: "tail.0", Log: zerolog.New(writerFunc(func(line string) {
		if strings.Contains(line, "tag_regex") {
			l.write(t, "a/new.log", "")
		}
	}))})
	if err != nil {
		t.Fatal(err)
	}
	in := made.(*Input)
	in.watch = newWatcher(zerolog.Nop())
	in.scan(true)
	in.watchFolders()
	for _, dir := range []string{"a", "b"} {
		if err := os.Mkdir(l.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l.write(t, "b/0.log", "") // doesn't match, which is logged after a has been searched
	in.due(&timers{check: time.Now().Add(time.Hour)})
	later := timers{scan: time.Now().Add(time.Hour), check: time.Now().Add(time.Hour)}
	for deadline := time.Now().Add(10 * time.Second); in.byPath[l.path("a/new.log")] == nil; runtime.Gosched() {
		if in.due(&later); time.Now().After(deadline) {
			t.Fatal("it was not found")
		}
	}
	in.watch.close()
	in.closeAll()
	in.Close()
}
