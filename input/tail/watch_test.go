package tail

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A deployment makes a symbolic link lead to another folder, in which new files must be seen at once, too.
func TestAFolderThatALinkLeadsToFromNowOnIsWatched(t *testing.T) {
	l := newLogs(t)
	l.o.Refresh, l.o.RotateWait = time.Hour, time.Hour
	link, next := filepath.Join(t.TempDir(), "current"), newLogs(t)
	if err := os.Symlink(l.dir, link); err != nil {
		t.Fatal(err)
	}
	l.o.Path = []string{filepath.Join(link, "*.log")}
	l.write(t, "app.log", text(1, 1))
	r := l.start(t)
	r.gets(1)
	next.write(t, "app.log", text(2, 2))
	swap(t, next.dir, link)
	r.gets(2) // by a look
	next.write(t, "app.log", text(3, 3))
	r.gets(3)
	next.write(t, "new.log", text(4, 4))
	r.gets(4)
	same(t, r.stop(), lines(1, 4))
}
