package check_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firelane/firelane/check"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

// opened writes files into a folder, makes it the working directory, and opens paths.
func opened(t *testing.T, files map[string]string, o check.Options, paths ...string) ([]*check.Subject, []config.Diagnostic) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return check.Open(paths, o)
}

// names lists the names of subjects.
func names(list []*check.Subject) (all []string) {
	for _, s := range list {
		all = append(all, s.Name)
	}
	return all
}

// written lists what is told about a subject, and its errors.
func written(s *check.Subject) string {
	var b strings.Builder
	for _, p := range s.Written {
		fmt.Fprintf(&b, "%d %s\n", p.Grade, p.Diagnostic())
	}
	for _, e := range s.Errors {
		at := s.Place(e.Pos)
		fmt.Fprintf(&b, "error %s:%d %s %s\n", at.File, at.Line, at.Path, e.Text)
	}
	return b.String()
}

// task is a task definition: what the router has beside its name, and the log options of the application.
func task(router, options string) string {
	return `{"family": "web", "networkMode": "awsvpc", "containerDefinitions": [
{"name": "log_router", "image": "firelane", ` + router + `},
{"name": "app", "image": "nginx", "logConfiguration": {"logDriver": "awsfirelens", "options": {` + options + `}}}]}`
}

const plainRouter = `"firelensConfiguration": {"type": "fluentbit"}`

const configuration = "[INPUT]\n    Name forward\n[OUTPUT]\n    Name null\n    Match *\n"

func TestWhatAFileIsItsContentTells(t *testing.T) {
	list, wrong := opened(t, map[string]string{
		"deploy/task.json":           task(plainRouter, `"Name": "null"`),
		"deploy/main.conf":           "@INCLUDE more.conf\n" + configuration,
		"deploy/more.conf":           "[FILTER]\n    Name grep\n    Match *\n    Exclude log x\n",
		"deploy/sub/fluentd.conf":    "<source>\n  @type forward\n</source>\n<match **>\n  @type null\n</match>\n",
		"deploy/nginx.conf":          "server { listen 80; }\n",
		"deploy/package.json":        `{"name": "x", // no JSON` + "\n}",
		"deploy/values.yaml":         "image: nginx\n",
		"deploy/fluent-bit.yaml":     "pipeline:\n  inputs:\n    - name: forward\n  outputs:\n    - name: \"null\"\n      match: '*'\n",
		"deploy/template.yml":        "Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      ContainerDefinitions:\n        - Name: a\n          Image: b\n",
		"deploy/.git/task.json":      task(plainRouter, `"Name": "null"`),
		"deploy/node_modules/x.json": task(plainRouter, `"Name": "null"`),
		"deploy/notes.txt":           "[INPUT]\n",
	}, check.Options{}, "deploy")
	want := []string{"deploy/fluent-bit.yaml", "deploy/main.conf", "deploy/sub/fluentd.conf", "deploy/task.json: web", "deploy/template.yml"}
	if got := names(list); fmt.Sprint(got) != fmt.Sprint(want) || len(wrong) > 0 {
		t.Errorf("got %q and %v, want %q", got, wrong, want)
	}
}

// The router starts with it, whatever its name.
func TestAConfigurationInJSONIsChecked(t *testing.T) {
	const text = `{"pipeline": {"inputs": [{"name": "forward"}], "outputs": [{"name": "null", "match": "*", "wrong": 1}]}}`
	for path, files := range map[string]map[string]string{"a.json": {"a.json": text}, "a.conf": {"a.conf": text}, "-": {}} {
		list, wrong := opened(t, files, check.Options{Stdin: []byte(text)}, path)
		if len(list) != 1 || len(wrong) > 0 || len(list[0].Plan.Outputs) != 1 || len(list[0].Plan.Warnings) != 1 {
			t.Errorf("%s: got %q and %v, want one configuration with an output and a warning", path, names(list), wrong)
		}
	}
}

func TestANamedFileThatIsNothingIsAnError(t *testing.T) {
	files := map[string]string{"a.json": `{"a": 1}`, "b.json": "{", "plan.json": `{"terraform_version": "1", "planned_values": {}}`, "empty/x.txt": ""}
	for path, want := range map[string]string{
		"a.json":    "a.json: is not a task definition, Terraform plan or CloudFormation template",
		"b.json":    "b.json:1: want a key in double quotes, got the end of the file",
		"plan.json": "plan.json: the plan has no aws_ecs_task_definition",
		"empty":     "empty: has no task definition, Terraform plan, CloudFormation template or configuration",
		"none":      "none: can't be read: no such file or directory",
	} {
		list, wrong := opened(t, files, check.Options{}, path)
		if len(list) > 0 || len(wrong) != 1 || !strings.HasPrefix(wrong[0].String(), want) {
			t.Errorf("%s: got %q and %v, want %s", path, names(list), wrong, want)
		}
	}
}

// Which inputs, filters and outputs meet takes the square of their number.
func TestAConfigurationWithTooManyPluginsIsNotChecked(t *testing.T) {
	files := map[string]string{"f.conf": strings.Repeat("[INPUT]\n    Name dummy\n", 20_000) + strings.Repeat("[OUTPUT]\n    Name null\n    Match *\n", 20_000)}
	files["task.json"] = `{"family":"f","containerDefinitions":[{"name":"r","image":"firelane","firelensConfiguration":{"type":"fluentbit","options":{"config-file-type":"file","config-file-value":"/f.conf"}}},{"name":"c","image":"i","logConfiguration":{"logDriver":"awsfirelens","options":{"Name":"null"}}}]}`
	for _, name := range []string{"f.conf", "task.json"} {
		list, wrong := opened(t, files, check.Options{ConfigFiles: map[string][]string{"task.json": {"/f.conf=f.conf"}}[name]}, name)
		if len(list) != 0 || len(wrong) != 1 || !strings.HasPrefix(wrong[0].File, name) || !strings.Contains(wrong[0].Text, "is not checked: it has 40,00") || !strings.Contains(wrong[0].Text, "at most 5,000. The router has no such limit") {
			t.Errorf("%s: got %v and %v, want the limit", name, names(list), wrong)
		}
	}
}

// Reading a device may never end, or take all memory.
func TestADeviceIsNotRead(t *testing.T) {
	if _, wrong := check.Open([]string{"/dev/zero"}, check.Options{ConfigFiles: []string{"/dev/zero"}}); len(wrong) != 2 || !strings.HasSuffix(wrong[0].Text, "it is a device") || !strings.HasSuffix(wrong[1].Text, "it is a device") {
		t.Errorf("got %v, want that it is a device", wrong)
	}
}

func TestStandardInputMayBeATaskDefinitionOrAConfiguration(t *testing.T) {
	for text, want := range map[string]string{task(plainRouter, `"Name": "null"`): "stdin: web", configuration: "stdin"} {
		list, wrong := check.Open([]string{"-"}, check.Options{Stdin: []byte(text)})
		if len(wrong) > 0 || len(list) != 1 || list[0].Name != want || len(list[0].Errors) > 0 || len(list[0].Plan.Outputs) == 0 {
			t.Errorf("got %q and %v, want %s", names(list), wrong, want)
		}
	}
}

func TestAMistakeInATaskDefinitionHasThePlaceInIt(t *testing.T) {
	list, _ := opened(t, map[string]string{"task.json": task(plainRouter, `"Name": "opensearch", `+"\n"+`"net.keepalive": "many"`)}, check.Options{}, "task.json")
	if got, want := written(list[0]), "error task.json:4 containerDefinitions[1].logConfiguration.options.net.keepalive opensearch: net.keepalive: "; !strings.HasPrefix(got, want) {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestALocalCopyStandsForAFileInTheContainer(t *testing.T) {
	file := func(kind, value string) string {
		return task(`"firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "`+kind+`", "config-file-value": "`+value+`"}}`, `"Name": "null"`)
	}
	const extra = "[FILTER]\n    Name grep\n    Match *\n    Exclude log x\n[FILTER]\n    Name nothing\n    Match *\n"
	for _, tt := range []struct{ name, task, copy, want string }{
		{"missing", file("file", "/extra.conf"), "", "2 task.json:2: containerDefinitions[0].firelensConfiguration.options.config-file-value: the file /extra.conf isn't here: what it says is not checked; want another check with --config-file /extra.conf=FILE, where FILE is a local copy\n"},
		{"by its name", file("file", "/conf/extra.conf"), "my/extra.conf", "error my/extra.conf:6"},
		{"the only one", file("s3", "arn:aws:s3:::bucket/other.conf"), "my/extra.conf", "error my/extra.conf:6"},
		{"by its path", file("file", "/conf/other.conf"), "/conf/other.conf=my/extra.conf", "error my/extra.conf:6"},
		{"by its ARN", file("s3", "arn:aws:s3:::bucket/other.conf"), "arn:aws:s3:::bucket/other.conf=my/extra.conf", "error my/extra.conf:6"},
		{"built in", file("file", "/fluent-bit/configs/parse-json.conf"), "", "3 task.json:2: containerDefinitions[0].firelensConfiguration.options.config-file-value: the file that is checked is firelane's own copy of /fluent-bit/configs/parse-json.conf"},
		{"init", task(plainRouter+`, "environment": [{"name": "aws_fluent_bit_init_s3_1", "value": "arn:aws:s3:::bucket/extra.conf"}]`, `"Name": "null"`), "my/extra.conf", "error my/extra.conf:6"},
		{"init, missing", task(plainRouter+`, "environment": [{"name": "aws_fluent_bit_init_file_1", "value": "/x.conf"}]`, `"Name": "null"`), "", "2 task.json:2: containerDefinitions[0].environment[0].value: the file /x.conf isn't here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := check.Options{}
			if tt.copy != "" {
				o.ConfigFiles = []string{tt.copy}
			}
			list, wrong := opened(t, map[string]string{"task.json": tt.task, "my/extra.conf": extra}, o, "task.json")
			if len(list) != 1 || len(wrong) > 0 {
				t.Fatalf("got %q and %v", names(list), wrong)
			}
			if got := written(list[0]); !strings.HasPrefix(got, tt.want) || (tt.want == "") != (got == "") {
				t.Errorf("got %s want %s", got, tt.want)
			}
		})
	}
}

func TestALocalCopyThatNothingWantsIsTold(t *testing.T) {
	_, wrong := opened(t, map[string]string{"task.json": task(plainRouter, `"Name": "null"`), "x.conf": ""}, check.Options{ConfigFiles: []string{"x.conf", "none.conf"}}, "task.json")
	if len(wrong) != 2 || !strings.HasPrefix(wrong[0].String(), "none.conf: can't be read") || !strings.HasPrefix(wrong[1].String(), "x.conf: no log router has") {
		t.Errorf("got %v", wrong)
	}
}

func TestWhatIsKnownOnlyLaterIsLeftOutWhereItWouldBeWrong(t *testing.T) {
	list, wrong := opened(t, map[string]string{"t.yml": `Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - Name: log_router
          Image: firelane
          FirelensConfiguration: {Type: fluentbit}
          Secrets: [{Name: LIMIT, ValueFrom: x}]
        - Name: app
          Image: nginx
          LogConfiguration:
            LogDriver: awsfirelens
            Options:
              Name: opensearch
              Host: !GetAtt Domain.DomainEndpoint
              Port: !Ref Port
              Workers: ${LIMIT}
        - Name: other
          Image: nginx
          LogConfiguration:
            LogDriver: awsfirelens
            Options:
              Name: !Ref Plugin
              Host: x
`}, check.Options{}, "t.yml")
	if len(list) != 1 || len(wrong) > 0 || len(list[0].Errors) > 0 {
		t.Fatalf("got %q, %v, %s", names(list), wrong, written(list[0]))
	}
	got := written(list[0])
	for _, path := range []string{"[1].LogConfiguration.Options.Port", "[1].LogConfiguration.Options.Workers", "[2].LogConfiguration.Options.Name"} {
		if want := path + ": the value is known only when the task runs"; !strings.Contains(got, want) {
			t.Errorf("got %s want %s", got, want)
		}
	}
	if strings.Contains(got, "Options.Host") || len(list[0].Plan.Outputs) != 2 { // that of the health check, and one
		t.Errorf("%d outputs; got %s", len(list[0].Plan.Outputs), got)
	}
}

func TestATaskWithoutALogRouterSaysWhereItsLinesGo(t *testing.T) {
	list, _ := opened(t, map[string]string{"task.json": `[{"name": "app", "image": "nginx", "logConfiguration": {"logDriver": "awslogs"}}]`}, check.Options{}, "task.json")
	if want := "no container has a firelensConfiguration, so the task has no log router: app logs with awslogs"; len(list) != 1 || list[0].Plan != nil || !strings.Contains(written(list[0]), want) {
		t.Errorf("got %s want %s", written(list[0]), want)
	}
}

func TestWhatTheCommandStartsIsChecked(t *testing.T) {
	o := check.Options{Start: func(words []string, _ *taskdef.Rendered) check.Start {
		if len(words) == 0 {
			return check.Start{}
		}
		return check.Start{File: words[0]}
	}}
	files := map[string]string{"task.json": task(plainRouter+`, "command": ["/own.conf"]`, `"Name": "null"`), "own.conf": "[INPUT]\n    Name nothing\n"}
	list, _ := opened(t, files, o, "task.json")
	if want := "the file /own.conf isn't here: what follows is about the file that the ECS agent writes"; !strings.Contains(written(list[0]), want) {
		t.Errorf("got %s want %s", written(list[0]), want)
	}
	o.ConfigFiles = []string{"own.conf"}
	list, _ = opened(t, files, o, "task.json")
	if want := "error own.conf:2"; !strings.HasPrefix(written(list[0]), want) {
		t.Errorf("got %s want %s", written(list[0]), want)
	}
}

func TestAFileInTheContainerThatIsNotHereIsNoMistakeOfTheTask(t *testing.T) {
	const extra = "[SERVICE]\n    Parsers_File /parsers.conf\n[FILTER]\n    Name lua\n    Match *\n    script /x.lua\n    call f\n[OUTPUT]\n    Name http\n    Match *\n    tls on\n    tls.ca_file /ca.pem\n"
	files := map[string]string{
		"task.json": task(`"firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "file", "config-file-value": "/extra.conf"}}`,
			"\n\"Name\": \"opensearch\", \"Host\": \"x\", \"tls\": \"on\",\n\"tls.ca_file\": \"/certs/ca.pem\""),
		"extra.conf": extra, "my.conf": "[PARSER]\n    Name mine\n    Format json\n", "my.lua": "function f(tag, time, record) return 0, time, record end\n",
	}
	list, _ := opened(t, files, check.Options{ConfigFiles: []string{"extra.conf", "/parsers.conf=my.conf", "/x.lua=my.lua"}}, "task.json")
	got := written(list[0])
	for _, want := range []string{
		"3 task.json:5: containerDefinitions[1].logConfiguration.options.tls.ca_file: the file is in the container and not here: it is not checked",
		"3 extra.conf:12: the file is in the container and not here: it is not checked",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s want %s", got, want)
		}
	}
	if len(list[0].Errors) > 0 {
		t.Errorf("got %s", got)
	}
	list, _ = opened(t, files, check.Options{ConfigFiles: []string{"extra.conf"}}, "task.json")
	got = written(list[0])
	for _, want := range []string{"2 extra.conf:2: a file of the container that isn't here; want another check with --config-file PATH=FILE", "error extra.conf:2  Parsers_File: /parsers.conf does not exist"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s want %s", got, want)
		}
	}
}

// A folder that is named may be a link to one.
func TestAFolderMayBeALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "real/main.conf"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if list, wrong := check.Open([]string{filepath.Join(dir, "link")}, check.Options{}); len(list) != 1 || len(wrong) > 0 {
		t.Errorf("got %d subjects and %v, want the configuration of the folder", len(list), wrong)
	}
}

// A parameter with NoEcho is a secret, and so is its default.
func TestTheDefaultOfAParameterWithNoEchoIsNotUsed(t *testing.T) {
	const template = `Parameters:
  P: {Type: String, NoEcho: true, Default: hunter2}
  Q: {Type: String, Default: example}
Resources:
  T:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - {Name: a, Image: b, LogConfiguration: {LogDriver: awsfirelens, Options: {Name: http, Host: !Sub "${P}.${Q}.com"}}}
        - {Name: r, Image: f, FirelensConfiguration: {Type: fluentbit}}
`
	var got bytes.Buffer
	if err := report(t, &txtar.Archive{Files: []txtar.File{{Name: "t.yaml", Data: []byte(template)}}}).Text(&got); err != nil {
		t.Fatal(err)
	}
	if text := got.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "P.example.com") {
		t.Errorf("got\n%s", text)
	}
}
