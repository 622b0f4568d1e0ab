package buffer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	killDir    = "FIRELANE_TEST_APPEND_UNTIL_KILLED"
	killQueues = "FIRELANE_TEST_QUEUES_UNTIL_KILLED"
)

// appendUntilKilled is the child: it appends numbered batches to as many queues as the environment says, beginning with the number
// that it says, commits chunks as they come, and says on its output what it did: "a 17" after batch 17 was appended to all, "d 0"
// and what it is before a batch of queue 0 is committed.
func appendUntilKilled() {
	dir := os.Getenv(killDir)
	if dir == "" {
		return
	}
	from, count := 0, 1
	fmt.Sscan(os.Getenv(killDir+"_FROM"), &from)
	fmt.Sscan(os.Getenv(killQueues), &count)
	if err := keepAppending(dir, from, count); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func keepAppending(dir string, from, count int) error {
	var queues []*Queue
	for n := range count {
		q, err := Open(Options{Dir: dir, Name: fmt.Sprint("killed", n), SegmentSize: 64 << 10})
		if err != nil {
			return err
		}
		queues = append(queues, q)
	}
	f := NewFan(queues)
	for i := from; ; i++ {
		var took []*Queue
		f.Append([]byte(batchText(i)), batchRecords(i), func(q *Queue) { took = append(took, q) })
		for _, q := range queues {
			if slices.Contains(took, q) {
				continue
			}
			if err := q.Append(context.Background(), []byte(batchText(i)), batchRecords(i), nil); err != nil {
				return err
			}
		}
		fmt.Println("a", i)
		for n, q := range queues {
			if i%(7+n) > 0 {
				continue
			}
			c, err := q.Next(context.Background(), 200, 0)
			if err != nil {
				return err
			}
			for _, d := range deliveries(c) {
				fmt.Printf("d %d %x %d %s\n", n, d.queue, d.pos, d.text)
			}
			q.Commit(c)
		}
	}
}

func TestKilledProcessLosesNothingThatWasAppended(t *testing.T) {
	for _, count := range []int{1, 3} {
		t.Run(fmt.Sprint(count, " queues"), func(t *testing.T) { killAndLookFor(t, count) })
	}
}

func killAndLookFor(t *testing.T, count int) {
	t.Setenv(killQueues, fmt.Sprint(count))
	dir := t.TempDir()
	ids := make([]map[string]string, count) // of a batch, by its text
	for n := range ids {
		ids[n] = map[string]string{}
	}
	acked := map[int]bool{}
	from := 0
	for round := range 5 {
		from = killOnce(t, dir, from, time.Duration(20+round*30)*time.Millisecond, acked, ids) + 10
	}
	t.Log(len(acked), "appended")
	for n := range count {
		q := mustOpen(t, Options{Dir: dir, Name: fmt.Sprint("killed", n)})
		defer q.Close()
		for _, d := range deliver(t, q) {
			sawDelivery(t, ids[n], fmt.Sprintf("%x %d %s", d.queue, d.pos, d.text))
		}
		if s := q.Stats(); s.DroppedRecords > 0 || s.Damaged > 0 {
			t.Errorf("queue %d: %+v", n, s)
		}
		for i := range acked {
			if ids[n][batchText(i)] == "" {
				t.Errorf("batch %d is lost in queue %d", i, n)
			}
		}
		if len(ids[n]) > len(acked)+10 {
			t.Errorf("%d batches in queue %d for %d appended", len(ids[n]), n, len(acked))
		}
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
func killOnce(t *testing.T, dir string, from int, after time.Duration, acked map[int]bool, ids []map[string]string) (last int) {
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
			n, what, _ := strings.Cut(line[2:], " ")
			queue, err := strconv.Atoi(n)
			if err != nil {
				t.Fatalf("the child says %q", line)
			}
			sawDelivery(t, ids[queue], what)
		default:
			t.Fatalf("the child says %q", line)
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child wasn't killed: %v", err)
	}
	return last
}
