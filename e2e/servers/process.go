// Package servers starts the real things that firelane is tested against, each in a folder of its own and on loopback:
// OpenSearch, Elasticsearch, Docker, nginx. e2e/setup installs them. Every starter returns when the server answers.
package servers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Process is a server that was started, and whatever it started itself: its process group.
type Process struct {
	cmd     *exec.Cmd
	logFile string
	done    chan struct{} // closed when the process has ended
	err     error         // how it ended; read after done
}

// start runs a command in a process group of its own, its output in logFile.
func start(logFile string, cmd *exec.Cmd) (*Process, error) {
	out, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// Should the tests be killed, the server is told to end too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(cmd.Path), err)
	}
	p := &Process{cmd: cmd, logFile: logFile, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ready polls until check passes. It fails, and ends the process, when the process ends first or limit has passed.
func (p *Process) ready(limit time.Duration, check func() bool) error {
	name := filepath.Base(p.cmd.Path)
	deadline := time.After(limit)
	for !check() {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at once: %v\n%s", name, p.err, p.tail())
		case <-deadline:
			p.Kill()
			return fmt.Errorf("%s did not answer within %v\n%s", name, limit, p.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stop asks the process to end, and after grace ends its whole group.
func (p *Process) Stop(grace time.Duration) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
	}
	p.Kill()
}

// Kill ends the process and its group at once (SIGKILL).
func (p *Process) Kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// tail is the end of what the process wrote.
func (p *Process) tail() string {
	const max = 4 << 10
	text, _ := os.ReadFile(p.logFile)
	return strings.TrimSpace(string(text[len(text)-min(len(text), max):]))
}

// FreePort is a TCP port of loopback, from low to high, that nobody listened on a moment ago.
func FreePort(low, high int) (int, error) {
	for port := low; port <= high; port++ {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", low, high)
}

// cache is the folder that e2e/setup fills.
func cache() string {
	if dir := os.Getenv("FIRELANE_CACHE"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	return filepath.Join(home, ".cache", "firelane")
}
