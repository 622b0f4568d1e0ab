package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// patience is how long a test waits for something that must happen.
const patience = time.Minute

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) { // another process tells nobody
		if time.Now().After(deadline) {
			t.Fatalf("timed out after %v waiting for %s", patience, what)
		}
	}
}

// A process is a firelane that runs with a tcp input, and the outputs stdout and file.
type process struct {
	t         *testing.T
	cmd       *exec.Cmd
	addr, out string
	ended     chan error
	log       text
}

// text may be read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *text) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *text) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var ports atomic.Int32

// unusedAddress is on the loopback network, and used by nobody else: its host is this process's own, and its port none that
// the kernel gives to clients.
func unusedAddress() (host, port string) {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff), fmt.Sprint(5170 + ports.Add(1)%1000)
}

// startProcess runs firelane with these files as its stdout and stderr; nil for the log of the process.
func startProcess(t *testing.T, stdout, stderr *os.File) *process {
	t.Helper()
	dir := t.TempDir()
	host, port := unusedAddress()
	p := &process{t: t, addr: net.JoinHostPort(host, port), out: filepath.Join(dir, "out"), ended: make(chan error, 1)}
	conf := filepath.Join(dir, "f.conf")
	// The grace is longer than a test waits: what ends before has ended for another reason.
	text := fmt.Sprintf("[SERVICE]\n  storage.path %s/queue\n  Grace 300\n[INPUT]\n  Name tcp\n  Tag t\n  Listen %s\n  Port %s\n"+
		"[OUTPUT]\n  Name file\n  Match *\n  Path %s\n  File out\n", dir, host, port, dir)
	if stdout != nil {
		text += "[OUTPUT]\n  Name stdout\n  Match *\n"
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(conf, stdout, stderr)
	return p
}

// runProcess runs firelane with a configuration.
func runProcess(t *testing.T, text string) *process {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "f.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, ended: make(chan error, 1)}
	p.start(conf, nil, nil)
	return p
}

func (p *process) start(conf string, stdout, stderr *os.File, args ...string) {
	p.t.Helper()
	p.cmd = exec.Command("firelane", append([]string{"run", "-c", conf}, args...)...)
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = &p.log
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	if stderr != nil {
		p.cmd.Stderr = stderr
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	p.t.Cleanup(func() { p.cmd.Process.Kill() })
}

// deliver sends a record and waits until it is in the file.
func (p *process) deliver(word string) {
	p.t.Helper()
	p.send(word).Close()
	eventually(p.t, word, func() bool {
		b, _ := os.ReadFile(p.out)
		return bytes.Contains(b, []byte(word))
	})
}

func (p *process) send(word string) net.Conn {
	p.t.Helper()
	var conn net.Conn
	eventually(p.t, "the router to listen", func() (ok bool) {
		var err error
		conn, err = net.Dial("tcp", p.addr)
		return err == nil
	})
	if _, err := fmt.Fprintf(conn, "{\"log\":%q}\n", word); err != nil {
		p.t.Fatal(err)
	}
	return conn
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// wait waits for the end of the process and returns its state.
func (p *process) wait() string {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.String()
	case <-time.After(patience):
		p.t.Fatalf("the process has not ended after %v; its log:\n%s", patience, &p.log)
		return ""
	}
}

// pipe is one that nobody reads; full: and that has no room left.
func pipe(t *testing.T, full bool) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if full {
		syscall.SetNonblock(fds[1], true)
		for {
			if _, err := syscall.Write(fds[1], []byte{'\n'}); err != nil {
				break
			}
		}
		syscall.SetNonblock(fds[1], false)
	}
	r, w = os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "writer")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestLogThatNobodyReadsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	_, stderr := pipe(t, true)
	p := startProcess(t, nil, stderr)
	p.deliver("first")
	p.signal(syscall.SIGTERM)
	if got := p.wait(); got != "exit status 0" {
		t.Errorf("got %s, want exit status 0", got)
	}
}

func TestReadersThatGoAwayDoNotKill(t *testing.T) {
	t.Parallel()
	stdoutReader, stdout := pipe(t, false)
	stderrReader, stderr := pipe(t, false)
	p := startProcess(t, stdout, stderr)
	p.deliver("first")
	stdoutReader.Close()
	stderrReader.Close()
	p.deliver("second")
	p.signal(syscall.SIGHUP) // a line of the log
	p.deliver("third")
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGQUIT)
	if got := p.wait(); !strings.HasPrefix(got, "exit status") {
		t.Errorf("got %s, want an exit", got)
	}
}

// TestSecondSignalAlwaysEnds: neither stdout, which has records, nor stderr is read.
func TestSecondSignalAlwaysEnds(t *testing.T) {
	t.Parallel()
	_, stdout := pipe(t, true)
	_, stderr := pipe(t, true)
	p := startProcess(t, stdout, stderr)
	p.deliver("first")
	p.signal(syscall.SIGTERM)
	eventually(t, "the stop", func() bool { // its input listens no more
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	p.signal(syscall.SIGTERM)
	if got := p.wait(); !strings.HasPrefix(got, "exit status") {
		t.Errorf("got %s, want an exit", got)
	}
}

// TestRouterThatDoesNotEndIsEndedByForce has no router that listens to its contexts.
func TestRouterThatDoesNotEndIsEndedByForce(t *testing.T) {
	const grace = 25 * time.Second
	for _, tt := range []struct {
		name string
		at   []time.Duration // of signals
		want time.Duration
	}{
		{"one signal", []time.Duration{0}, grace + overtime},
		{"two", []time.Duration{0, time.Second}, time.Second + forceAfter},
		{"three", []time.Duration{0, time.Second, time.Second + time.Millisecond}, time.Second + time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				arrived := make(chan os.Signal)
				stop, now := newStops()
				forced := make(chan time.Time, maxSignals)
				begin := time.Now()
				go handleSignals(zerolog.Nop(), arrived, signalled{
					grace: func() time.Duration { return grace }, stop: stop, now: now, force: func() { forced <- time.Now() },
				})
				for _, at := range tt.at {
					time.Sleep(time.Until(begin.Add(at)))
					arrived <- syscall.SIGTERM
				}
				if got := (<-forced).Sub(begin); got != tt.want {
					t.Errorf("got the end by force after %v, want it after %v", got, tt.want)
				}
				if stop.ctx.Err() == nil || (now.ctx.Err() == nil) != (len(tt.at) == 1) {
					t.Errorf("got stop %v and now %v after %d signals", stop.ctx.Err(), now.ctx.Err(), len(tt.at))
				}
				close(arrived)
			})
		})
	}
}

func TestAStopEndsARouterWhoseConfigurationIsAPipeThatNobodyFills(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "f.conf")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, ended: make(chan error, 1)}
	p.start(fifo, nil, nil)
	eventually(t, "the router to open its configuration", func() bool {
		w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			t.Cleanup(func() { w.Close() })
		}
		return err == nil
	})
	p.signal(syscall.SIGTERM)
	if got := p.wait(); got != "exit status 0" || !strings.Contains(p.log.String(), errStopped.Error()) {
		t.Errorf("got %s and the log %s, want exit status 0 and %q", got, &p.log, errStopped)
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	p := startProcess(t, nil, nil)
	p.deliver("first")
	for n, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR2} {
		p.signal(s)
		eventually(t, s.String(), func() bool { return strings.Count(p.log.String(), "the configuration was reloaded") == n+1 })
	}
	p.signal(syscall.SIGUSR1)
	eventually(t, "SIGUSR1", func() bool { return strings.Contains(p.log.String(), "the signal does nothing") })
	p.deliver("second")
	p.signal(syscall.SIGQUIT)
	if got := p.wait(); got != "exit status 0" {
		t.Errorf("got %s after SIGQUIT, want exit status 0", got)
	}
	if log := p.log.String(); !strings.Contains(log, `"message":"stopped","level":"info","output":"file.0","received":2,"delivered":2`) {
		t.Errorf("got this log, want the accounts in its last line:\n%s", log)
	}
}

// A request for a reload may come at the last moment: the process has stopped in order, and must not be said to have been killed.
func TestAHangUpAfterTheEndKillsNothing(t *testing.T) {
	_, end := takeSignals()
	end()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Error(err)
		}
	}
}
