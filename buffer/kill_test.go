package buffer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const killDir = "FIRELANE_TEST_APPEND_UNTIL_KILLED"

// appendUntilKilled is the child: it appends numbered batches, beginning with the number in the environment, commits
// chunks as they come, and says on its output what it did: "a 17" after the Append of batch 17 returned, "d 5" before
// the chunk with batch 5 is committed.
func appendUntilKilled() {
	dir := os.Getenv(killDir)
	if dir == "" {
		return
	}
	from := 0
	fmt.Sscan(os.Getenv(killDir+"_FROM"), &from)
	q, err := Open(Options{Dir: dir, Name: "killed", SegmentSize: 64 << 10})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	for i := from; ; i++ {
		if err := q.Append(context.Background(), []byte(batchText(i)), batchRecords(i), nil); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println("a", i)
		if i%7 > 0 {
			continue
		}
		c, err := q.Next(context.Background(), 200, 0)
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		for _, d := range deliveries(c) {
			fmt.Printf("d %x %d %s\n", d.queue, d.pos, d.text)
		}
		q.Commit(c)
	}
}

func TestKilledProcessLosesNothingThatWasAppended(t *testing.T) {
	dir := t.TempDir()
	ids := map[string]string{} // of a batch, by its text
	acked := map[int]bool{}
	from := 0
	for round := range 5 {
		from = killOnce(t, dir, from, time.Duration(20+round*30)*time.Millisecond, acked, ids) + 10
	}
	t.Log(len(acked), "appended")
	q := mustOpen(t, Options{Dir: dir, Name: "killed"})
	defer q.Close()
	for _, d := range deliver(t, q) {
		sawDelivery(t, ids, fmt.Sprintf("%x %d %s", d.queue, d.pos, d.text))
	}
	if s := q.Stats(); s.DroppedRecords > 0 || s.Damaged > 0 {
		t.Errorf("%+v", s)
	}
	for i := range acked {
		if ids[batchText(i)] == "" {
			t.Errorf("batch %d is lost", i)
		}
	}
	if len(ids) > len(acked)+10 {
		t.Errorf("%d batches for %d appended", len(ids), len(acked))
	}
}

// sawDelivery holds that a batch never comes under two ids.
func sawDelivery(t *testing.T, ids map[string]string, line string) {
	t.Helper()
	id, text, ok := strings.Cut(line, " batch ")
	text = "batch " + text
	if old := ids[text]; !ok || old != "" && old != id {
		t.Errorf("%q was %q", line, old)
	}
	ids[text] = id
}

// killOnce lets a child run for a while, kills it, and takes down what it said. It returns the last batch's number.
func killOnce(t *testing.T, dir string, from int, after time.Duration, acked map[int]bool, ids map[string]string) (last int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), killDir+"="+dir, fmt.Sprintf("%s_FROM=%d", killDir, from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var kill *time.Timer
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil { // what it didn't finish to say is cut short
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		if kill == nil {
			kill = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "a "):
			fmt.Sscanf(line, "a %d", &last)
			acked[last] = true
		case strings.HasPrefix(line, "d "):
			sawDelivery(t, ids, line[2:])
		default:
			t.Fatalf("the child says %q", line)
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child wasn't killed: %v", err)
	}
	return last
}
