package shell

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the test program does instead of testing, where one of these is in the environment.
const (
	asRouter = "FIRELANE_SHELL_TEST_ROUTER" // it is the process that is looked for
	asShell  = "FIRELANE_SHELL_TEST_SHELL"  // it is a shell that runs this line
)

func TestMain(m *testing.M) {
	if os.Getenv(asRouter) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes it
		return
	}
	if line := os.Getenv(asShell); line != "" {
		os.Exit(testShell(nil, io.Discard, os.Stderr).Run("sh", []string{"-c", line}))
	}
	os.Exit(m.Run())
}

// The router's process is found under the names of what it replaces, unless it is stopped: a router that is stuck isn't healthy.
func TestTheRouterIsFoundByTheNamesOfWhatItReplaces(t *testing.T) {
	router := exec.Command(os.Args[0])
	router.Env = append(os.Environ(), asRouter+"=1")
	stdin, err := router.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := router.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = router.Process.Signal(syscall.SIGCONT)
		stdin.Close()
		_ = router.Wait()
	}()
	pid := strconv.Itoa(router.Process.Pid)
	lines := []string{`pgrep fluent-bit`, `pgrep -x fluentd`, `pgrep -f 'fluent-?bit'`, `pidof fluent-bit`, `ps aux | grep -v grep | grep fluent-bit`, `ps -o pid=,args= | grep fluentd`}
	check := func(found bool) {
		t.Helper()
		for _, line := range lines {
			status, stdout, stderr := sh(line)
			if (status == 0 && strings.Contains(stdout, pid)) != found {
				t.Errorf("%s: got status %d, %q and %q, want it found: %v", line, status, stdout, stderr, found)
			}
		}
	}
	check(true)
	if status, stdout, _ := sh("ps -p " + pid + " -o stat="); status != 0 || len(strings.TrimSpace(stdout)) != 1 {
		t.Errorf("got %q, want its state", stdout)
	}
	if _, _, stderr := sh("kill -STOP " + pid); stderr != "" {
		t.Fatal(stderr)
	}
	waitFor(t, "the stop", func() bool {
		_, stdout, _ := sh("ps -p " + pid + " -o stat=")
		return strings.TrimSpace(stdout) == "T"
	})
	check(false)
	if status, _, _ := sh("kill -0 " + pid); status != 0 {
		t.Error("kill -0 doesn't find it")
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s doesn't come", what)
		}
	}
}

// The kernel completes connections for a process that doesn't accept any.
func TestAConnectionThatIsNotAcceptedIsAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	address := ln.Addr().String()
	hostPort := strings.ReplaceAll(address, ":", " ")
	for _, line := range []string{"nc -z -w 0.2 " + hostPort, "echo x | nc -w 0.2 " + hostPort} {
		if status, _, stderr := sh(line); status != exitFailed || !strings.Contains(stderr, "doesn't accept connections") {
			t.Errorf("%s: got status %d and %q, want that nobody accepts", line, status, stderr)
		}
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close() // at the end: a router whose destination is away may read nothing for a long time
		}
	}()
	conn, err := Dial(context.Background(), "tcp", address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if status, _, stderr := sh(`echo '{"health": "check"}' | nc ` + hostPort); status != exitOK {
		t.Errorf("got status %d and %q from a router that accepts and doesn't read", status, stderr)
	}
}

// It isn't cut off, as if that were all.
func TestNcPrintsAllOfAnAnswerThatTakesTime(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for range 4 {
			time.Sleep(700 * time.Millisecond) // less than nc waits for a peer that says nothing, and more in all
			_, _ = io.WriteString(conn, "line\n")
		}
	}()
	hostPort := strings.ReplaceAll(ln.Addr().String(), ":", " ")
	if status, stdout, stderr := sh("echo x | nc -w 2 " + hostPort); status != exitOK || stdout != "line\nline\nline\nline\n" {
		t.Errorf("got status %d, %q and %q, want four lines", status, stdout, stderr)
	}
}

// A router with too many connections closes the next one at once: it is busy, and not stuck.
func TestAConnectionThatIsClosedAtOnceIsNoError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	for range 20 {
		if status, _, stderr := sh(`echo '{"health": "check"}' | nc ` + strings.ReplaceAll(ln.Addr().String(), ":", " ")); status != exitOK {
			t.Fatalf("got status %d and %q", status, stderr)
		}
	}
}

func TestWaitingConnectionsAreReadFromTheKernelsList(t *testing.T) {
	const list = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:22AD 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 1585 1 0 100 0 0 10 0
   1: 0100007F:22AD 0100007F:9C40 01 00000000:00000007 00:00000000 00000000     0        0 1586 1 0 100 0 0 10 0
   2: 00000000:22AE 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 1587 1 0 100 0 0 10 0
`
	for port, want := range map[int]int{8877: 3, 8878: 1, 8879: 0} {
		if got := waitingIn(strings.NewReader(list), port); got != want {
			t.Errorf("port %d: got %d, want %d", port, got, want)
		}
	}
}

// What would wait for ever ends with its time, and a command's process and goroutines end, too.
func TestWhatWaitsEndsWithItsTime(t *testing.T) {
	stdin, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	defer write.Close()
	file := t.TempDir() + "/f"
	if err := os.WriteFile(file, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"timeout 0.2 cat", "timeout 0.2 tail -f " + file, "timeout 0.2 sleep 100", "timeout 0.2 sh -c 'while true; do sleep 0.01; done'", "timeout 0.2 grep x"} {
		var out, errs strings.Builder
		status := testShell(stdin, &out, &errs).Run("sh", []string{"-c", line})
		if status != exitTimedOut {
			t.Errorf("%s: got status %d and %q, want %d", line, status, &errs, exitTimedOut)
		}
	}
}

// By ECS Exec: a prompt, lines, an interrupt, exit.
func TestAShellAtATerminalPromptsAndRunsLines(t *testing.T) {
	control, terminal := openTerminal(t)
	shown := make(chan string, 1)
	output := &lockedBuilder{}
	go func() {
		r := bufio.NewReader(control)
		for {
			b, err := r.ReadByte()
			if err != nil {
				shown <- ""
				return
			}
			output.add(b)
		}
	}()
	ended := make(chan int, 1)
	go func() { ended <- testShell(terminal, terminal, terminal).Run("sh", nil) }()
	expect := func(text string) {
		t.Helper()
		waitFor(t, fmt.Sprintf("%q", text), func() bool { return strings.Contains(output.String(), text) })
		output.reset()
	}
	send := func(line string) {
		t.Helper()
		if _, err := io.WriteString(control, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	expect(" # ")
	send("x=5; if true; then")
	expect("> ")
	send("echo $((x + 1)); fi")
	expect("6\r\n")
	send("echo )")
	expect("sh: ")
	send("cd / && tail -f /proc/self/nosuch; echo still here")
	expect("still here\r\n/ # ")
	send("{ echo started; sleep 100; }")
	expect("started\r\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil { // as the terminal does for ^C
		t.Fatal(err)
	}
	expect("/ # ")
	send("exit 3")
	select {
	case status := <-ended:
		if status != 3 {
			t.Errorf("got status %d, want 3", status)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("exit doesn't end the shell")
	}
	terminal.Close()
	control.Close()
	<-shown
}

// At a terminal nothing would run after that.
func TestAShellAtATerminalEndsAtItsLimitOfMemory(t *testing.T) {
	control, terminal := openTerminal(t)
	defer control.Close()
	defer terminal.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	s := testShell(terminal, terminal, terminal)
	c := &call{shell: &s, ctx: ctx, name: "sh", stdin: terminal, stdout: terminal, stderr: terminal, dir: "/"}
	ended := make(chan int, 1)
	go func() { ended <- c.sh() }()
	cancel(errTooLarge)
	if _, err := io.WriteString(control, "echo x\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case status := <-ended:
		if status != exitFailed {
			t.Errorf("got status %d, want %d", status, exitFailed)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the shell still prompts, and runs nothing")
	}
}

// A script that would take all memory of the container, in which the router is, ends. The shell is a process of its own, which may end
// as a whole.
func TestAShellEndsAtItsLimitOfMemory(t *testing.T) {
	for _, line := range []string{"x=a; while :; do x=$x$x; done", "x=$(cat /dev/zero)", "f() { f | f; }; f", "x=$(while :; do echo abcdefghijklmnopqrstuvwxyz; done)"} {
		sh := exec.Command(os.Args[0])
		sh.Env = append(os.Environ(), asShell+"="+line)
		var errs strings.Builder
		sh.Stderr = &errs
		if err := sh.Run(); sh.ProcessState.ExitCode() != exitFailed || !strings.Contains(errs.String(), errTooLarge.Error()) {
			t.Errorf("%s: got %v and %.200q, want an end for its memory", line, err, errs.String())
		}
	}
}
