package router

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	generator "github.com/awslabs/go-config-generator-for-fluentd-and-fluentbit"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/config/configtest"
	"github.com/firelane/firelane/internal/race"
)

// An ecsTask is what the ECS agent makes a configuration of.
type ecsTask struct {
	dialect  config.Dialect
	network  string // awsvpc, bridge, host
	metadata bool
	include  bool // an include pattern
	exclude  bool
	external string   // the path of an external file, if any
	secret   bool     // options that are secrets
	apps     []string // the application containers, in the order in which the agent met them
}

func (e ecsTask) String() string {
	name := e.dialect.String() + "-" + e.network
	for _, part := range []struct {
		on   bool
		name string
	}{{e.metadata, "metadata"}, {e.include, "include"}, {e.exclude, "exclude"}, {e.external != "", "external"}, {e.secret, "secret"}} {
		if part.on {
			name += "-" + part.name
		}
	}
	return name + "-" + strings.Join(e.apps, "-")
}

// render writes the configuration with the agent's own generator, called as the agent calls it.
func (e ecsTask) render(t testing.TB) string {
	t.Helper()
	c := generator.New()
	e.inputs(c)
	for _, app := range e.apps {
		tag := e.tag(app)
		if e.include {
			c.AddIncludeFilter("^ERR[a-z]* (a|b)", "log", tag)
		}
		if e.exclude {
			c.AddExcludeFilter("health check", "log", tag)
		}
	}
	if e.metadata {
		c.AddFieldToRecord("ecs_cluster", "demo", e.all())
		c.AddFieldToRecord("ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/abc", e.all())
		c.AddFieldToRecord("ecs_task_definition", "web:7", e.all())
	}
	if e.external != "" {
		c.AddExternalConfig(e.external, generator.AfterFilters)
	}
	for n, app := range e.apps {
		c.AddOutput("opensearch", e.tag(app), e.options(n, app))
	}
	var b bytes.Buffer
	write := c.WriteFluentBitConfig
	if e.dialect == config.Fluentd {
		write = c.WriteFluentdConfig
	}
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (e ecsTask) inputs(c generator.FluentConfig) {
	bind := map[string]string{"awsvpc": "127.0.0.1", "bridge": "0.0.0.0"}[e.network]
	if e.dialect == config.Fluentd {
		c.AddInput("unix", "", map[string]string{"path": "/var/run/fluent.sock"})
		if bind != "" {
			c.AddInput("forward", "", map[string]string{"bind": bind, "port": "24224"})
		}
		return
	}
	c.AddInput("forward", "", map[string]string{"unix_path": "/var/run/fluent.sock", "Mem_Buf_Limit": "25MB"})
	if bind != "" {
		c.AddInput("forward", "", map[string]string{"Listen": bind, "Port": "24224"})
		c.AddInput("tcp", "firelens-healthcheck", map[string]string{"Listen": "127.0.0.1", "Port": "8877"})
		c.AddOutput("null", "firelens-healthcheck", nil)
	}
}

// tag is the pattern that a container's events match, all the one that every event matches.
func (e ecsTask) tag(app string) string {
	if e.dialect == config.Fluentd {
		return app + "-firelens**"
	}
	return app + "-firelens*"
}

func (e ecsTask) all() string {
	if e.dialect == config.Fluentd {
		return "**"
	}
	return "*"
}

// options are a container's log options. Where one is a secret, the agent writes the variable that holds it.
func (e ecsTask) options(n int, app string) map[string]string {
	if e.dialect == config.Fluentd {
		o := map[string]string{"host": app + ".example", "port": "443", "scheme": "https", "logstash_format": "true"}
		if e.secret {
			o["password"] = fmt.Sprintf(`"#{ENV['password_%d']}"`, n)
		}
		return o
	}
	o := map[string]string{"Host": app + ".example", "Port": "443", "tls": "On", "Logstash_Format": "On", "Suppress_Type_Name": "On"}
	if e.secret {
		o["HTTP_Passwd"] = fmt.Sprintf("${HTTP_Passwd_%d}", n)
	}
	return o
}

// external is a file as users add one.
func (e ecsTask) externalText() string {
	if e.dialect == config.Fluentd {
		return "<filter **>\n  @type record_transformer\n  remove_keys container_id\n</filter>\n"
	}
	return "[SERVICE]\n  Flush 1\n  Grace 30\n\n[FILTER]\n  Name record_modifier\n  Match *\n  Remove_key container_id\n"
}

// everyTask is every combination of what the agent decides by, each with two of the four choices of containers in turn.
func everyTask() []ecsTask {
	var tasks []ecsTask
	apps := [][]string{{"app"}, {"app", "web"}, {"web", "app"}, {"b", "app", "a"}}
	for _, dialect := range []config.Dialect{config.FluentBit, config.Fluentd} {
		for _, network := range []string{"awsvpc", "bridge", "host"} {
			for bits := range 1 << 5 {
				bit := func(n int) bool { return bits>>n&1 == 1 }
				task := ecsTask{dialect: dialect, network: network, metadata: bit(0), include: bit(1), exclude: bit(2), secret: bit(3)}
				if bit(4) {
					task.external = "external.conf"
				}
				for range 2 {
					task.apps = apps[(len(tasks)+bits/4)%len(apps)]
					tasks = append(tasks, task)
				}
			}
		}
	}
	return tasks
}

// compileTask compiles a task's configuration in dir.
func compileTask(t *testing.T, dir string, e ecsTask) (*config.Plan, []config.Diagnostic) {
	t.Helper()
	main := filepath.Join(dir, "main.conf")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if e.external != "" {
		e.external = filepath.Join(dir, e.external)
		write(e.external, e.externalText())
	}
	write(main, e.render(t))
	return config.Compile(main, Catalogue(), hunter2)
}

// hunter2 is the value of every variable but those that set the router's own options.
func hunter2(name string) (string, bool) {
	own := slices.ContainsFunc(config.Variables(), func(v config.Variable) bool { return v.Name == name })
	return "hunter2", !own
}

func TestWhateverTheECSAgentWritesCompiles(t *testing.T) {
	all := everyTask()
	if race.Enabled { // compiling has nothing for the detector, and costs five times as much under it
		all = slices.DeleteFunc(all, func(e ecsTask) bool { return len(e.apps) != 2 })
	}
	for _, part := range [][]ecsTask{all[:len(all)/2], all[len(all)/2:]} {
		t.Run(part[0].dialect.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, e := range part {
				checkTask(t, dir, e)
			}
		})
	}
}

// checkTask compiles a task's configuration, and checks where its events go.
func checkTask(t *testing.T, dir string, e ecsTask) {
	t.Helper()
	p, errs := compileTask(t, dir, e)
	if len(errs) > 0 || len(p.Warnings) > 0 {
		t.Fatalf("%s: got the errors %v and the warnings %v, want none\n%s", e, errs, p.Warnings, e.render(t))
	}
	filters := 0
	for _, on := range []bool{e.include, e.exclude, e.metadata, e.external != ""} {
		if on {
			filters++
		}
	}
	for _, app := range e.apps {
		r := p.Route(0, app+"-firelens-0123456789abcdef")
		if len(r.Outputs) != 1 || p.Outputs[r.Outputs[0]].Match != e.tag(app) || len(r.Filters) != filters || r.Next != nil {
			t.Fatalf("%s: got the route %+v for %s, want %d filters and its own output\n%s", e, r, app, filters, e.render(t))
		}
		if !slices.IsSorted(r.Filters) {
			t.Fatalf("%s: got the filters in the order %v, want them as written", e, r.Filters)
		}
	}
	if r := p.Route(0, "other-firelens-1"); len(r.Outputs) != 0 {
		t.Fatalf("%s: got the route %+v for another container, want none", e, r)
	}
	if !e.secret {
		return
	}
	var b bytes.Buffer
	if p.Write(&b); strings.Contains(b.String(), "hunter2") {
		t.Fatalf("%s: got a secret printed, want it masked:\n%s", e, &b)
	}
}

// TestPlansOfECSTasks holds the whole plan of a choice in which every value of everything occurs, with every value of
// everything else.
func TestPlansOfECSTasks(t *testing.T) {
	for i, e := range everyTask() {
		if i%11 != 0 {
			continue
		}
		t.Run(e.String(), func(t *testing.T) {
			input := e.render(t)
			for n := len(e.apps) - 1; e.secret && n >= 0; n-- {
				input = fmt.Sprintf("$ HTTP_Passwd_%d=hunter2\n$ password_%d=hunter2\n", n, n) + input
			}
			if e.external != "" {
				input += "-- " + e.external + " --\n" + e.externalText()
			}
			result := configtest.Run(t, input, Catalogue())
			configtest.Compare(t, filepath.Join("testdata", "ecs", e.String()+".txt"), input, result, *update)
		})
	}
}

// BenchmarkCompile is part of what passes between exec and the bound socket.
func BenchmarkCompile(b *testing.B) {
	dir := b.TempDir()
	main := filepath.Join(dir, "main.conf")
	e := ecsTask{dialect: config.FluentBit, network: "awsvpc", metadata: true, include: true, exclude: true, apps: []string{"app", "web"}}
	if err := os.WriteFile(main, []byte(e.render(b)), 0o644); err != nil {
		b.Fatal(err)
	}
	plugins := Catalogue()
	for b.Loop() {
		if _, errs := config.Compile(main, plugins, os.LookupEnv); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}
