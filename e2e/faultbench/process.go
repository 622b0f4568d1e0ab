package main

import (
	"bytes"
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
	"syscall"
	"time"

	generator "github.com/awslabs/go-config-generator-for-fluentd-and-fluentbit"
)

// A process is a router under test.
type process struct {
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{}
	bound  time.Duration // from exec to a socket that takes connections
}

// Waits for a router.
const (
	bindTimeout = 10 * time.Second
	exitTimeout = 60 * time.Second
)

// writeConfig writes the configuration that the ECS agent would write, with one output and an external file.
func writeConfig(dir, socket string, options, input map[string]string, external string) (string, error) {
	g := generator.New()
	in := map[string]string{"unix_path": socket}
	maps.Copy(in, input)
	g.AddInput("forward", "", in)
	g.AddFieldToRecord("ecs_cluster", "demo", "*").
		AddFieldToRecord("ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef0123456789abcdef", "*").
		AddFieldToRecord("ecs_task_definition", "web:7", "*")
	if external != "" {
		extra := filepath.Join(dir, "external.conf")
		if err := os.WriteFile(extra, []byte(external), 0o644); err != nil {
			return "", err
		}
		g.AddExternalConfig(extra, generator.AfterFilters)
	}
	name := options["Name"]
	rest := maps.Clone(options)
	delete(rest, "Name")
	g.AddOutput(name, "app*", rest)
	var text bytes.Buffer
	if err := g.WriteFluentBitConfig(&text); err != nil {
		return "", fmt.Errorf("generate configuration: %w", err)
	}
	file := filepath.Join(dir, "fluent-bit.conf")
	return file, os.WriteFile(file, text.Bytes(), 0o644)
}

// start starts a router and waits until its socket takes connections.
func start(ctx context.Context, binary, config, socket, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	args := []string{"-c", config}
	if strings.Contains(filepath.Base(binary), "firelane") {
		args = append([]string{"run"}, args...)
	}
	p := &process{cmd: exec.Command(binary, args...), log: log, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = io.Discard, log
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.exited)
	}()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			p.bound = time.Since(begin)
			conn.Close()
			return p, nil
		}
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s ended at once; see %s", binary, logFile)
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), p.stop(syscall.SIGKILL))
		case <-time.After(time.Millisecond / 2):
		}
		if time.Since(begin) > bindTimeout {
			return nil, errors.Join(fmt.Errorf("%s did not bind %s", binary, socket), p.stop(syscall.SIGKILL))
		}
	}
}

// usage is what a process has used so far.
type usage struct {
	cpu  time.Duration
	peak int64 // VmHWM, bytes
}

// usage reads /proc while the process runs.
func (p *process) usage() usage {
	var u usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return u
	}
	// The command's name, in brackets, may hold blanks; utime and stime are the 12th and 13th field after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, f := range fields[11:13] {
		ticks, _ := strconv.ParseInt(f, 10, 64)
		u.cpu += time.Duration(ticks) * 10 * time.Millisecond
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
		kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		u.peak = kib << 10
	}
	return u
}

// stop sends sig and waits for the end; a process that doesn't end is killed.
func (p *process) stop(sig syscall.Signal) error {
	defer p.log.Close()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(exitTimeout):
		p.cmd.Process.Kill()
		<-p.exited
		return errors.New("did not end in time and was killed")
	}
}
