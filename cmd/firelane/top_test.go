package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/admin"
	"github.com/firelane/firelane/router"
)

// pid is the process's, as its own -pid takes it.
func (p *process) pid() []string { return []string{"-pid", strconv.Itoa(p.cmd.Process.Pid)} }

// conf is the file of its configuration.
func (p *process) conf() string { return filepath.Join(filepath.Dir(p.out), "f.conf") }

func firelane(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "firelane", args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	return cmd
}

// There is no http_server: the socket is there in any case.
func TestTailShowsRecordsOfARunningRouterUntilItEnds(t *testing.T) {
	t.Parallel()
	p := startProcess(t, nil, nil)
	p.deliver("before")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tail := firelane(ctx, append([]string{"tail", "-stage", "in,out", "-where", "log=shown \u202e\u009b"}, p.pid()...)...)
	var out, errs text
	tail.Stdout, tail.Stderr = &out, &errs
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "records in the tail", func() bool {
		p.deliver("hidden")
		p.deliver("shown \u202e\u009b")
		return strings.Contains(out.String(), "out file.0 t") || strings.Contains(errs.String(), "firelane tail:")
	})
	p.signal(syscall.SIGTERM)
	p.wait()
	_ = tail.Wait()
	got := out.String()
	if head := fmt.Sprintf("(records of process %d, %s, up ", p.cmd.Process.Pid, p.conf()); !strings.HasPrefix(errs.String(), head) || strings.Contains(got, head) {
		t.Errorf("got %q, want it to begin with %q, and the records alone in the output", errs.String(), head)
	}
	if !strings.Contains(got, ` in tcp.0 t {"log":"shown \u202e\u009b"}`+"\n") || !strings.Contains(got, ` out file.0 t {"log":"shown \u202e\u009b"}`+"\n") || strings.Contains(got, "hidden") {
		t.Errorf("got %q\nwant the records that match, at both stages, without characters that control a terminal", got)
	}
	if tail.ProcessState.ExitCode() != exitFailed || !strings.Contains(errs.String(), "the router has ended") {
		t.Errorf("got %v and %q, want the reason of the end", tail.ProcessState, errs.String())
	}
}

// As by ^C in the image's shell: programs run in its process, where a signal ends nothing.
func TestTopAndTailEndWithTheirCommandInAShell(t *testing.T) {
	t.Parallel()
	p := startProcess(t, nil, nil)
	p.deliver("x")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, name := range []string{"tail", "top"} {
		line := "timeout 1 firelane " + strings.Join(append([]string{name}, p.pid()...), " ") + "; echo status $?"
		got, err := firelane(ctx, "sh", "-c", line).CombinedOutput()
		if want := "status 124\n"; err != nil || !strings.HasSuffix(string(got), want) || strings.Contains(string(got), "firelane "+name+":") {
			t.Errorf("%s: got %v and %s, want %q at the end, and no error", line, err, got, want)
		}
	}
}

func TestTopShowsARunningRouter(t *testing.T) {
	t.Parallel()
	p := startProcess(t, nil, nil)
	p.deliver("x")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := firelane(ctx, append([]string{"top", "-once"}, p.pid()...)...).CombinedOutput()
	for _, want := range []string{fmt.Sprintf(", process %d, %s, up ", p.cmd.Process.Pid, p.conf()), "Everything flows, and the accounts add up.", "tcp.0  tcp   0          1 ", "file.0: Nothing waits.", "received 1 + added 0 = delivered 1 + filtered 0"} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("got %v\n%s\nwant %q in it", err, got, want)
		}
	}
}

// Where several routers run, the user sees which they are, and chooses.
func TestTopAndTailListTheRoutersToChooseFrom(t *testing.T) {
	t.Parallel()
	ours := []*process{startProcess(t, nil, nil), startProcess(t, nil, nil)}
	for _, p := range ours {
		p.deliver("x")
	}
	for _, name := range []string{"top", "tail"} {
		got, err := firelane(t.Context(), name).CombinedOutput()
		for _, p := range ours {
			if want := fmt.Sprintf("\n  process %d, %s, up ", p.cmd.Process.Pid, p.conf()); !strings.Contains(string(got), want) {
				t.Errorf("%s: got %s\nwant %q in it", name, got, want)
			}
		}
		if want := "firelane " + name + ": choose one of the routers by -pid\n"; err == nil || !strings.HasSuffix(string(got), want) {
			t.Errorf("got %v and %s\nwant %q at the end", err, got, want)
		}
	}
}

func TestARouterIsChosenByItsProcess(t *testing.T) {
	for typed, want := range map[string]int{"15\n": 15, "1\nx\n 12 \n": 12, "": 0, "3\n": 0} {
		if pid, err := choose(strings.NewReader(typed), io.Discard, []int{12, 15}); pid != want || (err != nil) != (want == 0) {
			t.Errorf("%q: got %d and error %v, want %d", typed, pid, err, want)
		}
	}
}

func TestTopAndTailSayWhenThereIsNoRouter(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"top", "tail"} {
		got, _ := firelane(t.Context(), name, "-pid", "1").CombinedOutput()
		if want := "firelane " + name + ": no router of this container and user answers as process 1"; !strings.HasPrefix(string(got), want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Another user of this machine sees nothing.
func TestOnlyRootAndTheRoutersUserCanLook(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can become another user")
		return
	}
	t.Parallel()
	p := startProcess(t, nil, nil)
	p.deliver("x")
	cmd := firelane(t.Context(), append([]string{"top", "-once"}, p.pid()...)...)
	program, err := os.ReadFile(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	copied := "/tmp/firelane-test-" + strconv.Itoa(os.Getpid())
	if err := os.WriteFile(copied, program, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(copied) })
	other := exec.CommandContext(t.Context(), copied)
	other.Args = append([]string{"firelane", "top", "-once"}, p.pid()...)
	other.Dir = "/"
	other.Env = cmd.Env
	other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	got, _ := other.CombinedOutput()
	if !strings.Contains(string(got), "no router of this container and user answers") {
		t.Errorf("got %s, want no answer for another user", got)
	}
}

func TestThePictureOfTop(t *testing.T) {
	at := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	before, now := new(admin.Status), &admin.Status{
		Version: "1.0", Files: []string{"/etc/a\u202e.conf", "/etc/b.conf"}, Now: at.Add(14 * time.Minute), Uptime: 3602, CPU: 0.1, Memory: 21 << 20, Verdict: admin.Verdict{Kind: "bad", Text: "es.0 has delivered nothing for 14m0s: no\x1b[2J"}, Records: true,
		Inputs: []admin.InputStatus{{PipelinePart: router.PipelinePart{ID: "forward.0", Type: "forward"}, Account: router.InputAccount{Received: 21000, Unrouted: 2, Rejected: map[string]int64{"bad": 3}}}},
		Steps:  []router.PipelinePart{{ID: "grep.0", Type: "grep", Match: "app*"}},
		Outputs: []admin.OutputStatus{{
			PipelinePart: router.PipelinePart{ID: "es.0", Type: "es"}, State: "failing", Words: "Requests have failed for 14m0s. 12,345 records wait.",
			Account:   router.Account{Received: 21000, Delivered: 8654, Buffered: 12345, Dropped: map[string]int64{"no room": 1}},
			SentBytes: 4 << 20, LastError: "connection refused", LastErrorAt: &at, Queue: admin.QueueStatus{Bytes: 12 << 20, Limit: 1 << 30, Records: 12345, Oldest: &at},
		}},
		Refused: []admin.RefusedRecord{{Time: at, Output: "es.0", Target: "web", Status: 400, Type: "parsing", Reason: "no number"}},
	}
	before.Uptime = 3600
	u := &admin.Usage{Sampled: 400, Passed: 20000, Bytes: 100000, Containers: []admin.Share{{Name: "app", Records: 400, Bytes: 100000}}, Fields: []admin.Share{{Name: "log", Records: 400, Bytes: 70000}}}
	const want = `firelane 1.0, process 12, /etc/a\u202e.conf, up 1h0m2s, memory 21 MiB, CPU 5.0 %
es.0 has delivered nothing for 14m0s: no\u001b[2J

INPUT      TYPE     RECORDS/S  RECEIVED  UNROUTED  REJECTED
forward.0  forward  10,500     21,000    2         3

STEPS
grep.0  for app*

OUTPUT  STATE    RECORDS/S  BYTES/S  WAITING  QUEUE
es.0    failing  4,327      2.0 MiB  12,345   12 MiB of 1.0 GiB, in memory, oldest 14m0s

es.0: Requests have failed for 14m0s. 12,345 records wait.
  last error, 2026-11-27T03:00:00Z: connection refused
  received 21,000 + added 0 = delivered 8,654 + filtered 0 + merged 0 + dropped (no room) 1 + dead-lettered 0 + held 0 + waiting 12,345 + unaccounted 0

WHAT TAKES SPACE, by a sample of 400 of 20,000 records
100.0 %  250 B a record  app

70.0 %  175 B a record  log


REFUSED FOR GOOD, the newest first
03:00:00 es.0: 400 parsing: no number (for web)
`
	if got := topPicture(newLocalRouter(12), before, now, u); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The router is stopped before it answers, or in the middle of its lines.
func TestATailOfARouterThatHangsEndsWithTheReason(t *testing.T) {
	for _, tt := range []struct{ answer, want string }{
		{"", "no router of this container and user answers as process 7: it has said nothing for 5s"},
		{"HTTP/1.1 200 OK\r\n\r\n{}\n", "process 7 doesn't answer any longer: it has said nothing for 30s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			defer there.Close()
			go func() {
				_, _ = there.Read(make([]byte, 4<<10))
				_, _ = io.WriteString(there, tt.answer)
			}()
			dial := func(context.Context, string, string) (net.Conn, error) { return here, nil }
			router := &localRouter{http.Client{Transport: &http.Transport{DialContext: dial}}, 7}
			c := &cli{stdout: io.Discard, stderr: io.Discard}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := c.tailOf(ctx, router, nil, true); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestATailsLineForATerminal(t *testing.T) {
	for line, want := range map[string]string{
		`{}`:              "",
		`{"missed":1234}`: "(1,234 records are not shown: they came too fast; -match, -where or -text selects some, -rate shows more)\n",
		`{"stage":"refused","part":"es.0","tag":"app","time":"2026-11-27T03:00:00.5Z","target":"web","status":400,"type":"parsing","reason":"no\u009b","record":{"log":"x"}}`: `03:00:00.500 refused es.0 app: 400 parsing: no\u009b (for web) {"log":"x"}` + "\n",
	} {
		var b bytes.Buffer
		if err := printTailLine(&b, []byte(line), false); err != nil || b.String() != want {
			t.Errorf("got %q and error %v, want %q", b.String(), err, want)
		}
	}
}
