package router

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
)

// openedOnDisk is opened, with queues on disk.
func openedOnDisk(t *testing.T, conf string) *Router { return openedIn(t, t.TempDir(), conf) }

// openedIn is opened, with queues in this folder.
func openedIn(t *testing.T, dir, conf string) *Router {
	t.Helper()
	r := opened(t, conf)
	for n, o := range r.outputs {
		o.queue.Close()
		if err := r.openIn(o, buffer.Options{Dir: dir, Name: fmt.Sprint(n), Log: zerolog.Nop()}, ""); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// fansOf are the places of the outputs of each fan.
func fansOf(r *Router) (fans [][]int) {
	for _, o := range r.outputs {
		if f := o.fan.Load(); f != nil {
			fans = append(fans, f.places)
		}
	}
	return fans
}

// TestOutputsShareFilesForAsLongAsTheyGetTheSameRecords: each tag whose route tells them apart ends that for good.
func TestOutputsShareFilesForAsLongAsTheyGetTheSameRecords(t *testing.T) {
	r := openedOnDisk(t, nullOutputs("*", "*", "a*", "a*", "aa", "z"))
	i := r.newIntake(r.inputs[0])
	var sent []string
	for _, step := range []struct {
		tag  string
		fans [][]int
	}{
		{"a", [][]int{{0, 1, 2, 3}}},
		{"aa", [][]int{{0, 1, 2, 3}}},
		{"b", [][]int{{0, 1}, {2, 3}}},
		{"z", [][]int{{0, 1}, {2, 3}}},
		{"a", [][]int{{0, 1}, {2, 3}}},
	} {
		for range 2 {
			text := fmt.Sprint(len(sent))
			i.addLogs(step.tag, text)
			flush(t, i)
			sent = append(sent, step.tag+": "+text)
		}
		if got := fansOf(r); !slices.EqualFunc(got, step.fans, slices.Equal) {
			t.Errorf("after tag %s: got files shared by %v, want by %v", step.tag, got, step.fans)
		}
	}
	for n, o := range r.outputs {
		want := slices.DeleteFunc(slices.Clone(sent), func(s string) bool {
			return (n == 2 || n == 3) && s[0] != 'a' || n == 4 && s[:2] != "aa" || n == 5 && s[0] != 'z'
		})
		wantTally(t, o, tally{received: int64(len(want))})
		wantQueued(t, o, want...)
	}
}

// TestRecordsOfOneFlushThatPartAreSharedByThoseThatGetThemAll: a connection may send the records of all tags at once.
func TestRecordsOfOneFlushThatPartAreSharedByThoseThatGetThemAll(t *testing.T) {
	r := openedOnDisk(t, nullOutputs("*", "*", "a"))
	i := r.newIntake(r.inputs[0])
	for range 3 {
		i.addLogs("a", "1")
		i.addLogs("b", "2")
		flush(t, i)
	}
	shared := 0
	f := r.outputs[0].fan.Load()
	i.addLogs("a", "3")
	i.addLogs("b", "4")
	f.Append(i.pending[0].batch.Bytes(), i.pending[0].batch.Records(), func(*buffer.Queue) { shared++ })
	if i.sameFor(f) == nil || shared != 2 {
		t.Errorf("got records for %d outputs at once, want for both that get all", shared)
	}
	if err := i.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantQueued(t, r.outputs[2], "a: 1", "a: 1", "a: 1", "a: 3")
	wantQueued(t, r.outputs[1], "a: 1", "b: 2", "a: 1", "b: 2", "a: 1", "b: 2", "a: 3", "b: 4", "a: 3", "b: 4")
}

// TestOutputsThatGiveWayShareNoFilesWithThoseThatDoNot: what one may drop to make room on a full disk would stay for the other.
func TestOutputsThatGiveWayShareNoFilesWithThoseThatDoNot(t *testing.T) {
	output := func(full string) string { return "[OUTPUT]\n    Name null\n    Match *\n    when_full " + full + "\n" }
	r := openedOnDisk(t, output("block")+output("yield")+output("block")+output("drop_oldest")+output("yield"))
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one")
	flush(t, i)
	if got, want := fmt.Sprint(fansOf(r)), "[[0 2] [1 4]]"; got != want {
		t.Errorf("got files shared by %s, want by %s", got, want)
	}
	for _, o := range r.outputs {
		wantQueued(t, o, "app: one")
	}
}
