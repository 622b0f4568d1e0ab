package tail

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file with a saved offset was deleted while nobody read, and another one, whose name doesn't match, has its inode: such as one that
// was compressed.
func TestAnotherFileWithTheInodeOfOneThatWasDeletedIsNotRead(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	r.stop()
	if err := os.Rename(l.path("app.log"), l.path("app.log.2.gz")); err != nil { // keeps the inode for sure
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path("app.log.2.gz"), []byte("\x1f\x8b compressed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.write(t, "app.log", text(11, 20))
	r = l.start(t)
	r.gets(10)
	r.idle()
	same(t, r.stop(), lines(11, 20))
}

// A list of a folder may lack a file that is renamed meanwhile.
func TestAFileThatIsRenamedDuringTheFirstSearchKeepsItsOffset(t *testing.T) {
	l := newLogs(t)
	l.write(t, "app.log", text(1, 10))
	r := l.start(t)
	r.gets(10)
	r.stop()
	l.write(t, "app.log", text(11, 20))
	between := filepath.Join(t.TempDir(), "app.log") // as if it were in no list
	if err := os.Rename(l.path("app.log"), between); err != nil {
		t.Fatal(err)
	}
	in := l.open(t).(*Input)
	c := &counter{rejected: map[string]int{}}
	in.recv = c
	in.liner.setReceiver(c)
	in.scan(true)
	in.pass(t.Context())
	if err := in.flush(t.Context(), &timers{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(between, l.path("app.log.2")); err != nil {
		t.Fatal(err)
	}
	in.lists = nil // it is out of date a second later
	for _, f := range in.files {
		in.look(f, time.Now())
	}
	in.pass(t.Context())
	if len(c.bodies) != 10 {
		t.Errorf("got %d lines, want the 10 that were not read: %.200q", len(c.bodies), c.bodies)
	}
	in.closeAll()
	in.Close()
}
