package router

import (
	"fmt"
	"testing"

	"github.com/firelane/firelane/record"
)

// ecsMetadata is what the ECS agent writes for a task with metadata, of either dialect's filters the cheaper one.
const ecsMetadata = `
[FILTER]
    Name record_modifier
    Match *
    Record ecs_cluster production
    Record ecs_task_arn arn:aws:ecs:eu-central-1:123456789012:task/production/0f3d5c1b9a8e4c7d8b2a6f4e1c9d7b3a
    Record ecs_task_definition web:42
`

// dockerBody is a record as Docker's log driver sends it.
func dockerBody(t testing.TB) []byte {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(`{"container_id":"3f4e8a2b7c1d9e0f5a6b3c8d7e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f",`+
		`"container_name":"/ecs-web-12-app-d6a1c3f7b2e9c8a4e501","source":"stdout","log":"10.0.1.23 - - [23/Nov/2026:10:31:22 +0000] `+
		`\"GET /api/v1/orders/8812734?expand=items HTTP/1.1\" 200 5316 \"https://shop.example.com/account/orders\" \"Mozilla/5.0 `+
		`(X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36\" 0.034"}`))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// BenchmarkIntake is an event's way from the socket's buffer into the batch, without the queue's write: for an output that
// takes tails, and for one that doesn't.
func BenchmarkIntake(b *testing.B) {
	for _, output := range []string{"es", "null"} {
		b.Run(output, func(b *testing.B) { benchIntake(b, output) })
	}
}

func benchIntake(b *testing.B, output string) {
	plan := compilePlan(b, b.TempDir(), forwardInput+ecsMetadata+"[OUTPUT]\n    Name "+output+"\n    Match *\n")
	r, diags := New(plan, Env{})
	if len(diags) > 0 {
		b.Fatal(diags)
	}
	i := r.newIntake(r.inputs[0])
	tag, body := []byte("app-firelens-0f3d5c1b9a8e4c7d"), dockerBody(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	size, records := 0, 0
	i.Begin()
	defer i.End()
	for b.Loop() {
		i.Add(tag, record.Time{Sec: 1_764_000_000, Nsec: 5}, body)
		if batch := i.pending[0].batch; batch.Len() > 64<<10 {
			size, records = size+batch.Len(), records+batch.Records()
			batch.Reset()
		}
	}
	b.ReportMetric(float64(size)/float64(max(records, 1)), "queued-B/op")
}

// BenchmarkViewer is what a viewer of a flood costs for each batch of a record, and of 20: hardly any record is shown.
func BenchmarkViewer(b *testing.B) {
	plan := compilePlan(b, b.TempDir(), forwardInput+ecsMetadata+"[OUTPUT]\n    Name null\n    Match *\n")
	for name, filter := range map[string]Filter{"tail": nil, "takes-all": onlyLog(""), "takes-none": nothing{}} {
		for _, records := range []int{1, 20} {
			b.Run(fmt.Sprint(name, "-", records), func(b *testing.B) {
				r, diags := New(plan, Env{})
				if len(diags) > 0 {
					b.Fatal(diags)
				}
				end, err := r.Tap(&Viewer{Stages: []Stage{StageOut}, Records: 20, Filter: filter, See: func(*Shown) {}})
				if err != nil {
					b.Fatal(err)
				}
				defer end()
				var batch record.Batch
				for range records {
					batch.Add("app", record.Time{Sec: 1}, logBody(""))
				}
				b.ReportAllocs()
				for b.Loop() {
					r.taps.offer("null.0", &batch)
				}
			})
		}
	}
}

// nothing is a filter that takes no record, and knows it at once.
type nothing struct{}

func (nothing) MayTake(_, _ []byte) bool { return false }
func (nothing) TakesTag(string) bool     { return true }
func (nothing) Takes(*record.Event) bool { return false }
