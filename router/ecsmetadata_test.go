package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firelane/firelane/enrich/ecs/ecstest"
)

// metadataEndpoint is the metadata endpoint of the process's task.
func metadataEndpoint(t *testing.T) *ecstest.Agent {
	t.Helper()
	a := ecstest.New(false)
	t.Cleanup(a.Close)
	t.Setenv("ECS_CONTAINER_METADATA_URI_V4", a.TaskEndpoint())
	return a
}

const fullMetadata = "[SERVICE]\n    ecs_metadata full\n"

func TestLinesFlowBeforeTheMetadataIsKnownAndGetItAfterThat(t *testing.T) {
	a := metadataEndpoint(t)
	answer := a.Hold()
	r := opened(t, fullMetadata+nullOutputs("*"))
	t.Cleanup(r.closeStages)
	i := r.newIntake(r.inputs[0])
	tag := "web-firelens-" + ecstest.TaskID
	add := func(line string) string {
		i.addLogs(tag, line)
		if err := i.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return strings.Join(queued(t, r.outputs[0]), "\n")
	}
	if got, want := add("first"), fmt.Sprintf("%s: first %s web", tag, ecstest.TaskID); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	answer()
	last := ""
	eventually(t, "the metadata", func() bool { // by a connection that has a route from before
		last = add("next")
		return strings.Contains(last, ecstest.WebImage)
	})
	if want := fmt.Sprintf("%s: next demo arn:aws:ecs:eu-west-1:123456789012:task/demo/%s fam:2 fam 2 %[2]s web %s eu-west-1a FARGATE web eu-west-1", tag, ecstest.TaskID, ecstest.WebImage); last != want {
		t.Errorf("got %s, want %s", last, want)
	}
}

// What ECS writes into the configuration, with a pattern of the task definition before it, and the metadata are one step.
func TestTheMetadataIsHeldOnceABatch(t *testing.T) {
	metadataEndpoint(t)
	const exclude = "[FILTER]\n    Name grep\n    Match web-firelens*\n    Exclude log health\n"
	r := opened(t, fullMetadata+exclude+ecsMetadata+nullOutputs("*"))
	t.Cleanup(r.closeStages)
	i := r.newIntake(r.inputs[0])
	tag := "web-firelens-" + ecstest.TaskID
	eventually(t, "the metadata", func() bool {
		i.addLogs(tag, "x")
		if err := i.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(strings.Join(queued(t, r.outputs[0]), ""), ecstest.WebImage)
	})
	if n := len(i.route.filters); n != 2 {
		t.Errorf("got %d filters on the path, want the grep and one for all fields", n)
	}
	for range 100 {
		i.addLogs(tag, "x")
	}
	if n := strings.Count(string(i.pending[0].batch.Bytes()), ecstest.WebImage); n != 1 {
		t.Errorf("got the image %d times in a batch of 100 records, want it once", n)
	}
	if err := i.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAReloadStartsAndEndsTheFilterOfTheMetadata(t *testing.T) {
	a := metadataEndpoint(t)
	dir := t.TempDir()
	tr := start(t, dir, forwardInput+nullOutputs("*"))
	if n := a.Requests.Load(); n != 0 {
		t.Errorf("got %d requests without ecs_metadata, want none", n)
	}
	if _, err := tr.Reload(t.Context(), compilePlan(t, dir, fullMetadata+forwardInput+nullOutputs("*"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a request", func() bool { return a.Requests.Load() > 0 })
	if _, err := tr.Reload(t.Context(), compilePlan(t, dir, forwardInput+nullOutputs("*"))); err != nil {
		t.Fatal(err)
	}
}

func TestTheMetadataIsThereForWhatNamesIt(t *testing.T) {
	const by, of = "[FILTER]\n    Name grep\n    Match *\n    Regex ", "[FILTER]\n    Name grep\n    Match *\n    Exclude log health\n"
	for conf, want := range map[string]string{
		of + of + ecsMetadata:                      "grep grep ecs_metadata record_modifier ",
		of + by + "ecs_container_name ^web\n" + of: "grep ecs_metadata grep grep ",
		"": "ecs_metadata ",
		of: "grep ecs_metadata ",
	} {
		got := ""
		for _, f := range compilePlan(t, t.TempDir(), fullMetadata+forwardInput+conf+nullOutputs("*")).Filters {
			got += f.Name + " "
		}
		if got != want {
			t.Errorf("%s: got the filters %s, want %s", conf, got, want)
		}
	}
}
