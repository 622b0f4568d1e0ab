package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	generator "github.com/awslabs/go-config-generator-for-fluentd-and-fluentbit"
)

// A process is a router under test.
type process struct {
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{}
	bound  time.Duration // from exec until the socket accepted a connection
	peak   atomic.Int64  // VmHWM, bytes
	within time.Duration // limit of its stop, after which it is killed
}

// Limits of a router's start and stop.
const (
	bindTimeout = time.Minute
	exitTimeout = 60 * time.Second
)

// parsersFile is the file with the parsers for parser filters: JSON, and the lines of apacheForm.
const (
	parsersFile = "parsers.conf"
	parsers     = `[PARSER]
    Name   json
    Format json
[PARSER]
    Name        combined
    Format      regex
    Regex       ^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>.*)")?$
    Time_Key    time
    Time_Format %d/%b/%Y:%H:%M:%S %z
`
)

// writeConfig writes the configuration as the ECS agent does, with external as the user's file, and returns its path.
func writeConfig(dir, socket string, outputs []map[string]string, input map[string]string, external string) (string, error) {
	g := generator.New()
	in := map[string]string{"unix_path": socket}
	maps.Copy(in, input)
	g.AddInput("forward", "", in)
	g.AddFieldToRecord("ecs_cluster", "demo", "*").
		AddFieldToRecord("ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef0123456789abcdef", "*").
		AddFieldToRecord("ecs_task_definition", "web:7", "*")
	if err := os.WriteFile(filepath.Join(dir, parsersFile), []byte(parsers), 0o644); err != nil {
		return "", err
	}
	if external != "" {
		extra := filepath.Join(dir, "external.conf")
		if err := os.WriteFile(extra, []byte(external), 0o644); err != nil {
			return "", err
		}
		g.AddExternalConfig(extra, generator.AfterFilters)
	}
	for _, options := range outputs {
		rest := maps.Clone(options)
		delete(rest, "Name")
		delete(rest, "Match")
		g.AddOutput(options["Name"], cmp.Or(options["Match"], "app*"), rest)
	}
	var text bytes.Buffer
	if err := g.WriteFluentBitConfig(&text); err != nil {
		return "", fmt.Errorf("generate configuration: %w", err)
	}
	file := filepath.Join(dir, "fluent-bit.conf")
	return file, os.WriteFile(file, text.Bytes(), 0o644)
}

// command returns the router's command, which runs in group, after the shell commands before, unless group is nil.
func command(rt router, config string, group *cgroup, before string) *exec.Cmd {
	args := append(append([]string{rt.binary}, rt.args...), config)
	if group != nil {
		args = group.wrap(before, args)
	}
	return exec.Command(args[0], args[1:]...)
}

// start starts a router and waits until its socket accepts connections.
func start(ctx context.Context, cmd *exec.Cmd, socket, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, exited: make(chan struct{}), within: exitTimeout}
	p.cmd.Stdout, p.cmd.Stderr = io.Discard, log
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		log.Close()
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	go p.watch()
	if err := p.awaitSocket(ctx, socket, begin); err != nil {
		_, _ = p.stop(syscall.SIGKILL)
		return nil, fmt.Errorf("%w; see %s", err, logFile)
	}
	return p, nil
}

func (p *process) awaitSocket(ctx context.Context, socket string, begin time.Time) error {
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			p.bound = time.Since(begin)
			return conn.Close()
		}
		select {
		case <-p.exited:
			return errors.New("the router exited during its start")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond / 2):
		}
		if time.Since(begin) > bindTimeout {
			return errors.New("the router did not bind its socket")
		}
	}
}

// watchEvery is how often a process's VmHWM is read. As a high-water mark it includes everything in between.
const watchEvery = 20 * time.Millisecond

// watch reads the peak of the process's memory until it ends.
func (p *process) watch() {
	for {
		p.readPeak()
		select {
		case <-p.exited:
			return
		case <-time.After(watchEvery):
		}
	}
}

func (p *process) readPeak() {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
		kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		p.peak.Store(kib << 10)
	}
}

// cpu returns the CPU time of a process that has ended.
func (p *process) cpu() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// stop sends sig, waits until the process has ended, and returns how long that took. After p.within it kills the
// process.
func (p *process) stop(sig syscall.Signal) (time.Duration, error) {
	defer p.log.Close()
	p.readPeak()
	begin := time.Now()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-p.exited:
		return time.Since(begin), nil
	case <-time.After(p.within):
		p.cmd.Process.Kill()
		<-p.exited
		return time.Since(begin), errors.New("the router did not end in time and was killed")
	}
}
