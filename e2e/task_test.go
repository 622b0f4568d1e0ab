package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	generator "github.com/awslabs/go-config-generator-for-fluentd-and-fluentbit"

	"github.com/firelane/firelane/e2e/servers"
)

// What ECS says about the task.
const (
	taskID     = "0d2c1a7e9f5b4c5a8e1f2a3b4c5d6e7f"
	cluster    = "demo"
	taskARN    = "arn:aws:ecs:eu-west-1:123456789012:task/demo/" + taskID
	definition = "web:7"
)

// A taskDefinition is what the user writes: an application "app" whose logs go through a FireLens container.
type taskDefinition struct {
	Type          string            // of firelensConfiguration: fluentbit or fluentd
	ConfigFile    string            // config-file-value of config-file-type file; "" for none
	LogOptions    map[string]string // of the application's awsfirelens log driver
	RouterOptions []string          // of docker run, such as -e: the rest of the container definition
	Command       []string          // the application's
	User          int               // of the router's container; 0: root
}

// agentConfig is the file that the ECS agent writes for the task in network mode awsvpc.
func (d taskDefinition) agentConfig() (string, error) {
	config := generator.New()
	if d.Type == "fluentd" {
		config.AddInput("unix", "", map[string]string{"path": "/var/run/fluent.sock"}).
			AddInput("forward", "", map[string]string{"bind": "127.0.0.1", "port": "24224"})
	} else {
		config.AddInput("forward", "", map[string]string{"unix_path": "/var/run/fluent.sock", "Mem_Buf_Limit": "25MB"}).
			AddInput("forward", "", map[string]string{"Listen": "127.0.0.1", "Port": "24224"}).
			AddInput("tcp", "firelens-healthcheck", map[string]string{"Listen": "127.0.0.1", "Port": "8877"}).
			AddOutput("null", "firelens-healthcheck", nil)
	}
	everything, nameOption := "*", "Name"
	if d.Type == "fluentd" {
		everything, nameOption = "**", "@type"
	}
	config.AddFieldToRecord("ecs_cluster", cluster, everything).
		AddFieldToRecord("ecs_task_arn", taskARN, everything).
		AddFieldToRecord("ecs_task_definition", definition, everything)
	options := maps.Clone(d.LogOptions)
	delete(options, nameOption)
	config.AddOutput(d.LogOptions[nameOption], "app-firelens"+everything, options)
	if d.ConfigFile != "" {
		config.AddExternalConfig(d.ConfigFile, generator.AfterFilters)
	}
	var text strings.Builder
	write := config.WriteFluentBitConfig
	if d.Type == "fluentd" {
		write = config.WriteFluentdConfig
	}
	err := write(&text)
	return text.String(), err
}

// configPath is where the agent mounts the file.
func (d taskDefinition) configPath() string {
	if d.Type == "fluentd" {
		return "/fluentd/etc/fluent.conf"
	}
	return "/fluent-bit/etc/fluent-bit.conf"
}

// A task is the running containers of a task definition.
type task struct {
	dir    string
	driver *tap // what Docker's log driver sent
	router string
	app    string
}

// start runs the task as the agent does: the router first, and as soon as it is started the application.
func (d taskDefinition) start(t *testing.T) *task {
	t.Helper()
	dir, err := os.MkdirTemp(world.dir, "t")
	if err != nil {
		t.Fatal(err)
	}
	k := &task{dir: dir}
	if err := os.Mkdir(filepath.Join(dir, "socket"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, "socket"), d.User, d.User); err != nil { // as the agent does, since July 2025
		t.Fatal(err)
	}
	text, err := d.agentConfig()
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	k.driver = newTap(t, filepath.Join(dir, "tap.sock"), filepath.Join(dir, "socket", "fluent.sock"))

	args := []string{"run", "-d", "--network", "host",
		"-v", filepath.Join(dir, "socket") + ":/var/run/", "-v", conf + ":" + d.configPath()}
	if d.Type == "fluentd" {
		args = append(args, "-e", "FLUENT_UID=0")
	}
	if d.User != 0 {
		args = append(args, "--user", strconv.Itoa(d.User))
	}
	k.router = docker(t, append(append(args, d.RouterOptions...), routerImage)...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("configuration:\n%s\nrouter:\n%s", text, k.routerLog())
		}
		world.docker.Run("rm", "-f", k.router)
	})
	k.app = docker(t, append([]string{"run", "-d", "--network", "none", "--log-driver", "fluentd",
		"--log-opt", "fluentd-address=unix://" + filepath.Join(dir, "tap.sock"),
		"--log-opt", "tag=app-firelens-" + taskID,
		"--log-opt", "fluentd-async=true", "--log-opt", "fluentd-sub-second-precision=true",
		"--entrypoint", "/bin/emitter", appImage}, d.Command...)...)
	t.Cleanup(func() { world.docker.Run("rm", "-f", k.app) })
	return k
}

// maxMemory is what a router never needs more of, in KiB.
const maxMemory = 50 << 10

// end stops the application and then the router, as the agent does, and expects the router to leave in peace, never
// having used more memory than it may.
func (k *task) end(t *testing.T) {
	t.Helper()
	pid, err := strconv.Atoi(docker(t, "inspect", "-f", "{{.State.Pid}}", k.router))
	if err != nil {
		t.Fatal(err)
	}
	if peak := status(t, pid, "VmHWM"); peak > maxMemory {
		t.Errorf("the router used %d KiB", peak)
	} else {
		t.Logf("the router used %d MiB at most", peak>>10)
	}
	docker(t, "stop", "-t", "10", k.app)
	docker(t, "stop", "-t", "30", k.router)
	if code := docker(t, "inspect", "-f", "{{.State.ExitCode}}", k.router); code != "0" {
		t.Errorf("the router's exit code is %s, want 0", code)
	}
}

func (k *task) routerLog() string {
	out, _ := world.docker.Command("logs", k.router).CombinedOutput()
	return string(out)
}

// eventually waits until done says so, for limit at most; it asks every 100 ms.
func eventually(t *testing.T, limit time.Duration, done func() (bool, string)) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		ok, state := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, state)
		}
	}
}

// delivers waits until there are want documents, and fails at once where there are more or the router has ended.
func (k *task) delivers(t *testing.T, search *servers.Search, want int, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() (bool, string) {
		n, err := search.Count("web-*")
		if n > want {
			t.Fatalf("%d documents, want %d", n, want)
		}
		if n < want && docker(t, "inspect", "-f", "{{.State.Running}}", k.router) != "true" {
			t.Fatalf("the router has ended, with %d documents of %d delivered", n, want)
		}
		return n == want, fmt.Sprintf("%d documents of %d, %v", n, want, err)
	})
}
