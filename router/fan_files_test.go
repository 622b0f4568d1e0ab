package router

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
)

// TestLargeAndSmallFlushesGoToTheSameFiles: if only small ones were shared, the next large one would end the file, and the small one after
// it those of each queue.
func TestLargeAndSmallFlushesGoToTheSameFiles(t *testing.T) {
	dir := t.TempDir()
	r := openedIn(t, dir, nullOutputs("*", "*", "*"))
	i, large := r.newIntake(r.inputs[0]), strings.Repeat("x", batchSize/3)
	var want []string
	for range 10 {
		for _, text := range []string{large, large, large, large, "small"} {
			i.addLogs("app", text)
			want = append(want, "app: "+text)
		}
		flush(t, i)
		i.addLogs("app", "smaller")
		flush(t, i)
		want = append(want, "app: smaller")
	}
	for n, o := range r.outputs {
		files, err := filepath.Glob(filepath.Join(dir, fmt.Sprint(n), "*.seg"))
		if err != nil || len(files) > 2 {
			t.Errorf("got %d files (%v) for %d batches, want as few as they fit into", len(files), err, len(want))
		}
		wantTally(t, o, tally{received: int64(len(want))})
		wantQueued(t, o, want...)
	}
}

// TestAQueueThatIsFullGetsWhatTheOthersGotBefore: a batch that it doesn't take at once comes before all later ones.
func TestAQueueThatIsFullGetsWhatTheOthersGotBefore(t *testing.T) {
	r := openedOnDisk(t, nullOutputs("*", "*", "*"))
	small := r.outputs[1]
	small.queue.Close()
	o := buffer.Options{Dir: t.TempDir(), Name: "small", Limit: 1 << 20, Full: buffer.DropOldest, Log: zerolog.Nop()}
	if err := r.openIn(small, o, ""); err != nil {
		t.Fatal(err)
	}
	i, text := r.newIntake(r.inputs[0]), strings.Repeat("x", batchSize/3)
	var want []string
	for n := range 20 {
		for k := range 2 + n%5 {
			body := fmt.Sprint(n, k, text)
			i.addLogs("app", body)
			want = append(want, "app: "+body)
		}
		flush(t, i)
	}
	wantQueued(t, r.outputs[0], want...)
	wantQueued(t, r.outputs[2], want...)
	dropped := small.queue.Stats().DroppedNoRoom
	if dropped == 0 {
		t.Error("got nothing dropped, want a full queue")
	}
	wantQueued(t, small, want[dropped:]...)
	for _, o := range r.outputs {
		wantTally(t, o, tally{received: int64(len(want))})
	}
}

// TestOutputsWithMuchSmallerLimitsShareNoFilesWithOthers: those of a long queue would be as small as the small limit wants them.
func TestOutputsWithMuchSmallerLimitsShareNoFilesWithOthers(t *testing.T) {
	r := openedOnDisk(t, nullOutputs("*", "*", "*", "*", "*", "*"))
	for n, limit := range map[int]int64{1: 2 << 20, 2: 1 << 30, 3: 2 << 20, 4: 1 << 30} {
		o := r.outputs[n]
		o.queue.Close()
		if err := r.openIn(o, buffer.Options{Dir: t.TempDir(), Name: "q", Limit: limit, Log: zerolog.Nop()}, ""); err != nil {
			t.Fatal(err)
		}
	}
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one")
	flush(t, i)
	if got, want := fmt.Sprint(fansOf(r)), "[[0 2 4 5] [1 3]]"; got != want {
		t.Errorf("got files shared by %s, want by %s", got, want)
	}
	for _, o := range r.outputs {
		wantQueued(t, o, "app: one")
	}
}
