package deliver

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

const deliverDir = "FIRELANE_TEST_DELIVER_UNTIL_IT_DIES"

// deliverUntilItDies is the child: it delivers all that is in the queue in the folder, to a file, and dies of each record that
// begins with "poison". Its exit says that all is done.
func deliverUntilItDies() {
	dir := os.Getenv(deliverDir)
	if dir == "" {
		return
	}
	turn := NewTurn()
	outs := make(chan error, 2)
	for _, name := range []string{"a", "b"} {
		q, err := buffer.Open(buffer.Options{Dir: dir, Name: name})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		letter := dead.NewFile(filepath.Join(dir, "dead"), name, 0, dead.NewLog(zerolog.Nop()), zerolog.Nop())
		o := New(Config{Name: name, Queue: q, Destination: &deadly{path: filepath.Join(dir, name+".delivered")},
			Limits: sink.Limits{Linger: sink.Immediately}, Retry: sink.Retry{Limit: sink.Unlimited}, Dead: letter, Turn: turn})
		o.settled = time.Now().Add(200 * time.Millisecond)
		go func() {
			o.Drain()
			o.Run(context.Background())
			outs <- q.Close()
		}()
	}
	for range 2 {
		if err := <-outs; err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

// deadly is a destination that kills the process when it is sent a poison.
type deadly struct{ path string }

func (d *deadly) Append(body []byte, r *sink.Record) ([]byte, error) {
	v, _ := record.Find(r.Body, "n")
	return append(record.AppendText(body, v), '\n'), nil
}

func (d *deadly) Send(_ context.Context, req *sink.Request) sink.Reply {
	if bytes.HasPrefix(req.Body, []byte("poison")) || bytes.Contains(req.Body, []byte("\npoison")) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	time.Sleep(2 * time.Millisecond)
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(req.Body)
		f.Close()
	}
	if err != nil {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	return sink.Reply{Cause: sink.Answered}
}

func (d *deadly) Limits() sink.Limits { return sink.Limits{} }
func (d *deadly) Close() error        { return nil }

// queued is a folder with the queues a and b, in which these texts are.
func queued(t *testing.T, texts []string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"a", "b"} {
		q, err := buffer.Open(buffer.Options{Dir: dir, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		for batch := range slices.Chunk(texts, 100) {
			if err := q.Append(t.Context(), batchOf(batch...), len(batch), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startIn starts a child in the folder.
func startIn(t *testing.T, dir string) (cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out = &bytes.Buffer{}
	cmd = exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), deliverDir+"="+dir)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// deaths starts children until one delivers everything, and returns how many died.
func deaths(t *testing.T, dir string) (n int) {
	t.Helper()
	for {
		cmd, out := startIn(t, dir)
		err := cmd.Wait()
		if err == nil {
			return n
		}
		if cmd.ProcessState.ExitCode() != -1 || n > 50 {
			t.Fatalf("start %d: %v: %s", n, err, out)
		}
		n++
	}
}

// checkDelivered checks that everything is delivered but the poisons, which are in the dead letter.
func checkDelivered(t *testing.T, dir string, texts []string) {
	t.Helper()
	for _, name := range []string{"a", "b"} {
		delivered, _ := os.ReadFile(filepath.Join(dir, name+".delivered"))
		got := map[string]bool{}
		for line := range strings.Lines(string(delivered)) {
			got[line[:min(20, len(line)-1)]] = true
		}
		for e, err := range dead.Read(filepath.Join(dir, "dead", name+".jsonl")) {
			if os.IsNotExist(err) {
				continue
			}
			body, bad := e.Body()
			v, _ := record.Find(body, "n")
			text := string(record.AppendText(nil, v))
			if err != nil || bad != nil || e.Type != "fatal" || !strings.HasPrefix(text, "poison") {
				t.Errorf("%s: got the dead letter %s: %s, %.20q and errors %v and %v, want a poison", name, e.Type, e.Reason, text, err, bad)
			}
			got[text[:min(20, len(text))]] = true
		}
		for _, text := range texts {
			if !got[text[:min(20, len(text))]] {
				t.Errorf("%s: %.20q is neither delivered nor in the dead letter", name, text)
			}
		}
	}
}

func TestARecordThatKillsTheProcessGoesToTheDeadLetterAndNoOtherDoes(t *testing.T) {
	large := strings.Repeat("x", 300<<10)
	for _, tt := range []struct {
		name   string
		poison map[int]string
		atMost int // deaths
	}{
		{"none", nil, 0},
		{"small", map[int]string{3000: "poison"}, 2 * 4},
		{"the first", map[int]string{0: "poison"}, 2 * 4},
		{"the last", map[int]string{4999: "poison"}, 2 * 4},
		{"neighbours", map[int]string{17: "poison 1", 18: "poison 2"}, 2 * 8},
		{"large", map[int]string{3000: "poison" + large}, 2 * 2},
		{"large among large ones", map[int]string{100: large, 101: "poison" + large, 102: large, 103: large}, 2 * 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			texts := make([]string, 5000)
			for i := range texts {
				texts[i] = fmt.Sprintf("%06d %s", i, strings.Repeat("y", 100))
				if p, ok := tt.poison[i]; ok {
					texts[i] = p
				}
			}
			// A death blames nobody if the machine is so busy that the attempt took innocentAfter: then there is another.
			var dir string
			var counts []int
			for len(counts) < 3 && (counts == nil || slices.Min(counts) > tt.atMost) {
				dir = queued(t, texts)
				counts = append(counts, deaths(t, dir))
				checkDelivered(t, dir, texts)
			}
			if slices.Min(counts) > tt.atMost {
				t.Errorf("got %d deaths with two outputs, want at most %d", counts, tt.atMost)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*", "attempts")); len(left) > 0 {
				t.Errorf("got %v after a clean end, want nothing", left)
			}
		})
	}
}

func TestKillsBySomebodyElseCondemnNoRecord(t *testing.T) {
	texts := make([]string, 20_000)
	for i := range texts {
		texts[i] = fmt.Sprintf("%06d %s", i, strings.Repeat("y", 300))
	}
	dir := queued(t, texts)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		cmd, _ := startIn(t, dir)
		time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if n := deaths(t, dir); n > 0 {
		t.Errorf("got %d deaths without a kill", n)
	}
	checkDelivered(t, dir, texts)
}
