package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/ecs/ecstest"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/internal/freeport"
	"github.com/firelane/firelane/record"
)

const (
	startLimit  = time.Minute      // until the router accepts connections, on a busy machine
	arriveLimit = 40 * time.Second // until what is sent has arrived
	stopLimit   = 30 * time.Second // until the router ends after SIGTERM
)

// taskID is the task's, as taskdef renders it.
const taskID = "0123456789abcdef0123456789abcdef"

// ports are those at which the examples' routers listen. Each case has free ones instead.
var ports = []string{"24224", "8877", "2020", "25888", "5170"}

// A task is a running router.
type task struct {
	dir      string
	rendered *taskdef.Rendered
	ports    map[string]string
	cmd      *exec.Cmd
	ended    chan struct{}
	env      []string
}

// run runs the case.
func (c *testCase) run(t *testing.T) {
	dir, err := os.MkdirTemp("", "ex") // short, since a socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	k := &task{dir: dir, ports: map[string]string{}, ended: make(chan struct{}), rendered: c.render(t)}
	for _, p := range ports {
		k.ports[p] = strconv.Itoa(freePort(t))
	}
	n, env := newInternet(t, c, dir)
	forward := newAggregator(t)
	k.builtIn(t, c)
	k.write(t, c, forward)
	k.start(t, c, env)

	period := clock{from: time.Now()}
	for _, s := range c.sends {
		if err := k.send(s); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	k.healthCheck(t)
	want := len(c.lines(period, strings.Split(c.want, "\n")))
	arrived := func() []string { return append(n.lines(), forward.all()...) }
	if c.atStop {
		k.eventually(arriveLimit, func() bool { return k.received() >= c.sent() })
	} else {
		k.eventually(arriveLimit, func() bool { return len(c.lines(period, arrived())) >= want })
	}
	k.stop(t)
	period.to = time.Now()
	if c.says != "" && !strings.Contains(k.log(), c.says) {
		t.Errorf("the log doesn't say %q", c.says)
	}
	for _, no := range n.refusals() {
		t.Errorf("refused: %s", no)
	}
	if got, want := c.lines(period, arrived()), c.lines(period, strings.Split(c.want, "\n")); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if t.Failed() {
		t.Logf("configuration:\n%s\nlog:\n%s", k.rendered.Text, k.log())
	}
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

// render renders the task definition as the agent does.
func (c *testCase) render(t *testing.T) *taskdef.Rendered {
	t.Helper()
	definitions, problems, err := taskdef.Read("task-definition.json", c.definition)
	if err != nil || len(problems) > 0 || len(definitions) != 1 {
		t.Fatalf("%v, %v, %d definitions", err, problems, len(definitions))
	}
	r := taskdef.Render(definitions[0], true, nil)
	if len(r.Problems) > 0 {
		t.Fatal(r.Problems)
	}
	return r
}

var (
	pathOption = regexp.MustCompile(`(?mi)^(\s*(?:path|db|storage\.path|unix_path|parsers_file|streams_file)\s+|@include\s+|\s*command\s+find\s+)(/\S+)`)
	portOption = regexp.MustCompile(`(?mi)^(\s*(?:http_port|port)\s+)(\d+)\s*$`)
)

// local returns a configuration with the case's own folder and ports, and the aggregator's address.
func (k *task) local(c *testCase, text string, forward *aggregator) string {
	text = pathOption.ReplaceAllStringFunc(text, func(line string) string {
		m := pathOption.FindStringSubmatch(line)
		if _, ours := c.files[m[2]]; !ours && (strings.HasPrefix(m[2], "/fluent-bit/configs/") || strings.HasPrefix(m[2], "/fluent-bit/parsers/")) {
			return line // built in
		}
		return m[1] + k.dir + m[2]
	})
	text = portOption.ReplaceAllStringFunc(text, func(line string) string {
		m := portOption.FindStringSubmatch(line)
		if own, ok := k.ports[m[2]]; ok {
			return m[1] + own + "\n"
		}
		return line
	})
	text = strings.ReplaceAll(text, "127.0.0.1:2020", "127.0.0.1:"+k.ports["2020"])
	return strings.NewReplacer("aggregator.example", "127.0.0.1", "24225", strconv.Itoa(forward.port())).Replace(text)
}

// interval is how often a file of the image asks for metrics, in seconds.
var interval = regexp.MustCompile(`(?m)^(\s*Interval_Sec\s+)\d+$`)

// builtIn makes the file of the image that the task definition names, and what it includes, files of the case: they have ports.
func (k *task) builtIn(t *testing.T, c *testCase) {
	t.Helper()
	path, _ := k.rendered.External()
	for strings.HasPrefix(path, "/fluent-bit/configs/") {
		cmd := exec.CommandContext(t.Context(), *binary)
		cmd.Args = []string{"/bin/sh", "-c", "cat " + path}
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		c.files[path] = interval.ReplaceAllString(string(text), "${1}1")
		path = ""
		if m := regexp.MustCompile(`(?m)^\s*Parsers_File\s+(/fluent-bit/configs/\S+)`).FindSubmatch(text); m != nil {
			path = string(m[1])
		}
	}
}

// sent is how many records the case sends.
func (c *testCase) sent() (n int) {
	for _, s := range c.sends {
		n += bytes.Count(s.Data, []byte("\n"))
	}
	return n
}

// received is how many records the router's inputs have taken, by its metrics.
func (k *task) received() (n int) {
	res, err := http.Get("http://127.0.0.1:" + k.ports["2020"] + "/api/v1/metrics")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	var metrics struct {
		Input map[string]struct{ Records int }
	}
	if err := json.NewDecoder(res.Body).Decode(&metrics); err != nil {
		return 0
	}
	for _, input := range metrics.Input {
		n += input.Records
	}
	return n
}

// write writes the files of the container, and the objects in S3.
func (k *task) write(t *testing.T, c *testCase, forward *aggregator) {
	t.Helper()
	files := map[string]string{k.rendered.File: k.local(c, k.rendered.Text, forward)}
	for path, text := range c.files {
		files[path] = k.local(c, text, forward)
	}
	for key, text := range c.objects {
		c.objects[key] = k.local(c, text, forward)
	}
	for _, folder := range []string{"/var/run", "/var/log", "/logs"} {
		if err := os.MkdirAll(k.dir+folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(k.dir+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(k.dir+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// start starts the router, and waits for the log driver's socket.
func (k *task) start(t *testing.T, c *testCase, env []string) {
	t.Helper()
	metadata := ecstest.New()
	t.Cleanup(metadata.Close)
	metadata.SetMetadata(fmt.Sprintf(`{"Cluster":"cluster","TaskARN":"arn:aws:ecs:%s:123456789012:task/cluster/%s","Family":"web","Revision":"1",`+
		`"AvailabilityZone":"%[1]sa","LaunchType":"EC2","Containers":[{"Name":"log_router","DockerId":"0123"}]}`, region, taskID))
	instance := newInstance(t)
	k.cmd = exec.Command(*binary, "run", "-c", k.dir+k.rendered.File)
	if len(c.command) > 0 {
		k.cmd.Args = slices.Clone(c.command)
		for i, word := range k.cmd.Args {
			if _, ours := c.files[word]; ours {
				k.cmd.Args[i] = k.dir + word
			}
		}
	}
	k.env = append([]string{"PATH=" + os.Getenv("PATH")}, "HOSTNAME=ip-10-0-0-1", "ECS_CONTAINER_METADATA_URI_V4="+metadata.URI(), "AWS_EC2_METADATA_SERVICE_ENDPOINT="+instance,
		"AWS_REGION="+region, "FIRELANE_STORAGE_PATH="+k.dir+"/queue", "FIRELANE_ADMIN=127.0.0.1:"+k.ports["2020"])
	for name, value := range k.rendered.Environment {
		if _, given := taskdef.Find(k.rendered.Router.Environment, name); given {
			k.env = append(k.env, name+"="+value)
		}
	}
	for i, container := range k.rendered.Containers {
		if container.Log != nil {
			for _, s := range container.Log.Secrets {
				k.env = append(k.env, taskdef.SecretVariable(s.Name, i)+"="+s.Text)
			}
		}
	}
	k.env = append(append(k.env, env...), c.env...)
	k.cmd.Env, k.cmd.Dir = k.env, k.dir
	log, err := os.Create(k.dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	k.cmd.Stdout, k.cmd.Stderr = log, log
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(k.ended)
		k.cmd.Wait()
	}()
	t.Cleanup(func() {
		k.cmd.Process.Kill()
		<-k.ended
	})
	if !k.eventually(startLimit, func() bool {
		conn, err := net.Dial("unix", k.dir+"/var/run/fluent.sock")
		if err == nil {
			conn.Close()
		}
		return err == nil && strings.Contains(k.log(), "firelane is running")
	}) {
		t.Fatalf("the router doesn't start:\n%s\n%s", k.rendered.Text, k.log())
	}
}

func (k *task) log() string {
	text, _ := os.ReadFile(k.dir + "/log")
	return string(text)
}

// eventually reports whether done becomes true before a limit, and before the router ends.
func (k *task) eventually(limit time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-k.ended:
			return done()
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// stop stops the router as ECS does.
func (k *task) stop(t *testing.T) {
	t.Helper()
	k.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-k.ended:
	case <-time.After(stopLimit):
		t.Error("the router doesn't end after SIGTERM")
		return
	}
	if code := k.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the router's exit code is %d, want 0", code)
	}
}

// healthCheck runs the router's health check as Docker does, in the image's shell.
func (k *task) healthCheck(t *testing.T) {
	t.Helper()
	check := k.rendered.Router.HealthCheck
	if len(check) != 2 || check[0].Text != "CMD-SHELL" {
		return
	}
	script := check[1].Text
	for port, own := range k.ports {
		script = strings.ReplaceAll(script, "127.0.0.1:"+port, "127.0.0.1:"+own)
		script = strings.ReplaceAll(script, "127.0.0.1 "+port, "127.0.0.1 "+own)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, *binary)
	cmd.Args = []string{"/bin/sh", "-c", script}
	cmd.Env = k.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the health check %s: %v\n%s", script, err, out)
	}
}

// send sends what a section says: lines of a container's stdout or stderr, parts of a line that Docker split, bytes to a port, or
// lines of a file.
func (k *task) send(s txtar.File) error {
	words := strings.Fields(s.Name)
	if words[0] == "append" {
		file, err := os.OpenFile(k.dir+words[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = file.Write(s.Data)
		return errors.Join(err, file.Close())
	}
	if words[1] == "tcp" {
		conn, err := net.Dial("tcp", "127.0.0.1:"+k.ports[words[2]])
		if err != nil {
			return err
		}
		_, err = conn.Write(s.Data)
		return errors.Join(err, conn.Close())
	}
	lines := strings.Split(strings.TrimSuffix(string(s.Data), "\n"), "\n")
	return k.drive(words[1], words[2], lines)
}

// drive sends lines as Docker's log driver does, which asks for no acknowledgment.
func (k *task) drive(stream, container string, lines []string) error {
	conn, err := net.Dial("unix", k.dir+"/var/run/fluent.sock")
	if err != nil {
		return err
	}
	var b []byte
	for i, line := range lines {
		fields := []string{"container_id", "5fc1" + container, "container_name", "/ecs-web-1-" + container, "source", stream, "log", line}
		if stream == "partial" {
			fields[5] = "stdout"
			last := strconv.FormatBool(i == len(lines)-1)
			fields = append(fields, "partial_message", "true", "partial_id", "dc37eb", "partial_ordinal", strconv.Itoa(i+1), "partial_last", last)
		}
		b = record.AppendStr(record.AppendArrayHeader(b, 4), container+"-firelens-"+taskID)
		b = record.AppendTime(b, record.Time{Sec: uint32(time.Now().Unix())})
		b = record.AppendMapHeader(b, len(fields)/2)
		for _, f := range fields {
			b = record.AppendStr(b, f)
		}
		b = record.AppendMapHeader(b, 0)
	}
	_, err = conn.Write(b) // at once, so that no pause is longer than a filter waits
	return errors.Join(err, conn.Close())
}

// An aggregator takes what outputs forward, and prints TAG RECORD.
type aggregator struct {
	ln  net.Listener
	mu  sync.Mutex
	got []string
}

func newAggregator(t *testing.T) *aggregator {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &aggregator{ln: ln}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(startLimit))
			all.Go(func() { defer conn.Close(); a.take(conn) })
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
	return a
}

func (a *aggregator) port() int { return a.ln.Addr().(*net.TCPAddr).Port }

func (a *aggregator) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

// take reads messages of the forward protocol, in the mode PackedForward.
func (a *aggregator) take(conn net.Conn) {
	dec := msgpack.NewDecoder(conn)
	for {
		message, err := dec.DecodeSlice()
		if err != nil || len(message) < 2 {
			return
		}
		var packed []byte
		switch entries := message[1].(type) {
		case []byte:
			packed = entries
		case string:
			packed = []byte(entries)
		}
		events := msgpack.NewDecoder(bytes.NewReader(packed))
		for {
			var event []msgpack.RawMessage
			if err := events.Decode(&event); err != nil || len(event) != 2 {
				break
			}
			text := record.AppendJSON(nil, event[1])
			a.mu.Lock()
			a.got = append(a.got, fmt.Sprintf("aggregator %s %s", message[0], text))
			a.mu.Unlock()
		}
		if option, ok := message[len(message)-1].(map[string]any); ok && option["chunk"] != nil {
			reply, _ := msgpack.Marshal(map[string]any{"ack": option["chunk"]})
			conn.Write(reply)
		}
	}
}
