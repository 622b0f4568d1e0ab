package taskdef_test

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/internal/race"
)

// largePlan is a plan of Terraform of about that size, most of it other resources. It has 100 task definitions.
func largePlan(size int) []byte {
	var b bytes.Buffer
	other := func(i int) string {
		return fmt.Sprintf(`{"address":"aws_iam_policy.p%d","mode":"managed","type":"aws_iam_policy","name":"p%d","values":{"policy":"{\"Statement\":[{\"Action\":\"*\\\\\"}]}","tags":{"a":"b","n":[1,2,3,null,true]}},"sensitive_values":{"tags_all":{}}}`, i, i)
	}
	task := func(i int) string {
		return fmt.Sprintf(`{"address":"aws_ecs_task_definition.t[%d]","mode":"managed","type":"aws_ecs_task_definition","name":"t","index":%d,"values":{"container_definitions":"[{\"image\":\"nginx\",\"name\":\"app\",\"logConfiguration\":{\"logDriver\":\"awsfirelens\",\"options\":{\"Name\":\"opensearch\",\"Host\":\"os.example\"}}},{\"name\":\"log_router\",\"image\":\"firelane\",\"firelensConfiguration\":{\"type\":\"fluentbit\"}}]","family":"t%d","network_mode":"awsvpc"}}`, i, i, i)
	}
	part := func(until int) {
		for i := 0; b.Len() < until; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(other(i))
		}
	}
	b.WriteString(`{"format_version":"1.2","terraform_version":"1.11.4","planned_values":{"root_module":{"resources":[`)
	for i := range 100 {
		b.WriteString(task(i) + ",")
	}
	part(size / 3)
	b.WriteString(`]}},"resource_changes":[`)
	part(2 * size / 3)
	b.WriteString(`],"prior_state":{"values":{"root_module":{"resources":[`)
	part(size)
	b.WriteString(`]}}},"configuration":{}}`)
	return b.Bytes()
}

// measured runs f, and returns its time and by how much the heap grew at most.
func measured(f func()) (time.Duration, uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	before, begin := heap[0].Value.Uint64(), time.Now()
	f()
	took := time.Since(begin)
	metrics.Read(heap)
	return took, heap[0].Value.Uint64() - before
}

func TestAPlanOf50MBIsReadInTwoSecondsAnd200MB(t *testing.T) {
	const size = 50 << 20
	plan := largePlan(size)
	var list []*taskdef.Definition
	var err error
	took, grown := measured(func() { list, _, err = taskdef.Read("plan.json", plan) })
	if err != nil || len(list) != 100 || list[99].Family.Text != "t99" {
		t.Fatalf("%d task definitions, error %v", len(list), err)
	}
	t.Logf("%d MB: %v, and %d MB beside the file", len(plan)>>20, took, grown>>20)
	if race.Enabled { // it makes reading ten times dearer
		return
	}
	if took > 2*time.Second || uint64(len(plan))+grown > 200<<20 {
		t.Errorf("%v and %d MB; want at most 2 s and 200 MB", took, (uint64(len(plan))+grown)>>20)
	}
}

func TestAPlanOfOneDefinitionAfterAnotherIsBounded(t *testing.T) {
	one := `{"address":"x","mode":"managed","type":"aws_ecs_task_definition","values":{"container_definitions":"[{\"name\":\"app\",\"image\":\"nginx\"}]"}}`
	plan := []byte(`{"terraform_version":"1","planned_values":{"root_module":{"resources":[` + strings.Repeat(one+",", 100_000) + one + `]}}}`)
	var list []*taskdef.Definition
	var problems []taskdef.Problem
	took, grown := measured(func() { list, problems, _ = taskdef.Read("plan.json", plan) })
	if len(list) > 1000 || took > race.Slowdown*5*time.Second || grown > 300<<20 {
		t.Errorf("%d task definitions, %v, %d MB", len(list), took, grown>>20)
	}
	if len(problems) == 0 && len(list) > 0 {
		t.Error("nobody is told that task definitions were left out")
	}
}

func BenchmarkReadPlan(b *testing.B) {
	plan := largePlan(50 << 20)
	b.SetBytes(int64(len(plan)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := taskdef.Read("plan.json", plan); err != nil {
			b.Fatal(err)
		}
	}
}

// A variable of Fn::Sub that the text names a thousand times, and whose value is such a text, is computed once.
func TestNestedSubstitutionsAreReadInTime(t *testing.T) {
	value := `"y"`
	for range 10 {
		value = `{"Fn::Sub":["` + strings.Repeat("${a}", 100) + `",{"a":` + value + `}]}`
	}
	took, _ := measured(func() {
		_, _, _ = taskdef.Read("f.json", []byte(`{"Resources":{"T":{"Type":"AWS::ECS::TaskDefinition","Properties":{"ContainerDefinitions":[{"Name":"r","Image":`+value+`}]}}}}`))
	})
	if took > race.Slowdown*5*time.Second {
		t.Errorf("took %s, want at most 5 s", took)
	}
}
