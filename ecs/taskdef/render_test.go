package taskdef_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	generator "github.com/awslabs/go-config-generator-for-fluentd-and-fluentbit"

	"github.com/firelane/firelane/ecs/taskdef"
)

// A sample is what a task definition may say that changes what the agent writes.
type sample struct {
	kind, network, launch, metadata, external string
	reservation, memory                       int
	containers                                []logging
}

// logging is the logConfiguration of a container.
type logging struct {
	options map[string]string
	secrets []string
}

// task is the task definition as it would be registered.
func (s sample) task(t *testing.T) []byte {
	router := map[string]any{"name": "log_router", "image": "firelane"}
	options := map[string]string{}
	if s.metadata != "" {
		options["enable-ecs-log-metadata"] = s.metadata
	}
	if s.external != "" {
		options["config-file-type"] = s.external
		options["config-file-value"] = externalValue(s.external)
	}
	router["firelensConfiguration"] = map[string]any{"type": s.kind, "options": options}
	if s.reservation > 0 {
		router["memoryReservation"] = s.reservation
	}
	if s.memory > 0 {
		router["memory"] = s.memory
	}
	containers := []any{router}
	for n, c := range s.containers {
		log := map[string]any{"logDriver": "awsfirelens"}
		if c.options != nil {
			log["options"] = c.options
		}
		var secrets []any
		for _, name := range c.secrets {
			secrets = append(secrets, map[string]any{"name": name, "valueFrom": "arn:aws:ssm:eu-central-1:123456789012:parameter/x"})
		}
		if secrets != nil {
			log["secretOptions"] = secrets
		}
		containers = append(containers, map[string]any{"name": fmt.Sprintf("app%d", n), "image": "nginx", "logConfiguration": log})
	}
	task := map[string]any{"family": "web", "requiresCompatibilities": []string{s.launch}, "containerDefinitions": containers}
	if s.network != "" {
		task["networkMode"] = s.network
	}
	text, err := json.MarshalIndent(task, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func externalValue(kind string) string {
	if kind == "s3" {
		return "arn:aws:s3:::configs/extra.conf"
	}
	return "/extra.conf"
}

// agent writes the configuration by the agent's own generator, which it calls as the agent's package firelens does.
func (s sample) agent(t *testing.T, task taskdef.Task) string {
	c := generator.New()
	fluentd := s.kind == "fluentd"
	star := map[bool]string{true: "**", false: "*"}[fluentd]
	if fluentd {
		c.AddInput("unix", "", map[string]string{"path": "/var/run/fluent.sock"})
	} else {
		limit := s.reservation
		if limit == 0 {
			limit = s.memory
		}
		if limit /= 2; limit == 0 {
			limit = 25
		}
		c.AddInput("forward", "", map[string]string{"unix_path": "/var/run/fluent.sock", "Mem_Buf_Limit": fmt.Sprintf("%dMB", limit)})
	}
	bind := map[string]string{"awsvpc": "127.0.0.1", "bridge": "0.0.0.0", "": "0.0.0.0"}[s.network]
	switch {
	case bind == "":
	case fluentd:
		c.AddInput("forward", "", map[string]string{"port": "24224", "bind": bind})
	default:
		c.AddInput("forward", "", map[string]string{"Port": "24224", "Listen": bind})
		c.AddInput("tcp", "firelens-healthcheck", map[string]string{"Port": "8877", "Listen": "127.0.0.1"})
		c.AddOutput("null", "firelens-healthcheck", nil)
	}
	if s.metadata == "" || s.metadata == "true" {
		c.AddFieldToRecord("ecs_cluster", task.Cluster, star).AddFieldToRecord("ecs_task_arn", task.ARN, star).AddFieldToRecord("ecs_task_definition", task.Definition, star)
		if s.launch == "EC2" {
			c.AddFieldToRecord("ec2_instance_id", task.Instance, star)
		}
	}
	for n, l := range s.containers {
		s.agentOutput(c, fmt.Sprintf("app%d-firelens%s", n, star), n+1, l)
	}
	switch s.external {
	case "file":
		c.AddExternalConfig("/extra.conf", generator.AfterFilters)
	case "s3":
		c.AddExternalConfig(map[bool]string{true: "/fluentd/etc/external.conf", false: "/fluent-bit/etc/external.conf"}[fluentd], generator.AfterFilters)
	}
	write := c.WriteFluentBitConfig
	if fluentd {
		write = c.WriteFluentdConfig
	}
	var text bytes.Buffer
	if err := write(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func (s sample) agentOutput(c generator.FluentConfig, tag string, index int, l logging) {
	nameOption, reference := "Name", "${%s_%d}"
	if s.kind == "fluentd" {
		nameOption, reference = "@type", `"#{ENV['%s_%d']}"`
	}
	given := maps.Clone(l.options)
	delete(given, "log-driver-buffer-limit")
	for _, name := range l.secrets {
		if given == nil {
			given = map[string]string{}
		}
		given[name] = fmt.Sprintf(reference, name, index)
	}
	options := map[string]string{}
	for key, value := range given {
		switch key {
		case nameOption:
		case "include-pattern":
			c.AddIncludeFilter(value, "log", tag)
		case "exclude-pattern":
			c.AddExcludeFilter(value, "log", tag)
		default:
			options[key] = value
		}
	}
	if name, ok := given[nameOption]; ok {
		c.AddOutput(name, tag, options)
	}
}

// render reads a task definition and renders its configuration.
func render(t *testing.T, text []byte) *taskdef.Rendered {
	t.Helper()
	list, problems, err := taskdef.Read("task.json", text)
	if err != nil || len(problems) > 0 || len(list) != 1 {
		t.Fatalf("%d task definitions, problems %v, error %v\n%s", len(list), problems, err, text)
	}
	return taskdef.Render(list[0], true, nil)
}

// same checks one sample.
func (s sample) same(t *testing.T) {
	t.Helper()
	r := render(t, s.task(t))
	if want := s.agent(t, r.Task()); r.Text != want {
		t.Fatalf("%+v: got\n%s\nwant, as the agent writes it\n%s", s, r.Text, want)
	}
	if n := strings.Count(r.Text, "\n"); len(r.Lines) != n {
		t.Fatalf("%+v: %d places of %d lines", s, len(r.Lines), n)
	}
	for i, at := range r.Lines {
		if at.Line == 0 || at.File != "task.json" {
			t.Fatalf("%+v: line %d has no place", s, i+1)
		}
	}
}

// loggings are all kinds of logConfiguration for a type.
func loggings(kind string) (list []logging) {
	name := map[string]string{"fluentbit": "Name", "fluentd": "@type"}[kind]
	for bits := range 1 << 6 {
		options, secrets := map[string]string{}, []string(nil)
		if bits&1 != 0 {
			options[name] = "opensearch"
		}
		if bits&2 != 0 {
			options["include-pattern"] = "^[A-Z]+ (a|b)$"
		}
		if bits&4 != 0 {
			options["exclude-pattern"] = `"health": check`
		}
		if bits&8 != 0 {
			options["log-driver-buffer-limit"] = "2097152"
		}
		if bits&16 != 0 && bits&1 != 0 { // without a name the agent fails
			options["Host"], options["tls"], options["Empty"] = "os.example", "On", ""
		}
		if bits&32 != 0 && bits&1 != 0 {
			secrets = []string{"http_passwd", "Host"}
		}
		list = append(list, logging{options, secrets})
	}
	return list
}

func TestRenderingIsTheAgentsForEveryCombination(t *testing.T) {
	for _, kind := range []string{"fluentbit", "fluentd"} {
		all := loggings(kind)
		for _, network := range []string{"", "bridge", "awsvpc", "host", "none"} {
			for _, launch := range []string{"EC2", "FARGATE", "EXTERNAL"} {
				for _, metadata := range []string{"", "true", "false", "maybe"} {
					for _, external := range []string{"", "file", "s3"} {
						for _, memory := range [][2]int{{}, {1, 0}, {0, 1}, {101, 64}, {0, 512}} {
							s := sample{kind: kind, network: network, launch: launch, metadata: metadata, external: external, reservation: memory[0], memory: memory[1]}
							s.containers = []logging{all[len(all)-1], {}, all[memory[0]%len(all)]}
							s.same(t)
						}
					}
				}
			}
		}
		for _, a := range all {
			for _, b := range all {
				sample{kind: kind, network: "awsvpc", launch: "FARGATE", external: "s3", containers: []logging{a, b}}.same(t)
			}
		}
	}
}

func TestALineOfTheRenderedConfigurationHasThePlaceOfItsValue(t *testing.T) {
	list, _, err := taskdef.Read("task.json", []byte(`{
  "family": "web",
  "networkMode": "bridge",
  "containerDefinitions": [
    {"name": "app", "image": "nginx", "logConfiguration": {
      "logDriver": "awsfirelens",
      "options": {
        "Name": "opensearch",
        "Host": "os.example",
        "include-pattern": "a\nb"
      }
    }},
    {"name": "log_router", "image": "firelane",
     "firelensConfiguration": {"type": "fluentbit"}}
  ]
}`))
	if err != nil {
		t.Fatal(err)
	}
	r := taskdef.Render(list[0], true, nil)
	got := map[string]string{}
	for i, line := range strings.Split(strings.TrimSuffix(r.Text, "\n"), "\n") {
		got[strings.TrimSpace(line)] = fmt.Sprintf("%d %s", r.Lines[i].Line, r.Lines[i].Path)
	}
	for line, want := range map[string]string{
		"Host os.example":            "9 containerDefinitions[0].logConfiguration.options.Host",
		"Name opensearch":            "8 containerDefinitions[0].logConfiguration.options.Name",
		"Match app-firelens*":        "5 containerDefinitions[0].logConfiguration",
		"b":                          "10 containerDefinitions[0].logConfiguration.options.include-pattern",
		"Listen 0.0.0.0":             "3 networkMode",
		"unix_path " + socket:        "14 containerDefinitions[1].firelensConfiguration",
		"Record ecs_cluster cluster": "14 containerDefinitions[1].firelensConfiguration",
	} {
		if got[line] != want {
			t.Errorf("%s: got %q, want %q", line, got[line], want)
		}
	}
}

const socket = "/var/run/fluent.sock"

func TestAMissingNameKeepsTheAgentFromWritingAConfiguration(t *testing.T) {
	for _, tt := range []struct{ log, want string }{
		{`{"logDriver": "awsfirelens", "options": {"Host": "os.example"}}`, "have no Name"},
		{`{"logDriver": "awsfirelens", "options": {"name": "opensearch"}}`, "have no Name"},
		{`{"logDriver": "splunk", "secretOptions": [{"name": "splunk-token", "valueFrom": "x"}]}`, "takes them for options of the router's output"},
		{`{"logDriver": "awsfirelens"}`, ""},
		{`{"logDriver": "awsfirelens", "options": {"include-pattern": "x", "log-driver-buffer-limit": "1"}}`, ""},
		{`{"logDriver": "awslogs", "options": {"awslogs-group": "x"}}`, ""},
	} {
		r := render(t, []byte(`[{"name": "app", "image": "nginx", "logConfiguration": `+tt.log+`}, {"name": "r", "image": "f", "firelensConfiguration": {"type": "fluentbit"}}]`))
		got := ""
		if len(r.Problems) > 0 {
			got = r.Problems[0].Text
		}
		if !strings.Contains(got, tt.want) || (tt.want == "") != (got == "") {
			t.Errorf("%s: got %q, want %q", tt.log, got, tt.want)
		}
	}
}

func TestTheRouterHasTheVariablesThatATaskGivesIt(t *testing.T) {
	r := render(t, []byte(`{"family": "web", "networkMode": "awsvpc", "taskRoleArn": "arn:aws:iam::1:role/x", "containerDefinitions": [
		{"name": "log_router", "image": "123456789012.dkr.ecr.ap-south-1.amazonaws.com/firelane", "firelensConfiguration": {"type": "fluentbit"},
		 "environment": [{"name": "INDEX", "value": "web"}], "secrets": [{"name": "TOKEN", "valueFrom": "x"}]},
		{"name": "app", "image": "nginx", "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "opensearch"},
		 "secretOptions": [{"name": "HTTP_Passwd", "valueFrom": "x"}]}}]}`))
	for name, want := range map[string]string{
		"INDEX": "web", "TOKEN": "", "HTTP_Passwd_1": "", "AWS_REGION": "ap-south-1", "ECS_FAMILY": "web", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
	} {
		if got, ok := r.Environment[name]; !ok || got != want {
			t.Errorf("%s is %q, %t; want %q", name, got, ok, want)
		}
	}
}
