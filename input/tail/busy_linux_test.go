package tail

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
)

// A slowQueue calls at with the number of each Flush.
type slowQueue struct {
	input.Receiver
	at func(flush int)
	n  int
}

func (q *slowQueue) Flush(ctx context.Context) error {
	q.n++
	q.at(q.n)
	return q.Receiver.Flush(ctx)
}

// runInto is run with a receiver whose flushes at sees.
func (l *logs) runInto(t *testing.T, in *Input, at func(flush int)) *run {
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{Recorder: new(inputtest.Recorder), t: t, in: in, done: make(chan error, 1), end: cancel}
	go func() {
		r.done <- in.Run(ctx, func() input.Receiver { return &slowQueue{Receiver: r.Receiver(), at: at} })
	}()
	return r
}

// toldOf waits until the system has told of a change of app.log.
func toldOf(in *Input, l *logs) {
	for told := false; !told; runtime.Gosched() {
		in.watch.mu.Lock()
		_, told = in.watch.names[change{l.dir, "app.log", true}]
		in.watch.mu.Unlock()
	}
}

// A file that grows faster than it can be read, or that has grown while nobody read: the ones that follow it may be renamed long before
// its end is reached.
func TestRotationsAreNoticedBeforeTheEndOfALargeFileIsReached(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", strings.Repeat(strings.Repeat("x", 199)+"\n", 10*flushSize/200))
	in := l.open(t).(*Input)
	r := l.runInto(t, in, func(flush int) {
		switch flush {
		case 1:
			l.rename(t, "app.log", "app.log.1")
			l.write(t, "app.log", "between\n")
			toldOf(in, l)
		case 3:
			l.rename(t, "app.log", "app.log.2")
			l.write(t, "app.log", "last\n")
		}
	})
	r.gets(10*flushSize/200 + 1)
	r.idle()
	if got := r.stop(); !slices.Contains(got, "between") || !slices.Contains(got, "last") {
		t.Errorf("got %d lines, the last ones %.40q; want those of all files", len(got), got[len(got)-2:])
	}
}

// opened waits until a file that is, or was, at path is open.
func opened(t *testing.T, path string) {
	for !isOpen(t, path) {
		runtime.Gosched()
	}
}

// isOpen reports whether this process has a file open that is, or was, at path.
func isOpen(t *testing.T, path string) bool {
	links, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Error(err)
	}
	for _, l := range links {
		if to, err := os.Readlink("/proc/self/fd/" + l.Name()); err == nil && (to == path || to == path+" (deleted)") {
			return true
		}
	}
	return false
}

func TestRotationsAreNoticedWhileAQueueIsFull(t *testing.T) {
	for _, watched := range []bool{true, false} {
		l := newLogs(t)
		l.o.Inotify = watched
		l.write(t, "app.log", "first\n")
		r := l.runInto(t, l.open(t).(*Input), func(flush int) {
			if flush > 1 {
				return
			}
			l.rename(t, "app.log", "app.log.1")
			l.write(t, "app.log", "between\n")
			opened(t, l.path("app.log"))
			l.rename(t, "app.log", "app.log.2")
			if err := os.Remove(l.path("app.log.2")); err != nil {
				t.Error(err)
			}
			l.write(t, "app.log", "last\n")
			opened(t, l.path("app.log"))
		})
		r.gets(3)
		got := r.stop()
		slices.Sort(got)
		same(t, got, []string{"between", "first", "last"})
	}
}

func TestAFileThatIsRenamedWhileAQueueIsFullIsSavedByItsNewName(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", "first\n")
	r := l.runInto(t, l.open(t).(*Input), func(flush int) {
		if flush == 1 {
			l.rename(t, "app.log", "old.log")
			l.write(t, "app.log", "second\n")
			opened(t, l.path("app.log"))
		}
	})
	r.gets(2)
	r.idle()
	r.stop()
	s, err := openStore(l.o.DB)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	names := map[string]int64{}
	for _, p := range s.places {
		names[filepath.Base(p.path)] = p.offset
	}
	if want := map[string]int64{"old.log": 6, "app.log": 7}; !maps.Equal(names, want) {
		t.Errorf("got the offsets %v, want %v", names, want)
	}
}

// Who deletes logs wants to have the room on the disk.
func TestDeletedFilesAreNotKeptWithoutEndWhileAQueueIsFull(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", "first\n")
	r := l.runInto(t, l.open(t).(*Input), func(flush int) {
		if flush > 1 {
			return
		}
		for n, size := range []int64{maxDeleted / 2, maxDeleted} {
			l.rename(t, "app.log", fmt.Sprint("app.log.", n))
			l.write(t, "app.log", "")
			if err := os.Truncate(l.path("app.log"), size); err != nil {
				t.Error(err)
			}
			opened(t, l.path("app.log"))
		}
		for _, name := range []string{"app.log.1", "app.log"} {
			if err := os.Remove(l.path(name)); err != nil {
				t.Error(err)
			}
		}
		for isOpen(t, l.path("app.log")) {
			runtime.Gosched()
		}
		if !isOpen(t, l.path("app.log.1")) {
			t.Error("a file that leaves enough room is not kept")
		}
	})
	r.gets(1)
	r.stop()
}
