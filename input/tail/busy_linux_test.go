package tail

import (
	"context"
	"os"
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

func (l *logs) rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(l.path(from), l.path(to)); err != nil {
		t.Error(err)
	}
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
