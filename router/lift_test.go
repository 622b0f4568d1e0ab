package router

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// containerFields are what Docker's driver says of a container in each of its records, beside the line.
var containerFields = map[string]string{
	"container_id":   "0f3d5c1b9a8e4c7d8b2a6f4e1c9d7b3a0f3d5c1b9a8e4c7d8b2a6f4e1c9d7b3a",
	"container_name": "/ecs-web-12-app-d6a1c3f7b2e9c8a4e501", "source": "stdout",
}

// dockerRecords are a container's records, with their members in random orders, as Docker's driver sends them.
func dockerRecords(n int) (bodies [][]byte) {
	order := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		keys := []string{"container_id", "container_name", "source", "log"}
		order.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		b := record.AppendMapHeader(nil, len(keys))
		for _, key := range keys {
			value, ok := containerFields[key]
			if !ok {
				value = fmt.Sprintf("line %d", i)
			}
			b = record.AppendStr(record.AppendStr(b, key), value)
		}
		bodies = append(bodies, b)
	}
	return bodies
}

func TestWhatAContainersRecordsShareIsHeldOnceABatchAndInEveryDocument(t *testing.T) {
	t.Parallel()
	server, addr := cluster(t, bulktest.Options{})
	tr := start(t, t.TempDir(), forwardInput+ecsMetadata+"[OUTPUT]\n    Name es\n    Match *\n"+addr)
	i := tr.newIntake(tr.inputs[0])
	bodies := dockerRecords(100)
	for _, body := range bodies {
		i.Add([]byte("app"), record.Time{Sec: 1_764_000_000}, body)
	}
	if n := bytes.Count(i.pending[0].batch.Bytes(), []byte(containerFields["container_name"])); n != 2 { // one tail of the first record, whose line is taken for the same in all, and one of the others
		t.Errorf("got the container's name %d times for 100 records, want 2 times", n)
	}
	if err := i.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.done(100)
	lines := map[string]bool{}
	for _, d := range server.Documents("*") {
		var got map[string]string
		if err := json.Unmarshal(d.Source, &got); err != nil {
			t.Fatal(err)
		}
		lines[got["log"]] = true
		want := maps.Clone(containerFields)
		want["log"], want["@timestamp"] = got["log"], got["@timestamp"]
		maps.Copy(want, map[string]string{
			"ecs_cluster": "production", "ecs_task_definition": "web:42",
			"ecs_task_arn": "arn:aws:ecs:eu-central-1:123456789012:task/production/0f3d5c1b9a8e4c7d8b2a6f4e1c9d7b3a",
		})
		if !maps.Equal(got, want) || strings.Count(string(d.Source), `":"`) != len(want) {
			t.Errorf("got %s, want each of %v once", d.Source, want)
		}
	}
	if len(lines) != 100 {
		t.Errorf("got %d lines, want 100", len(lines))
	}
}

func TestLiftingCostsNoAllocation(t *testing.T) {
	r := unstarted(t, forwardInput+ecsMetadata+"[OUTPUT]\n    Name es\n    Match *\n")
	i, bodies, tag := r.newIntake(r.inputs[0]), dockerRecords(100), []byte("app")
	add := func() {
		for _, body := range bodies {
			i.Add(tag, record.Time{Sec: 1}, body)
		}
	}
	add()
	if n := testing.AllocsPerRun(100, func() {
		i.pending[0].batch.Reset()
		add()
	}); n != 0 {
		t.Errorf("got %v allocations for 100 records, want none", n)
	}
}

// TestMembersKeepTheirOrderWhereItIsSeen: a destination that writes records as they are gets them so, also where another
// output takes what is lifted.
func TestMembersKeepTheirOrderWhereItIsSeen(t *testing.T) {
	const es, file = "[OUTPUT]\n    Name es\n    Match *\n", "[OUTPUT]\n    Name file\n    Path DIR\n    Match *\n"
	const ids = es + "    Generate_ID On\n" // which are made of the document, so that equal ones become one
	for outputs, want := range map[string]int{es: 2, file: 100, es + file: 100, ids: 100} {
		r := unstarted(t, forwardInput+ecsMetadata+outputs)
		i := r.newIntake(r.inputs[0])
		for _, body := range dockerRecords(100) {
			i.Add([]byte("app"), record.Time{Sec: 1}, body)
		}
		if n := bytes.Count(i.pending[0].batch.Bytes(), []byte("container_name")); n != want {
			t.Errorf("%q: got the name %d times for 100 records, want %d times", outputs, n, want)
		}
	}
}

// TestATagWhoseOutputMakesIDsIsLeftAloneWhateverCameBefore sends two tags by one connection.
func TestATagWhoseOutputMakesIDsIsLeftAloneWhateverCameBefore(t *testing.T) {
	r := unstarted(t, forwardInput+
		"[OUTPUT]\n    Name es\n    Match app\n[OUTPUT]\n    Name es\n    Match audit\n    Generate_ID On\n")
	i := r.newIntake(r.inputs[0])
	for n, body := range dockerRecords(100) {
		i.Add([]byte([]string{"app", "audit"}[n&1]), record.Time{Sec: 1}, body)
	}
	for output, want := range []int{3, 50} {
		if n := bytes.Count(i.pending[output].batch.Bytes(), []byte("container_name")); n < want || n > want+1 {
			t.Errorf("output %d: got the name %d times for 50 records, want %d or one more", output, n, want)
		}
	}
}
