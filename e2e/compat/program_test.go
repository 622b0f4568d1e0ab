package compat

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/input/systemd/journaltest"
	"github.com/firelane/firelane/internal/freeport"
)

const (
	startLimit  = 60 * time.Second // until a program accepts connections, on a busy machine
	outputLimit = 40 * time.Second // until it has written the wanted output
	stopLimit   = 20 * time.Second // until it ends after SIGTERM
)

// notStarted is the output of a program that refuses the configuration.
const notStarted = "does not start\n"

func notifyTerm() (context.Context, func()) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM)
}

// A program runs a configuration.
type program struct {
	name, path string
	self       bool   // the program is the test's own binary
	parsers    string // Fluent Bit's own parsers, if the case needs them
}

// A running is a program in one case.
type running struct {
	cmd    *exec.Cmd
	dir    string
	port   int
	ended  chan struct{} // closed when it has ended
	status int
	now    time.Time
	nows   []string // pairs for a replacer: a time in the input, and its notation @NOW:…@ in the case
}

// run has a program process a case's input, and returns what it wrote. expect is the number of lines to wait for.
func (c *testCase) run(t *testing.T, p program, expect int) result {
	t.Helper()
	dir, err := os.MkdirTemp("", "compat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := startSink(t, c.Output)
	r := &running{dir: dir, port: freePort(t), ended: make(chan struct{}), now: time.Now()}
	for _, f := range c.files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		data := f.Data
		if f.Name == c.config {
			data = c.complete(bytes.Clone(data))
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".journal") {
			writeJournal(t, name, data)
			continue
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := window{from: r.now}
	r.start(t, c, p, s)
	answers := r.feed(t, c)
	read := func() string { return r.output(c, s, answers, w) }
	if *update {
		r.settle(read)
	} else if !r.over() {
		eventually(outputLimit, r.ended, func() bool { return len(c.lines(read())) >= expect })
	}
	r.stop(t)
	w.to = time.Now()
	text := strings.NewReplacer(r.nows...).Replace(read())
	if r.status != 0 {
		text = notStarted
	}
	return result{c: c, text: text, log: r.read("log")}
}

// writeJournal writes a file of systemd's journal with the entries of a text in the export format.
func writeJournal(t *testing.T, name string, text []byte) {
	t.Helper()
	entries, err := journaltest.Export(text)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journaltest.Create(name, journaltest.Options{Compact: true, FileID: journaltest.ID(filepath.Base(name)), SeqnumID: journaltest.ID(filepath.Base(name))})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, e := range entries {
		if err := j.Add(e.Realtime, e.Fields...); err != nil {
			t.Fatal(err)
		}
	}
}

// start starts the program with the case's environment.
func (r *running) start(t *testing.T, c *testCase, p program, s *sink) {
	t.Helper()
	file := filepath.Join(r.dir, c.config)
	r.cmd = exec.Command(p.path, "-c", file)
	if p.name == fluentd {
		r.cmd.Args = append(r.cmd.Args, "--no-supervisor")
	}
	if p.parsers != "" {
		r.cmd.Args = append(r.cmd.Args, "-R", p.parsers)
	}
	r.cmd.Dir = r.dir
	r.cmd.Env = append(os.Environ(), "TZ=UTC", "DIR="+r.dir, "PORT="+strconv.Itoa(r.port), "SINK="+strconv.Itoa(s.port()), "HOSTNAME=web-1")
	r.cmd.Env = append(r.cmd.Env, c.env...)
	if p.self {
		r.cmd.Args = []string{"firelane"}
		r.cmd.Env = append(r.cmd.Env, envFirelane+"="+file)
	}
	stdout, err := os.Create(filepath.Join(r.dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	log, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r.cmd.Stdout, r.cmd.Stderr = stdout, log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		r.cmd.Wait()
		r.status = r.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.ended
	})
}

// settle waits until the output hasn't changed for a while. It is for -update, where the wanted output isn't known yet.
func (r *running) settle(read func() string) {
	text, since := "", time.Now()
	eventually(outputLimit, r.ended, func() bool {
		if now := read(); now != text {
			text, since = now, time.Now()
		}
		return text != "" && time.Since(since) > 2500*time.Millisecond || time.Since(since) > outputLimit/2
	})
}

// over reports whether the program has ended.
func (r *running) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// stop ends the program as ECS does, with SIGTERM.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(stopLimit):
		t.Errorf("%s does not end after SIGTERM", r.cmd.Path)
		r.cmd.Process.Kill()
		<-r.ended
	}
}

// output returns what the program has written so far, in the notation of want.
func (r *running) output(c *testCase, s *sink, answers string, w window) string {
	if w.to.IsZero() {
		w.to = time.Now()
	}
	kind, name, _ := strings.Cut(c.Output, " ")
	switch kind {
	case "out":
		if c.reference() == fluentd {
			return w.fromStdout(r.read("stdout"))
		}
		return w.fromFile(r.read("out"))
	case "stdout":
		return w.markMetrics(cleanStdout(r.read("stdout")))
	case "file":
		return r.read(name)
	case "answers":
		return answers
	}
	return w.markNow(s.text())
}

func (r *running) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(r.dir, name))
	return string(text)
}

// cleanStdout removes what Fluent Bit and Fluentd themselves write to standard output, such as their banners.
func cleanStdout(text string) string {
	var b strings.Builder
	own := regexp.MustCompile(`^(Fluent Bit v|\* |\s*$|\S{4}-\S\S-\S\S \S+ [-+]\d{4} \[\w+\]: |[ _|/\\()'.<>-]+$)|\x1b\[`)
	for line := range strings.Lines(text) {
		if !own.MatchString(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// What the test adds to a configuration so that it can run.
const (
	bitService = "    Flush 0.1\n    Grace 5\n    storage.path ${DIR}/queue\n"
	bitInput   = "[INPUT]\n    Name forward\n    Listen 127.0.0.1\n    Port ${PORT}\n"
	bitOutput  = "[OUTPUT]\n    Name file\n    Match *\n    Path ${DIR}\n    File out\n"

	yamlService = "    flush: 0.1\n    grace: 5\n    storage.path: ${DIR}/queue\n"
	yamlInput   = "    inputs:\n        - name: forward\n          listen: 127.0.0.1\n          port: ${PORT}\n"
	yamlOutput  = "    outputs:\n        - name: file\n          match: '*'\n          path: ${DIR}\n          file: out\n"

	fluentdSystem = "<system>\n  root_dir \"#{ENV['DIR']}/queue\"\n  suppress_config_dump true\n</system>\n"
	fluentdYAML   = "system:\n  root_dir: !fluent/s \"#{ENV['DIR']}/queue\"\n  suppress_config_dump: true\n"
	fluentdSource = "<source>\n  @type forward\n  bind 127.0.0.1\n  port \"#{ENV['PORT']}\"\n</source>\n"
	fluentdMatch  = "<match **>\n  @type stdout\n</match>\n"
)

var (
	serviceSection = regexp.MustCompile(`(?mi)^\s*\[SERVICE\]\s*\n`)
	inputSection   = regexp.MustCompile(`(?mi)^\s*\[INPUT\]`)
	outputSection  = regexp.MustCompile(`(?mi)^\s*\[OUTPUT\]`)
)

// complete adds what a case leaves out: the input forward, the output file (Fluentd: stdout), and folders of its own.
func (c *testCase) complete(data []byte) []byte {
	switch c.config {
	case "fluent.conf":
		return completeFluentd(data)
	case "fluent.yaml":
		return append([]byte(fluentdYAML), data...)
	case "fluent-bit.yaml":
		return completeYAML(data)
	}
	if at := serviceSection.FindIndex(data); at != nil {
		data = bytes.Join([][]byte{data[:at[1]], []byte(bitService), data[at[1]:]}, nil)
	} else {
		data = append([]byte("[SERVICE]\n"+bitService), data...)
	}
	if !inputSection.Match(data) {
		data = append(append(data, '\n'), bitInput...)
	}
	if !outputSection.Match(data) {
		data = append(append(data, '\n'), bitOutput...)
	}
	return data
}

func completeYAML(data []byte) []byte {
	if bytes.Contains(data, []byte("service:\n")) {
		data = bytes.Replace(data, []byte("service:\n"), []byte("service:\n"+yamlService), 1)
	} else {
		data = append([]byte("service:\n"+yamlService), data...)
	}
	add := ""
	if !bytes.Contains(data, []byte(" inputs:")) {
		add += yamlInput
	}
	if !bytes.Contains(data, []byte(" outputs:")) {
		add += yamlOutput
	}
	if !bytes.Contains(data, []byte("pipeline:\n")) {
		return append(append(data, "\npipeline:\n"...), add...)
	}
	return bytes.Replace(data, []byte("pipeline:\n"), []byte("pipeline:\n"+add), 1)
}

func completeFluentd(data []byte) []byte {
	if !bytes.Contains(data, []byte("<source>")) {
		data = append([]byte(fluentdSource), data...)
	}
	if !bytes.Contains(data, []byte("<match ")) {
		data = append(data, fluentdMatch...)
	}
	if !bytes.Contains(data, []byte("<system>")) {
		data = append([]byte(fluentdSystem), data...)
	}
	return data
}

// freePort returns a port of loopback that nothing listens on, another each time.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := freeport.Next()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// dial connects to the program once it listens; nil if it ends before.
func (r *running) dial(t *testing.T, network string) net.Conn {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", r.port)
	if strings.HasPrefix(network, "unix") {
		address = filepath.Join(r.dir, "in.sock")
	}
	var conn net.Conn
	err := eventually(startLimit, r.ended, func() bool {
		var err error
		conn, err = net.Dial(network, address)
		return err == nil
	})
	if err != nil {
		if !r.over() {
			t.Errorf("%s doesn't listen: %v", r.cmd.Path, err)
		}
		return nil
	}
	return conn
}
