// Package servers starts the real servers that firelane is tested with, each in its own folder and on loopback: OpenSearch,
// Elasticsearch, Docker, nginx. e2e/setup installs them. Each Start function returns when the server answers.
package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/firelane/firelane/internal/freeport"
)

// A Process is a server and the processes that it has started: its process group.
type Process struct {
	cmd     *exec.Cmd
	logFile string
	done    chan struct{} // closed when the process has ended
	err     error         // how it ended; read after done
}

// start starts a command in a new process group, with its output in logFile.
func start(logFile string, cmd *exec.Cmd) (*Process, error) {
	out, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// If the tests are killed, the kernel sends the server SIGTERM.
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGTERM
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

// ready polls until check returns true. It returns an error if the process exits first; after limit it kills the process and
// returns an error.
func (p *Process) ready(limit time.Duration, check func() bool) error {
	name := filepath.Base(p.cmd.Path)
	deadline := time.After(limit)
	for !check() {
		select {
		case <-p.done:
			return fmt.Errorf("%s exited during its start: %v\n%s", name, p.err, p.tail())
		case <-deadline:
			p.Kill()
			return fmt.Errorf("%s did not answer within %v\n%s", name, limit, p.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// LogFile returns the file with the output of the process.
func (p *Process) LogFile() string { return p.logFile }

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stop sends the process SIGTERM, waits up to grace for it to end, and then kills its group.
func (p *Process) Stop(grace time.Duration) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
	}
	p.Kill()
}

// Kill kills the process and its group.
func (p *Process) Kill() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// tail returns the end of the process's output.
func (p *Process) tail() string {
	const max = 4 << 10
	text, _ := os.ReadFile(p.logFile)
	return strings.TrimSpace(string(text[len(text)-min(len(text), max):]))
}

// FreePort returns a free TCP port on loopback, from low to high. Another process may take it at any time.
func FreePort(low, high int) (int, error) {
	for port := low; port <= high; port++ {
		if freeport.IsFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", low, high)
}

// cache returns the folder into which e2e/setup installs.
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

// Page is the folder whose node_modules the test of the status page needs.
func Page() string { return filepath.Join(cache(), "page") }
