package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/ecs/ecstest"
)

// A taskProcess is a firelane that runs in a task whose metadata endpoint and S3 are a fake.
type taskProcess struct {
	*ecstest.Server
	dir, conf, socket string
	environ           []string
}

// newTask writes the file that ECS would, with rest at its end.
func newTask(t *testing.T, rest string) *taskProcess {
	t.Helper()
	p := &taskProcess{Server: ecstest.New(), dir: t.TempDir()}
	t.Cleanup(p.Close)
	p.conf, p.socket = filepath.Join(p.dir, "fluent-bit.conf"), filepath.Join(p.dir, "fluent.sock")
	p.write(t, "fluent-bit.conf", fmt.Sprintf("[SERVICE]\n  storage.path %s/queue\n[INPUT]\n  Name forward\n  unix_path %s\n%s", p.dir, p.socket, rest))
	p.environ = append(p.Server.Environ(), "PATH="+os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0")
	return p
}

func (p *taskProcess) write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(p.dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// set sets a variable of the task definition.
func (p *taskProcess) set(name, value string) { p.environ = append(p.environ, name+"="+value) }

// output runs a command until it ends.
func (p *taskProcess) output(args ...string) (stdout, stderr string, status int) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = p.environ
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// start starts a command that is stopped at the end of the test.
func (p *taskProcess) start(t *testing.T, args ...string) *process {
	t.Helper()
	r := &process{t: t, ended: make(chan error, 1)}
	r.cmd = exec.Command(args[0], args[1:]...)
	r.cmd.Env, r.cmd.Stderr = p.environ, &r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	t.Cleanup(func() { r.cmd.Process.Kill() })
	return r
}

const toTheCluster = "[OUTPUT]\n  Name file\n  Match *\n  Path ${OUT}\n  File ${ECS_CLUSTER}-${ECS_TASK_ID}\n"

func TestInitImagesFilesAreReadInOrderAfterTheGeneratedOne(t *testing.T) {
	p := newTask(t, "")
	p.set("OUT", p.dir)
	p.set("ECS_CLUSTER", "the environment's") // the init image's export takes precedence
	p.Put("us-west-2", "conf", "a/filters.conf", "[FILTER]\n  Name parser\n  Match *\n  Key_Name log\n  Parser own\n[PARSER]\n  Name own\n  Format json\n")
	p.Put("eu-west-1", "conf2", "output.conf", toTheCluster)
	p.set("aws_fluent_bit_init_s3_10", "arn:aws:s3:::conf2/output.conf")
	p.set("aws_fluent_bit_init_s3_2", "arn:aws:s3:::conf/a/filters.conf")
	p.set("aws_fluent_bit_init_file_1", p.write(t, "first.conf", "[FILTER]\n  Name record_modifier\n  Match *\n  Record task ${ECS_TASK_DEFINITION}\n"))
	stdout, stderr, status := p.output("firelane", "check", "--plan", p.conf)
	if status != 0 {
		t.Fatal(stderr)
	}
	for _, want := range []string{"* -> record_modifier.0 -> parser.0 -> file.0", "record task web:7", "file demo-0123456789abcdef", "parser own (json)  # /init/fluent-bit-init-s3-files/filters.conf:6"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got the plan\n%s\nwant %s", stdout, want)
		}
	}
	at := -1
	for _, want := range []string{
		"note: aws_fluent_bit_init_file_1: " + p.dir + "/first.conf is read after the generated file",
		"note: aws_fluent_bit_init_s3_2: arn:aws:s3:::conf/a/filters.conf is read as /init/fluent-bit-init-s3-files/filters.conf (95 bytes)",
		"note: aws_fluent_bit_init_s3_10: arn:aws:s3:::conf2/output.conf is read as",
	} {
		next := strings.Index(stderr, want)
		if next <= at {
			t.Errorf("got\n%s\nwant %q after what comes before it", stderr, want)
		}
		at = next
	}
}

// The sockets are there while S3 doesn't answer: the log driver, whose records wait in the kernel, isn't refused.
func TestSocketsAreBoundBeforeObjectsAreFetched(t *testing.T) {
	p := newTask(t, "")
	p.set("OUT", p.dir)
	p.Put("eu-west-1", "conf", "output.conf", toTheCluster)
	p.set("aws_fluent_bit_init_s3_1", "arn:aws:s3:::conf/output.conf")
	p.Wait(time.Hour)
	r := p.start(t, "firelane", "run", "-c", p.conf)
	var conn net.Conn
	eventually(t, "the socket", func() (ok bool) {
		var err error
		conn, err = net.Dial("unix", p.socket)
		return err == nil
	})
	defer conn.Close()
	// ["app", 1, {"log": "early"}]
	if _, err := conn.Write([]byte("\x93\xa3app\x01\x81\xa3log\xa5early")); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := p.output("firelane", "healthcheck", "-c", p.conf); status != 0 {
		t.Errorf("the health check fails while the configuration is fetched: %s", stderr)
	}
	eventually(t, "the first request", func() bool { return p.Asked("task") > 0 })
	p.Wait(0) // an attempt that hangs is given up
	eventually(t, "the record", func() bool {
		b, _ := os.ReadFile(filepath.Join(p.dir, "demo-0123456789abcdef"))
		return strings.Contains(string(b), "early")
	})
	r.stop(t)
}

// stop ends the router.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			t.Errorf("%v\n%s", err, p.log.String())
		}
	case <-time.After(patience):
		t.Fatalf("the router doesn't end\n%s", p.log.String())
	}
}

func TestAStopWhileObjectsAreFetchedEndsAtOnce(t *testing.T) {
	p := newTask(t, "")
	p.set("aws_fluent_bit_init_s3_1", "arn:aws:s3:::conf/output.conf")
	p.Wait(time.Hour)
	r := p.start(t, "firelane", "run", "-c", p.conf)
	eventually(t, "the first request", func() bool { return p.Asked("task") > 0 })
	r.stop(t)
	if !strings.Contains(r.log.String(), "stopped before the configuration was read") {
		t.Errorf("got the log %s", r.log.String())
	}
}

func TestARouterDoesNotStartWithAPartOfItsConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		variable, value string
		metadata, want  string
	}{
		"denied":      {"aws_fluent_bit_init_s3_1", "arn:aws:s3:::conf/denied", "", "aws_fluent_bit_init_s3_1: fetching arn:aws:s3:::conf/denied: the task role may not read it"},
		"no object":   {"aws_fluent_bit_init_s3_1", "arn:aws:s3:::conf/none", "", "the bucket conf has no object none"},
		"no bucket":   {"aws_fluent_bit_init_s3_1", "arn:aws:s3:::gone/none", "", "the bucket gone doesn't exist"},
		"no ARN":      {"aws_fluent_bit_init_s3_1", "s3://conf/x", "", "want arn:aws:s3:::BUCKET/KEY"},
		"no file":     {"aws_fluent_bit_init_file_1", "/no/such.conf", "", "aws_fluent_bit_init_file_1: /no/such.conf does not exist"},
		"bad":         {"aws_fluent_bit_init_s3_1", "arn:aws:s3:::conf/bad.conf", "", "/init/fluent-bit-init-s3-files/bad.conf:2: unknown filter nosuch"},
		"no metadata": {"aws_fluent_bit_init_s3_1", "arn:aws:s3:::conf/bad.conf", "{}", "is not an ARN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newTask(t, "[OUTPUT]\n  Name null\n  Match *\n")
			p.Put("eu-west-1", "conf", "denied", "")
			p.Put("eu-west-1", "conf", "bad.conf", "[FILTER]\n  Name nosuch\n  Match *\n")
			p.Deny("conf", "denied")
			p.set(c.variable, c.value)
			if c.metadata != "" {
				p.SetMetadata(c.metadata)
			}
			for _, command := range []string{"check --plan", "run"} {
				_, stderr, status := p.output(append(append([]string{"firelane"}, strings.Fields(command)...), "-c", p.conf)...)
				if status == 0 || !strings.Contains(stderr, c.want) {
					t.Errorf("%s: got status %d and %s, want %s", command, status, stderr, c.want)
				}
			}
			// It is the configuration that is wrong, not the router that ECS configures.
			if _, err := os.Stat(p.socket); err == nil {
				t.Error("the socket is left behind")
			}
		})
	}
}

// Without the init image's variables the endpoint is asked only where the configuration needs it.
func TestVariablesOfTheTaskAreThereWithoutTheInitImage(t *testing.T) {
	p := newTask(t, toTheCluster)
	p.set("OUT", p.dir)
	p.set("ECS_CLUSTER", "own") // takes precedence
	stdout, stderr, status := p.output("firelane", "check", "--plan", p.conf)
	if status != 0 || !strings.Contains(stdout, "file own-0123456789abcdef") {
		t.Errorf("got status %d and %s%s, want the task's id", status, stdout, stderr)
	}
	p.SetMetadata("{}")
	_, stderr, status = p.output("firelane", "check", "--plan", p.conf)
	if status != 0 || !strings.Contains(stderr, "warning: the metadata has the TaskARN") || !strings.Contains(stderr, "variable ECS_TASK_ID is not set") {
		t.Errorf("got status %d and %s, want a warning", status, stderr)
	}
	q := newTask(t, "[OUTPUT]\n  Name null\n  Match *\n")
	if _, stderr, status := q.output("firelane", "check", "--plan", q.conf); status != 0 || stderr != "" || q.Asked("task") != 0 {
		t.Errorf("got status %d, %q and %d requests, want none", status, stderr, q.Asked("task"))
	}
}

// The init image's variables mean nothing to fluent-bit itself, nor to Fluentd.
func TestVariablesOfTheInitImageThatAreIgnoredAreNamed(t *testing.T) {
	p := newTask(t, "[OUTPUT]\n  Name null\n  Match *\n")
	p.set("aws_fluent_bit_init_s3_1", "arn:aws:s3:::conf/x")
	_, stderr, status := p.output("fluent-bit", "-c", p.conf, "-D")
	if status != 0 || !strings.Contains(stderr, "aws_fluent_bit_init_s3_1 and the like are ignored: the command starts fluent-bit itself") {
		t.Errorf("got status %d and %s", status, stderr)
	}
	fluentd := p.write(t, "fluent.conf", "<match **>\n  @type null\n</match>\n")
	_, stderr, status = p.output("firelane", "check", "--plan", fluentd)
	if status != 0 || !strings.Contains(stderr, "aws_fluent_bit_init_s3_1 and the like are ignored: they are for Fluent Bit") {
		t.Errorf("got status %d and %s", status, stderr)
	}
	if n := p.Asked("task"); n != 0 {
		t.Errorf("the metadata was asked for %d times", n)
	}
}
