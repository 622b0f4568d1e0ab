package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// Thousands of files are deleted at once, by a job that cleans up. To search for each by a list of the folder of its own would take
// half a minute, in which nothing is read.
func TestManyFilesThatAreDeletedTogetherDoNotKeepOthersWaiting(t *testing.T) {
	l := newLogs(t)
	l.o.RotateWait = time.Nanosecond
	const files = 4000
	for n := range files {
		l.write(t, fmt.Sprintf("f-%d.log", n), "a\n")
	}
	r := l.start(t)
	r.gets(files)
	r.idle()
	for n := range files / 2 {
		if err := os.Remove(l.path(fmt.Sprintf("f-%d.log", n))); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	l.write(t, "new.log", "b\n")
	r.gets(files + 1)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("another file's line took %v", took)
	}
	r.stop()
}
