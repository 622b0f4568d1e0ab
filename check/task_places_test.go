package check_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/ecs/taskdef"
)

// findings are those of one rule about a file, each as its line, path and text.
func findings(t *testing.T, number, name, text string) (list []string) {
	t.Helper()
	r := report(t, &txtar.Archive{Files: []txtar.File{{Name: name, Data: []byte(text)}}})
	for _, s := range r.Subjects {
		for _, f := range s.Findings {
			if f.Rule.Number == number {
				list = append(list, fmt.Sprintf("%d %s: %s", f.At.Line, f.At.Path, f.Text))
			}
		}
	}
	return list
}

// What a finding is about stands in the line that it names, if it is written at all.
func TestAFindingNamesTheLineOfTheKeyThatItIsAbout(t *testing.T) {
	const task = `{"family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "memory": "512", "executionRoleArn": "e", "volumes": [{"name": "q"}],
"containerDefinitions": [
{"name": "router", "image": "firelane",
"firelensConfiguration": {"type": "fluentbit"},
"essential": false,
"stopTimeout": 10,
"memory": 32,
"logConfiguration": {"logDriver": "awslogs"},
"mountPoints": [{"sourceVolume": "q",
"containerPath": "/var/lib/firelane",
"readOnly": true}]},
{"name": "app", "image": "app", "dependsOn": [{"containerName": "router",
"condition": "COMPLETE"}],
"logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "cloudwatch_logs", "log_group_name": "g", "log_stream_prefix": "p", "region": "eu-west-1"}}}]}`
	for number, want := range map[string]string{
		"F521": "13 containerDefinitions[1].dependsOn[0].condition: ",
		"F522": "5 containerDefinitions[0].essential: ",
		"F523": "6 containerDefinitions[0].stopTimeout: ",
		"F524": "7 containerDefinitions[0].memory: ",
		"F531": "11 containerDefinitions[0].mountPoints[0].readOnly: ",
	} {
		if got := findings(t, number, "task.json", task); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: got %q, want one that begins with %q", number, got, want)
		}
	}
}

// A file with container definitions alone, or with a reference instead of a value, doesn't tell that the task has none.
func TestWhatIsNotInTheFileIsNotMissing(t *testing.T) {
	const containers = `[{"name": "router", "image": "firelane", "secrets": [{"name": "A", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"}], "firelensConfiguration": {"type": "fluentbit"}},
{"name": "app", "image": "app", "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "cloudwatch_logs", "log_group_name": "g", "log_stream_prefix": "p"}}}]`
	const template = `{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Memory": {"Ref": "Memory"}, "TaskRoleArn": {"Ref": "R"}, "ExecutionRoleArn": {"Ref": "E"}, "ContainerDefinitions": [
{"Name": "router", "Image": "firelane", "FirelensConfiguration": {"Type": "fluentbit"}}, {"Name": "app", "Image": "app", "LogConfiguration": {"LogDriver": "awsfirelens", "Options": {"Name": "null"}}}]}}}}`
	for name, text := range map[string]string{"containers.json": containers, "template.json": template} {
		for _, number := range []string{"F512", "F513", "F524"} {
			if got := findings(t, number, name, text); len(got) > 0 {
				t.Errorf("%s: got %s %q, want none", name, number, got)
			}
		}
	}
	whole := `{"family": "web", "networkMode": "bridge", "containerDefinitions": ` + containers + `}`
	for number, want := range map[string]int{"F512": 1, "F513": 1, "F524": 2} {
		if got := findings(t, number, "task.json", whole); len(got) != want {
			t.Errorf("got %s %q of a whole task definition, want %d", number, got, want)
		}
	}
}

// The heading tells what ECS refuses from what doesn't start, and names the rules.
func TestTheHeadingTellsHowFarATaskGets(t *testing.T) {
	fault := func(number, text string) check.Finding {
		return check.Finding{Rule: &check.Rule{Number: number}, Text: text}
	}
	refused, ends, waits := fault("F524", "app has none: ECS refuses the task definition."), fault("F506", "So the task does not start."), fault("F521", "app never starts.")
	warning := refused
	warning.Severity = check.Warning
	for _, c := range []struct {
		findings []check.Finding
		want     string
	}{
		{[]check.Finding{waits, ends, refused}, "ECS refuses this task definition until the error F524 below is fixed."},
		{[]check.Finding{refused, refused}, "ECS refuses this task definition until the errors F524 below are fixed."},
		{[]check.Finding{waits, ends}, "The task does not start until the error F506 below is fixed."},
		{[]check.Finding{waits}, "Not every container of the task starts until the error F521 below is fixed."},
		{[]check.Finding{warning}, ""},
	} {
		s := taskSubject(t, rendered, func(r *taskdef.Rendered) { r.Router = &r.Containers[0] })
		r := &check.Report{Subjects: []check.Checked{{Subject: s, Findings: c.findings}}}
		var got bytes.Buffer
		if err := r.Text(&got); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(got.String()), " ")
		if has := strings.Contains(text, "until the error"); has != (c.want != "") || !strings.Contains(text, c.want) {
			t.Errorf("got\n%s, want %q", &got, c.want)
		}
	}
}

// The values of variables that firelane knows are shown, all others are hidden, as they may be secret.
func TestOnlyTheValuesOfTheOwnVariablesAreShown(t *testing.T) {
	for environment, want := range map[string]string{
		`{"name": "FIRELANE_LOG_LEVEL", "value": "verbose"}`:                                       `| {"name": "FIRELANE_LOG_LEVEL", "value": "verbose"}`,
		`{"name": "FIRELANE_LOG_LEVEL", "value": "verbose"}, {"name": "KEY", "value": "hunter2"}`:  `"value": "***"`,
		`{"name": "FIRELANE_API_KEY", "value": "hunter2"}`:                                         `| {"name": "FIRELANE_API_KEY", "value": "***"}`,
		`{"name": "aws_fluent_bit_init_s3_1", "value": "https://user:hunter2@b.s3.amazonaws.com"}`: `| {"name": "aws_fluent_bit_init_s3_1", "value": "https://`,
	} {
		r := report(t, &txtar.Archive{Files: []txtar.File{{Name: "task.json", Data: []byte(task(plainRouter+",\n\"environment\": [\n"+environment+"\n]", `"Name": "null"`))}}})
		var got bytes.Buffer
		if err := r.Text(&got); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got.String(), "hunter2") || !strings.Contains(got.String(), want) {
			t.Errorf("%s: got\n%s, want a line with %s and no secret", environment, &got, want)
		}
	}
}
