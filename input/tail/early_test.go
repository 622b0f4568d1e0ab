package tail

import (
	"os"
	"slices"
	"testing"
)

// Between the two the router opens queues, and asks for credentials and names: that may take seconds.
func TestAFileThatIsRenamedBetweenTheStartAndTheFirstSearchIsRead(t *testing.T) {
	for _, fromHead := range []bool{true, false} {
		l := newLogs(t)
		l.o.FromHead = fromHead
		l.write(t, "app.log", text(1, 10))
		l.write(t, "deleted.log", "gone\n")
		in := l.open(t)
		l.write(t, "app.log", text(11, 20))
		l.rename(t, "app.log", "app.log.1")
		l.rename(t, "deleted.log", "another") // as if its inode were used again
		l.write(t, "app.log", text(21, 30))
		want := lines(1, 30)
		if !fromHead {
			want = lines(11, 30)
		}
		r := l.run(t, in)
		r.gets(len(want))
		r.idle()
		got := r.stop()
		slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
		same(t, got, want)
		r = l.start(t) // nothing comes again
		r.idle()
		same(t, r.stop(), nil)
	}
}

func (l *logs) rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(l.path(from), l.path(to)); err != nil {
		t.Error(err)
	}
}
