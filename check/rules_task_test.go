package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

// rendered is what the agent makes of a task with the containers app and web, of which the options of app are written.
const rendered = `[INPUT]
    Name forward
    unix_path /var/run/fluent.sock
[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Port 8877
[OUTPUT]
    Name null
    Match firelens-healthcheck
[OUTPUT]
    Name es
    Match app-firelens*
    Host localhost
    AWS_Auth On
`

// taskSubject is the subject of a task with that configuration, as a task definition in task.json has it.
func taskSubject(t *testing.T, text string, change func(d *taskdef.Rendered)) *check.Subject {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fluent-bit.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	place := func(path string) taskdef.Place {
		return taskdef.Place{Pos: config.Pos{File: "task.json", Line: 7}, Path: path}
	}
	driver := taskdef.Value{Text: "awsfirelens"}
	task := &taskdef.Rendered{File: file, Text: text, Definition: &taskdef.Definition{
		NetworkMode: taskdef.Value{Text: "awsvpc"}, LaunchTypes: []string{"EC2"},
		Containers: []taskdef.Container{
			{Name: taskdef.Value{Text: "log-router"}},
			{Name: taskdef.Value{Text: "app"}, Log: &taskdef.Log{Driver: driver, Place: place("containerDefinitions[1].logConfiguration")}},
			{Name: taskdef.Value{Text: "web"}, Log: &taskdef.Log{Driver: driver, Place: place("containerDefinitions[2].logConfiguration")}},
		},
	}}
	for range strings.Count(text, "\n") {
		task.Lines = append(task.Lines, place("containerDefinitions[1].logConfiguration.options"))
	}
	change(task)
	s := subjectOf(file, func(string) (string, bool) { return "", false })
	s.Task = task
	if len(s.Errors) > 0 {
		t.Fatal(s.Errors)
	}
	return s
}

func TestRulesKnowWhatTheTaskSays(t *testing.T) {
	bridge := func(d *taskdef.Rendered) { d.NetworkMode.Text = "bridge" }
	fargate := func(d *taskdef.Rendered) { d.LaunchTypes = []string{"FARGATE"} }
	variable := func(d *taskdef.Rendered) { d.Environment = map[string]string{"AWS_REGION": "eu-west-1"} }
	nothing := func(*taskdef.Rendered) {}
	for _, c := range []struct {
		what, text, number, want string // want is "" if the rule is to tell nothing
		change                   func(*taskdef.Rendered)
	}{
		{"a container whose lines no output takes", rendered, "F402", "Records of the container web, with the tag web-firelens-…, get to no output and are dropped: the outputs take app-firelens*.", nothing},
		{"all lines are taken", strings.ReplaceAll(rendered, "app-firelens*", "*-firelens-*"), "F402", "", nothing},
		{"an output for a container that there isn't", strings.ReplaceAll(rendered, "app-firelens*", "api-firelens*"), "F401", "", nothing}, // F402 tells of both
		{"the containers beside an output for none of them", strings.ReplaceAll(rendered, "app-firelens*", "api-firelens*"), "F402", "Records of the container web, with the tag web-firelens-…, get to no output and are dropped: the output es takes api-firelens* (containerDefinitions[1].logConfiguration.options), and no record has such a tag.", nothing},
		{"an output for a container", rendered, "F401", "", nothing},
		{"the loopback address in the network mode bridge", rendered, "F304", "localhost is the router's own container in the network mode bridge: nothing listens there, and all records wait.", bridge},
		{"the loopback address in awsvpc, where it is the task's", rendered, "F304", "", nothing},
		{"no region on EC2", rendered, "F306", "The output es has no region, and takes that of AWS_REGION: Fargate sets it; on other launch types, where it isn't set, no request can be signed, and all records wait.", nothing},
		{"no region on Fargate", rendered, "F306", "", fargate},
		{"the region in the environment", rendered, "F306", "", variable},
	} {
		list := taskSubject(t, c.text, c.change).Run(check.Rules())
		got := ""
		for _, f := range list {
			if f.Rule.Number == c.number {
				got = f.Text
				if f.At.File != "task.json" || f.At.Path == "" {
					t.Errorf("%s: the place is %v, want one of the task definition", c.what, f.At)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %s tells\n%q, want\n%q", c.what, c.number, got, c.want)
		}
	}
}
