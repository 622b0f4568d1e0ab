package router

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/ecstest"
)

const deploy = "../deploy"

// read returns a file of deploy/.
func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decode reads JSON of deploy/ without unknown fields, and nothing after it.
func decode(t *testing.T, name string, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(read(t, name)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if d.More() {
		t.Fatalf("%s has something after the JSON", name)
	}
}

// starts renders a task definition as the ECS agent does, and expects a router that starts without a warning and sends the
// application's records to one output. It returns that output.
func starts(t *testing.T, definition []byte) *config.Output {
	t.Helper()
	r, err := ecstest.Render(definition)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Compiler{Catalogue: Catalogue(), Files: map[string]string{r.Path: r.Text}}
	c.Lookup = func(name string) (string, bool) {
		v, ok := r.Variables[name]
		return v, ok
	}
	plan, errs := startable(c, r.Path)
	if len(errs) > 0 || len(plan.Warnings) > 0 {
		t.Fatalf("got the errors %v and the warnings %v, want none, of\n%s", errs, plan.Warnings, r.Text)
	}
	outputs := plan.Route(0, "app-firelens-0123456789abcdef").Outputs
	if len(outputs) != 1 {
		t.Fatalf("got the outputs %v, want one", outputs)
	}
	return &plan.Outputs[outputs[0]]
}

// taskDefinitions are the task definitions of deploy/, and the kind of their output.
func taskDefinitions() map[string]string {
	return map[string]string{
		"task-definition.json":                     "es",
		"task-definitions/fargate-fluentd.json":    "opensearch",
		"task-definitions/ec2-fluentbit.json":      "es",
		"task-definitions/ec2-fluentd.json":        "opensearch",
		"task-definitions/fargate-cloudwatch.json": "cloudwatch_logs",
		"task-definitions/fargate-firehose.json":   "kinesis_firehose",
		"task-definitions/fargate-kinesis.json":    "kinesis_streams",
		"task-definitions/fargate-s3.json":         "s3",
	}
}

func TestDeployedTaskDefinitionsStart(t *testing.T) {
	files, err := filepath.Glob(deploy + "/task-definition*/*.json")
	if err != nil || len(files) != len(taskDefinitions())-1 {
		t.Fatalf("got %d files in task-definitions and the error %v, want %d, each in the test", len(files), err, len(taskDefinitions())-1)
	}
	for name, kind := range taskDefinitions() {
		t.Run(name, func(t *testing.T) {
			if out := starts(t, read(t, name)); !strings.HasPrefix(out.ID, kind+".") {
				t.Errorf("got the output %s, want one of %s", out.ID, kind)
			}
			var d struct {
				Family, NetworkMode, ExecutionRoleArn, TaskRoleArn, CPU, Memory string
				RequiresCompatibilities                                         []string
				Volumes                                                         []any
				ContainerDefinitions                                            []struct {
					Name, Image                        string
					Essential                          bool
					StopTimeout, MemoryReservation     int
					FirelensConfiguration, HealthCheck map[string]any
					LogConfiguration                   any
					MountPoints                        []any
					DependsOn                          []struct{ ContainerName, Condition string }
				}
			}
			decode(t, name, &d)
			router, app := d.ContainerDefinitions[0], d.ContainerDefinitions[1]
			if app.DependsOn[0].ContainerName != router.Name || app.DependsOn[0].Condition != "HEALTHY" {
				t.Errorf("the application depends on %+v, want the router: ECS stops the application first then", app.DependsOn)
			}
			if router.StopTimeout <= 28 || router.StopTimeout > 120 {
				t.Errorf("got stopTimeout %d, want more than Grace and 3 s, and at most Fargate's 120", router.StopTimeout)
			}
			fargate := d.RequiresCompatibilities[0] == "FARGATE"
			if fargate != (d.NetworkMode == "awsvpc" && d.CPU != "" && d.Memory != "") || fargate == (len(d.Volumes) > 0) {
				t.Errorf("got %v, network mode %q, cpu %q, memory %q, %d volumes", d.RequiresCompatibilities, d.NetworkMode, d.CPU, d.Memory, len(d.Volumes))
			}
		})
	}
}

// Every policy allows named actions on named resources, none of them everything.
func TestPoliciesAllowLittle(t *testing.T) {
	files, err := filepath.Glob(deploy + "/iam/*.json")
	if err != nil || len(files) < 8 {
		t.Fatalf("got the policies %v and the error %v", files, err)
	}
	for _, file := range files {
		var p struct {
			Version   string
			Statement []struct {
				Sid, Effect          string
				Principal, Condition map[string]any
				Action, Resource     any
			}
		}
		decode(t, "iam/"+filepath.Base(file), &p)
		if p.Version != "2012-10-17" || len(p.Statement) == 0 {
			t.Errorf("%s has the version %q and %d statements", file, p.Version, len(p.Statement))
		}
		for _, s := range p.Statement {
			if s.Effect != "Allow" || (s.Resource == nil) != (s.Principal != nil) {
				t.Errorf("%s: got the statement %+v, want one that allows something on a resource, or to somebody", file, s)
			}
			for _, a := range textsOf(s.Action) {
				if service, name, ok := strings.Cut(a, ":"); !ok || service == "" || strings.Contains(name, "*") {
					t.Errorf("%s allows %q, want one action of a service", file, a)
				}
			}
			for _, r := range textsOf(s.Resource) {
				if parts := strings.SplitN(r, ":", 6); len(parts) != 6 || parts[0] != "arn" || strings.HasPrefix(parts[5], "*") {
					t.Errorf("%s allows something on %q, want an ARN", file, r)
				}
			}
		}
	}
}

// textsOf is a text or a list of texts.
func textsOf(v any) (list []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			list = append(list, fmt.Sprint(e))
		}
	}
	return list
}

// A metricFilter is one of CloudWatch's.
type metricFilter struct{ Name, Pattern, Value, Description string }

func metricFilters(t *testing.T) (list []metricFilter) {
	t.Helper()
	decode(t, "terraform/documents/metric-filters.json", &list)
	if len(list) == 0 {
		t.Fatal("there are no metric filters")
	}
	return list
}

var (
	patternField   = regexp.MustCompile(`\$\.(\w+)`)
	patternMessage = regexp.MustCompile(`\$\.message = "([^"]*)"`)
	literal        = regexp.MustCompile(`"((?:[^"\\\n]|\\.)+)"`)
)

// A metric filter that names a field or a message that the router doesn't log would never count anything.
func TestMetricFiltersNameWhatTheRouterLogs(t *testing.T) {
	logged := map[string]bool{"message": true, "level": true} // zerolog's own
	for _, room := range []string{".", "../sink", "../cmd/firelane"} {
		err := filepath.WalkDir(room, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			text, err := os.ReadFile(file)
			for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
				logged[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range metricFilters(t) {
		for _, m := range patternField.FindAllStringSubmatch(f.Pattern+f.Value, -1) {
			if !logged[m[1]] {
				t.Errorf("%s names the field %s, which no line has", f.Name, m[1])
			}
		}
		for _, m := range patternMessage.FindAllStringSubmatch(f.Pattern, -1) {
			found := slices.ContainsFunc(slices.Collect(maps.Keys(logged)), func(s string) bool {
				ok, err := path.Match(m[1], strings.ReplaceAll(s, "/", "|"))
				return ok && err == nil
			})
			if !found {
				t.Errorf("%s names the message %q, which no line has", f.Name, m[1])
			}
		}
	}
}

// cloudFormation reads a template. Functions such as !Ref become texts.
func cloudFormation(t *testing.T, name string) (resources map[string]struct {
	Type       string
	Properties map[string]any
}) {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal(read(t, name), &n); err != nil {
		t.Fatal(err)
	}
	plain(&n)
	var template struct {
		Resources map[string]struct {
			Type       string         `yaml:"Type"`
			Properties map[string]any `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := n.Decode(&template); err != nil {
		t.Fatal(err)
	}
	resources = make(map[string]struct {
		Type       string
		Properties map[string]any
	})
	for name, r := range template.Resources {
		resources[name] = struct {
			Type       string
			Properties map[string]any
		}{r.Type, r.Properties}
	}
	return resources
}

// plain replaces functions by their text, or by the region where they pick it.
func plain(n *yaml.Node) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		if n.Kind != yaml.ScalarNode {
			*n = yaml.Node{Kind: yaml.ScalarNode, Value: "eu-west-1"}
		}
		n.Tag, n.Value = "!!str", strings.ToLower(n.Value) // an index has no capitals
	}
	for _, child := range n.Content {
		plain(child)
	}
}

// camel turns the keys of CloudFormation into those of the API.
func camel(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			if k != "Options" {
				e = camel(e)
			}
			m[strings.ToLower(k[:1])+k[1:]] = e
		}
		return m
	case []any:
		for i := range v {
			v[i] = camel(v[i])
		}
	}
	return v
}

func TestCloudFormationsTaskStartsAndCountsTheSame(t *testing.T) {
	counted := map[string]string{}
	var definition []byte
	for _, r := range cloudFormation(t, "cloudformation/service.yaml") {
		switch r.Type {
		case "AWS::ECS::TaskDefinition":
			var err error
			if definition, err = json.Marshal(camel(r.Properties)); err != nil {
				t.Fatal(err)
			}
		case "AWS::Logs::MetricFilter":
			of, _ := r.Properties["MetricTransformations"].([]any)
			one, _ := of[0].(map[string]any)
			counted[fmt.Sprint(r.Properties["FilterPattern"])] = fmt.Sprint(one["MetricValue"])
		}
	}
	if out := starts(t, definition); !strings.HasPrefix(out.ID, "opensearch.") {
		t.Errorf("got the output %s, want one of opensearch", out.ID)
	}
	for _, f := range metricFilters(t) {
		if got, want := counted[f.Pattern], cmp.Or(f.Value, "1"); got != want {
			t.Errorf("the template counts %q for %s: %s, want %s", got, f.Name, f.Pattern, want)
		}
	}
	if len(counted) != len(metricFilters(t)) {
		t.Errorf("the template counts %d things, want %d", len(counted), len(metricFilters(t)))
	}
}

func TestComposeRunsWhatIsThere(t *testing.T) {
	var c struct {
		Services map[string]struct {
			Image, Ports, Volumes any
			DependsOn             map[string]struct{ Condition string } `yaml:"depends_on"`
			Logging               struct {
				Driver  string
				Options map[string]string
			}
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(read(t, "compose/compose.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	for name, s := range c.Services {
		if s.Image == nil {
			t.Errorf("%s has no image", name)
		}
		for on := range s.DependsOn {
			if _, ok := c.Services[on]; !ok {
				t.Errorf("%s depends on %s, which isn't there", name, on)
			}
		}
		for _, port := range textsOf(s.Ports) {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s, want loopback only: OpenSearch has no password here", name, port)
			}
		}
		for _, v := range textsOf(s.Volumes) {
			from, _, _ := strings.Cut(v, ":")
			_, named := c.Volumes[from]
			if _, err := os.Stat(filepath.Join(deploy, "compose", from)); err != nil && !named {
				t.Errorf("%s mounts %s, which isn't there", name, from)
			}
		}
	}
	app := c.Services["app"].Logging
	if app.Driver != "fluentd" {
		t.Fatalf("got the log driver %q, want fluentd", app.Driver)
	}
	plan, errs := startable(config.Compiler{Catalogue: Catalogue(), Lookup: func(string) (string, bool) { return "", false }}, deploy+"/compose/fluent-bit.conf")
	if len(errs) > 0 || len(plan.Warnings) > 0 || len(plan.Route(0, app.Options["tag"]).Outputs) != 1 {
		t.Errorf("got the errors %v and the warnings %v, want none, and an output for the tag %s", errs, plan.Warnings, app.Options["tag"])
	}
}

// The documents are for the indices of the task definitions, and agree with each other.
func TestIndexTemplateAndPolicyAreForTheSameIndices(t *testing.T) {
	var template struct {
		Meta          map[string]string `json:"_meta"`
		IndexPatterns []string          `json:"index_patterns"`
		Priority      int
		Template      struct{ Settings, Mappings map[string]any }
	}
	decode(t, "terraform/documents/index-template.json", &template)
	var policy struct {
		Policy struct {
			Description  string
			DefaultState string `json:"default_state"`
			States       []struct {
				Name        string
				Actions     []map[string]any
				Transitions []struct {
					StateName  string `json:"state_name"`
					Conditions map[string]string
				}
			}
			ISMTemplate []struct {
				IndexPatterns []string `json:"index_patterns"`
				Priority      int
			} `json:"ism_template"`
		}
	}
	decode(t, "terraform/documents/index-policy.json", &policy)
	p := policy.Policy
	if !slices.Equal(template.IndexPatterns, []string{"web-*"}) || len(p.ISMTemplate) != 1 || !slices.Equal(p.ISMTemplate[0].IndexPatterns, template.IndexPatterns) {
		t.Errorf("the template is for %v, the policy for %+v, want web-* for both", template.IndexPatterns, p.ISMTemplate)
	}
	names := map[string]bool{}
	for _, s := range p.States {
		names[s.Name] = true
	}
	deletes := false
	for _, s := range p.States {
		for _, next := range s.Transitions {
			if !names[next.StateName] {
				t.Errorf("the state %s leads to %s, which isn't there", s.Name, next.StateName)
			}
		}
		deletes = deletes || len(s.Actions) == 1 && s.Actions[0]["delete"] != nil
	}
	if !names[p.DefaultState] || !deletes {
		t.Errorf("got the policy %+v, want one that begins with a state and ends with deletion", p)
	}
}
