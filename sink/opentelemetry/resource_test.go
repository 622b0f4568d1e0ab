package opentelemetry

import (
	"bytes"
	"testing"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestARecordsResourceIsItsOwnWhateverCameBefore(t *testing.T) {
	var keep resources
	records := []*sink.Record{
		sinktest.Record("a", 1, "container_id", "one", "container_name", "/web", "ecs_task_arn", "arn:aws:ecs:eu-west-1:1:task/demo/x"),
		sinktest.Record("a", 2, "container_id", "one", "container_name", "/web", "ecs_task_arn", "arn:aws:ecs:eu-west-1:1:task/demo/x"),
		sinktest.Record("a", 3, "container_id", "two", "container_name", "/web", "ecs_task_arn", "arn:aws:ecs:eu-west-1:1:task/demo/x"),
		sinktest.Record("a", 4, "container_id", "onet", "container_name", "wo"),
		sinktest.Record("a", 5, "container_id", ""),
		sinktest.Record("a", 6),
		sinktest.Record("a", 7, "ecs_cluster", ""),
	}
	for range 2 {
		for _, r := range records {
			var fresh resources
			if got, want := keep.append([]byte("x"), r), fresh.append([]byte("x"), r); !bytes.Equal(got, want) {
				t.Errorf("record %d: got %q, want %q", r.ID.Pos, got, want)
			}
		}
	}
}
