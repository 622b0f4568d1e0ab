package taskdef_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

var update = flag.Bool("update", false, "write the golden files")

// dump writes what was read, each value with its line and its path.
func dump(list []*taskdef.Definition, problems []taskdef.Problem) string {
	var b strings.Builder
	value := func(name string, v taskdef.Value) {
		if v.Line == 0 {
			return
		}
		unknown := map[bool]string{true: "  (unknown)"}[v.Unknown]
		fmt.Fprintf(&b, "%s = %q%s  # %d %s\n", name, v.Text, unknown, v.Line, v.Path)
	}
	options := func(name string, list []taskdef.Option) {
		for _, o := range list {
			value(name+" "+o.Name, o.Value)
		}
	}
	for _, d := range list {
		fmt.Fprintf(&b, "task definition  # %d %s\n", d.Line, d.Path)
		value("family", d.Family)
		value("network", d.NetworkMode)
		value("task role", d.TaskRole)
		value("execution role", d.ExecutionRole)
		fmt.Fprintf(&b, "launch %v, memory %d, volumes %v, region %q, revision %q, generated %t\n", d.LaunchTypes, d.Memory, d.Volumes, d.Region, d.Revision, d.Generated)
		for _, c := range d.Containers {
			fmt.Fprintf(&b, "container  # %d %s\n", c.Line, c.Path)
			value("  name", c.Name)
			value("  image", c.Image)
			value("  user", c.User)
			fmt.Fprintf(&b, "  essential %t, memory %d, reservation %d, stop %d, read-only %t\n", c.Essential, c.Memory, c.MemoryReservation, c.StopTimeout, c.ReadOnlyRoot)
			for _, v := range c.EntryPoint {
				value("  entry point", v)
			}
			for _, v := range c.Command {
				value("  command", v)
			}
			options("  environment", c.Environment)
			for _, v := range c.EnvironmentFiles {
				value("  environment file", v)
			}
			options("  secret", c.Secrets)
			for _, d := range c.DependsOn {
				value("  depends on "+d.Condition.Text, d.Container)
			}
			for _, m := range c.MountPoints {
				fmt.Fprintf(&b, "  mount {Volume:%s Path:%s ReadOnly:%t}\n", m.Volume, m.Path, m.ReadOnly)
			}
			for _, v := range c.HealthCheck {
				value("  health", v)
			}
			if c.Log != nil {
				fmt.Fprintf(&b, "  log  # %d %s\n", c.Log.Line, c.Log.Path)
				value("    driver", c.Log.Driver)
				options("    option", c.Log.Options)
				options("    secret", c.Log.Secrets)
			}
			if c.FireLens != nil {
				fmt.Fprintf(&b, "  firelens  # %d %s\n", c.FireLens.Line, c.FireLens.Path)
				value("    type", c.FireLens.Type)
				options("    option", c.FireLens.Options)
			}
		}
	}
	for _, p := range problems {
		fmt.Fprintf(&b, "problem %d: %s\n", p.Grade, p.Diagnostic())
	}
	return b.String()
}

// The files that end in .json and .tfstate, but containers.json and wrong.json, were written by Terraform 1.11.4 with version 5.100
// of the AWS provider, by moto and by the AWS CDK.
func TestEachKindOfFileIsReadWithThePlaceOfEachValue(t *testing.T) {
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		if filepath.Ext(file) == ".txt" || filepath.Base(file) == "fuzz" {
			continue
		}
		read++
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list, problems, err := taskdef.Read(filepath.Base(file), data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		got, golden := dump(list, problems), file+".txt"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, _ := os.ReadFile(golden); got != string(want) {
			t.Errorf("%s: got\n%s\nwant %s", file, got, want)
		}
	}
	if read < 10 {
		t.Errorf("%d files", read)
	}
}

func TestWhatCanNotBeReadIsToldInOneLine(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"t.json", "{\n  \"family\": \"web\"\n  \"x\": 1}", `t.json:2: want a comma or } after the value of "family", got`},
		{"t.json", "{\n  \"containerDefinitions\": [],\n}", "t.json:3: there is a comma before }; want it removed"},
		{"t.json", "{\n  // a comment\n}", "t.json:2: want a key in double quotes, got a comment, which JSON doesn't have"},
		{"t.json", "{\"containerDefinitions\": [\n{\"name\": ${name}}]}", `t.json:2: want a value, got "${name}}]}", a placeholder; want the file that is made of this one`},
		{"t.json", "{\"containerDefinitions\": \"a\nb\"}", "t.json:1: a string isn't closed before the end of its line"},
		{"t.json", `{"containerDefinitions": []} x`, `t.json:1: want the end of the file after the last } or ], got "x"`},
		{"t.json", `{"containerDefinitions": [`, "t.json:1: the file ends within a value"},
		{"t.json", `{"containerDefinitions": "\q"}`, `t.json:1: the string "\\q" has a backslash that JSON doesn't know`},
		{"t.json", `{"containerDefinitions": 01}`, "t.json:1: want a value, got"},
		{"t.json", `{"name": "x"}`, "t.json: is not a task definition, Terraform plan or CloudFormation template"},
		{"t.json", `[{"a": 1}]`, "t.json: is a list, but none of container definitions"},
		{"t.json", `[]`, "t.json: is a list, but none of container definitions"},
		{"t.json", "", "t.json: is not a task definition"},
		{"t.json", "\xff\xfe{\x00", "t.json: the file is UTF-16"},
		{"t.json", `{"terraform_version": "1", "planned_values": {}}`, "t.json: the plan has no aws_ecs_task_definition"},
		{"t.json", `{"terraform_version": "1", "values": {"root_module": {}}}`, "t.json: the state has no aws_ecs_task_definition"},
		{"t.json", `{"terraform_version": "1", "format_version": "1.0"}`, "t.json: Terraform's state is empty"},
		{"t.json", "{\"@level\":\"info\"}\n{\"@level\":\"info\"}", "t.json:1: this is the log of terraform's -json"},
		{"t.yml", "Resources:\n  Q: {Type: AWS::SQS::Queue}\nAWSTemplateFormatVersion: x", "t.yml: the template has no resource of type AWS::ECS::TaskDefinition"},
		{"t.yml", "ContainerDefinitions:\n\t- a", "t.yml:2: the file is not YAML: "},
		{"t.conf", "[INPUT]\n    Name forward", "t.conf: is not a task definition"},
		{"t.json", strings.Repeat("[", 200), "t.json: is not a task definition"},
		{"t.json", `{"containerDefinitions": ` + strings.Repeat("[", 200) + "1" + strings.Repeat("]", 200) + "}", "t.json:1: maps and lists are nested more than 100 deep"},
	} {
		list, _, err := taskdef.Read(tt.name, []byte(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || len(list) > 0 {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
		var diag config.Diagnostic
		var none *taskdef.NoneError
		if !errors.As(err, &diag) && !errors.As(err, &none) {
			t.Errorf("%q: the error is a %T", tt.text, err)
		}
	}
}

func TestAnEscapedStringIsReadAsItsText(t *testing.T) {
	list, _, err := taskdef.Read("t.json", []byte(`{"family": "a\u00e9\ud83d\ude00\ud83d \"\\\/\b\f\n\r\t", "containerDefinitions": [{"name": "a", "image": "b"}]}`))
	if want := "aé😀\ufffd \"\\/\b\f\n\r\t"; err != nil || list[0].Family.Text != want {
		t.Errorf("got %q (error %v), want %q", list[0].Family.Text, err, want)
	}
}

// The agent writes options as they are. So a line break would begin a section of its own.
func TestALineBreakInAnOptionIsToldWithWhatFollows(t *testing.T) {
	_, problems, err := taskdef.Read("t.json", []byte(`[{"name": "a", "image": "b", "logConfiguration": {"logDriver": "awsfirelens", "options": {"Host": "x\n[OUTPUT]\nName stdout"}}}]`))
	if want := "containerDefinitions[0].logConfiguration.options.Host: has a line break"; err != nil || len(problems) != 1 || !strings.HasPrefix(problems[0].Diagnostic().Text, want) {
		t.Errorf("got %v (error %v), want %s", problems, err, want)
	}
}

func TestAnUnknownValueOfAPlanMayBeNull(t *testing.T) {
	for _, role := range []string{`"task_role_arn": null, `, ""} {
		plan := `{"terraform_version": "1.9.0", "planned_values": {"root_module": {"resources": [{"address": "aws_ecs_task_definition.a", "mode": "managed", "type": "aws_ecs_task_definition",
"values": {` + role + `"family": "a", "container_definitions": "[{\"name\":\"a\",\"image\":\"b\"}]"}}]}},
"resource_changes": [{"address": "aws_ecs_task_definition.a", "type": "aws_ecs_task_definition", "change": {"after_unknown": {"task_role_arn": true}}}]}`
		list, problems, err := taskdef.Read("plan.json", []byte(plan))
		if err != nil || len(problems) > 0 || len(list) != 1 || !list[0].TaskRole.Unknown {
			t.Errorf("with %q: got %v, %v and %v, want an unknown task role", role, list, problems, err)
		}
	}
}
