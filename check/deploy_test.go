package check

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The task definitions in deploy/ have no mistake that check would find, and the policy beside each allows what its output does,
// and nothing else.
func TestDeployedTaskDefinitionsAreRightAndTheirPoliciesFit(t *testing.T) {
	for name, policy := range map[string]string{
		"task-definition.json":                     "opensearch",
		"task-definitions/ec2-fluentbit.json":      "opensearch",
		"task-definitions/fargate-fluentd.json":    "",
		"task-definitions/ec2-fluentd.json":        "",
		"task-definitions/fargate-cloudwatch.json": "cloudwatch",
		"task-definitions/fargate-firehose.json":   "firehose",
		"task-definitions/fargate-kinesis.json":    "kinesis",
		"task-definitions/fargate-s3.json":         "s3",
	} {
		t.Run(name, func(t *testing.T) {
			subjects, wrong := Open([]string{"../deploy/" + name}, Options{Now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)})
			if len(wrong) > 0 || len(subjects) != 1 {
				t.Fatalf("got %d subjects and %v, want one", len(subjects), wrong)
			}
			fits(t, needs(t, right(t, subjects[0])), policy)
		})
	}
}

// A template's parameters have no value until a stack is made of it: check doesn't take their names for one.
func TestDeployedTemplateIsRight(t *testing.T) {
	subjects, wrong := Open([]string{"../deploy/cloudformation/service.yaml"}, Options{Now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)})
	if len(wrong) > 0 || len(subjects) != 1 {
		t.Fatalf("got %d subjects and %v, want one", len(subjects), wrong)
	}
	right(t, subjects[0])
}

// right expects that check finds nothing but notes.
func right(t *testing.T, s *Subject) *Report {
	t.Helper()
	var r Report
	r.Add(s, slices.Concat(Rules(), ReadRules(), TaskRules(nil), DifferenceRules()))
	for _, f := range r.Subjects[0].Findings {
		if f.Severity != Note {
			t.Errorf("%s %s: %s", f.Severity, f.Rule.Number, f.Text)
		}
	}
	return &r
}

// needs returns what check says that the task role must allow: resources by action.
func needs(t *testing.T, r *Report) map[string][]string {
	t.Helper()
	var out bytes.Buffer
	if err := r.IAM(&out); err != nil {
		t.Fatal(err)
	}
	var doc policy
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	list := map[string][]string{}
	for _, s := range doc.Statement {
		for _, a := range s.Action {
			list[a] = append(list[a], s.Resource...)
		}
	}
	return list
}

// fits compares what is needed with a policy of deploy/iam; "" is none.
func fits(t *testing.T, needed map[string][]string, name string) {
	t.Helper()
	if name == "" {
		if len(needed) > 0 {
			t.Errorf("got %v, want that the task role needs nothing", needed)
		}
		return
	}
	text, err := os.ReadFile("../deploy/iam/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Statement []struct{ Action, Resource oneOrMore }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	allowed := map[string][]string{}
	for _, s := range doc.Statement {
		for _, a := range s.Action {
			allowed[a] = append(allowed[a], s.Resource...)
			if needed[a] == nil {
				t.Errorf("%s allows %s, which the output doesn't need", name, a)
			}
		}
	}
	for action, resources := range needed {
		for _, resource := range resources {
			like := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(resource), `\*`, ".*") + "$")
			if !slices.ContainsFunc(allowed[action], like.MatchString) {
				t.Errorf("%s allows %s on %v, want %s", name, action, allowed[action], resource)
			}
		}
	}
}

// oneOrMore is a text or a list of texts, as IAM takes both.
type oneOrMore []string

func (l *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = []string{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}
