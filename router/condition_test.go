package router

import (
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

// conditional is a configuration whose input has a processor with a condition that always holds.
func conditional(processor string) string {
	return `
pipeline:
  inputs:
    - name: forward
      port: 0
      processors:
        logs:
          - {` + processor + `, condition: {rules: [{field: $log, op: neq, value: "no"}]}}
  outputs:
    - {name: "null", match: "*"}
    - {name: stdout, match: counted}
`
}

func TestMetadataUnderAConditionIsAskedForAtTheStart(t *testing.T) {
	a := metadataEndpoint(t)
	r := openedYAML(t, conditional("name: ecs_metadata"))
	r.startStages()
	t.Cleanup(r.closeStages)
	eventually(t, "a request before the first event", func() bool { return a.Requests.Load() > 0 })
}

// A tagCounter counts for how many tags it is asked.
type tagCounter struct{ tags, events int }

func (c *tagCounter) ForTag(string) enrich.Filter {
	c.tags++
	return c
}

func (c *tagCounter) Apply(*record.Event, *enrich.Scratch) bool {
	c.events++
	return true
}

func TestAFilterOfTagsUnderAConditionIsAskedOnceForATag(t *testing.T) {
	c := new(tagCounter)
	made, err := enrich.When(&config.Condition{Rules: []config.Rule{{Field: "$log", Op: "neq", Values: []string{"no"}}}}, c, config.FluentBit, enrich.Env{})
	if err != nil {
		t.Fatal(err)
	}
	r := opened(t, placeholder+nullOutputs("*"), made)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one", "two", "no", "three")
	flush(t, i)
	if c.tags != 1 || c.events != 3 {
		t.Errorf("got %d questions for a tag and %d events, want 1 and 3", c.tags, c.events)
	}
}

func TestMetricsOfAFilterUnderAConditionAreMade(t *testing.T) {
	r := openedYAML(t, conditional("name: log_to_metrics, tag: counted, metric_name: hits, metric_description: how many"))
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one", "two", "no")
	flush(t, i)
	seen := 0
	id := r.plan.Filters[0].ID
	if changes := r.filterMetrics(id, "counted", 0, func(*metric.Sample) { seen++ }); seen != 1 || changes != 2 {
		t.Errorf("got %d metrics with %d changes, want 1 with 2", seen, changes)
	}
}

func TestAStepUnderAConditionPassesWhatItHasRerouted(t *testing.T) {
	for _, of := range []string{"inputs", "outputs"} {
		processors := `
      processors:
        logs:
          - name: rewrite_tag
            rule: $log . new false
            condition: {rules: [{field: $log, op: neq, value: "no"}]}
`
		conf := "pipeline:\n  inputs:\n    - name: forward\n      port: 0\n%s\n  outputs:\n    - name: \"null\"\n      match: \"*\"\n%s"
		if of == "inputs" {
			conf = fmt.Sprintf(conf, processors, "")
		} else {
			conf = fmt.Sprintf(conf, "", processors)
		}
		r := openedYAML(t, conf)
		i := r.newIntake(r.inputs[0])
		i.addLogs("app", "x", "no")
		flush(t, i)
		wantQueued(t, r.outputs[0], "new: x", "app: no")
	}
}

func TestATraceSaysWhatAFilterUnderAConditionIs(t *testing.T) {
	metadataEndpoint(t)
	for processor, want := range map[string]string{"name: grep, exclude: log x": "", "name: throttle, rate: 1": "limits a rate", "name: ecs_metadata": "asks a service"} {
		plan := compilePlan(t, t.TempDir(), conditional(processor))
		trace, diags := NewTrace(plan, Env{Log: zerolog.Nop()}, 0, func(*Sight) {})
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		if got := trace.Off()[0]; got != want {
			t.Errorf("%s: got %q, want %q", processor, got, want)
		}
		trace.Close()
	}
}
