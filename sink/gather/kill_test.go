package gather

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// Environment of the child of TestAKilledProcessStoresEveryRecordOnce.
const (
	childQueue = "GATHER_TEST_QUEUE"
	childStore = "GATHER_TEST_STORE"
)

// gatherUntilKilled is the child: it gathers from the queue until it is killed, or the queue is empty.
func gatherUntilKilled() {
	dir := os.Getenv(childQueue)
	if dir == "" {
		return
	}
	store := &folder{dir: os.Getenv(childStore), keys: 3, limits: Limits{ObjectBytes: 3000, PartBytes: 500, MaxAge: 20 * time.Millisecond, Memory: 1000}}
	store.script = func(context.Context, string, string) sink.Reply {
		time.Sleep(200 * time.Microsecond)
		return sink.Reply{}
	}
	q, err := buffer.Open(buffer.Options{Dir: dir, Name: "q", SegmentSize: 8 << 10})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	o := New(Config{Name: "test", Queue: q, Store: store, Retry: unlimited(), Dead: dead.NewLog(zerolog.Nop()), Log: zerolog.New(os.Stdout)})
	o.chunkBytes, o.bodyBytes = 700, 100
	q.Drain() // but no Hurry: objects are finished by their size, or by their time
	o.Run(context.Background())
	if s := o.Stats(); s.Buffered != 0 {
		fmt.Printf("%+v\n", s)
		os.Exit(1)
	}
	if err := q.Close(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A process that gathers is killed again and again, at random moments, while others append: in the end each record is in one
// finished object, and nothing unfinished is left.
func TestAKilledProcessStoresEveryRecordOnce(t *testing.T) {
	const rounds, each = 40, 2000
	dir, store := t.TempDir(), newFolderStore(t, 3)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(kill time.Duration) bool {
		c := exec.Command(program, "-test.run=^$")
		c.Env = append(os.Environ(), childQueue+"="+dir, childStore+"="+store.dir)
		var out strings.Builder
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(kill, func() { _ = c.Process.Kill() })
		err := c.Wait()
		if timer.Stop() && err != nil {
			t.Fatalf("the child failed: %v\n%s", err, out.String())
		}
		return err == nil
	}
	killed := 0
	for n := range rounds {
		q, err := buffer.Open(buffer.Options{Dir: dir, Name: "q", SegmentSize: 8 << 10})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{T: t, queue: q}
		r.add(n*each, (n+1)*each)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		if !run(10*time.Millisecond + time.Duration(rand.Int64N(int64(100*time.Millisecond)))) {
			killed++
		}
	}
	if !run(time.Minute) {
		t.Fatal("got a child that takes a minute, want that it ends")
	}
	store.wantOnce(t, rounds*each)
	t.Logf("killed %d times, %d objects", killed, len(store.objects(t)))
	if killed == 0 {
		t.Error("no child was killed")
	}
}
