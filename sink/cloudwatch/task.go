package cloudwatch

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

const (
	// taskTime is how long the task's metadata may take to be read.
	taskTime = time.Second
	// taskPause is how long after a failure it is tried again.
	taskPause = 10 * time.Second
	// maxTask is how much of the task's metadata is read, in bytes.
	maxTask = 1 << 20
)

// A task is the ECS task, for records that don't name it: those of a task with enable-ecs-log-metadata off. What its
// metadata endpoint says is read when it is first needed.
type task struct {
	mu      sync.Mutex
	failed  time.Time
	cluster string
	arn     string
}

// values are the placeholders of AWS's plugin that name the task. The value in the record, which the ECS agent's
// configuration adds, takes precedence.
func (t *task) values() map[string]field.AppendFunc {
	return map[string]field.AppendFunc{
		"ecs_task_id":  t.value("ecs_task_arn", true, func(t *task) string { return t.arn }),
		"ecs_task_arn": t.value("ecs_task_arn", false, func(t *task) string { return t.arn }),
		"ecs_cluster":  t.value("ecs_cluster", true, func(t *task) string { return t.cluster }),
	}
}

// value appends a field of the record, or else of the task; with last only what follows the last slash, as in
// arn:aws:ecs:eu-west-1:123456789012:task/cluster/id.
func (t *task) value(key string, last bool, of func(t *task) string) field.AppendFunc {
	at := field.Name(key)
	return func(dst []byte, ev *record.Event) ([]byte, bool) {
		start := len(dst)
		if value, ok := at.FindScalar(ev); ok {
			dst = record.AppendText(dst, value)
		} else {
			dst = append(dst, t.read(of)...)
		}
		if last {
			if i := bytes.LastIndexByte(dst[start:], '/'); i >= 0 {
				dst = append(dst[:start], dst[start+i+1:]...)
			}
		}
		return dst, len(dst) > start
	}
}

// read returns a value of the task's metadata, "" if there is none.
func (t *task) read(of func(t *task) string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.arn != "" {
		return of(t)
	}
	if !t.failed.IsZero() && time.Since(t.failed) < taskPause {
		return ""
	}
	endpoint := os.Getenv("ECS_CONTAINER_METADATA_URI_V4")
	if endpoint == "" {
		endpoint = os.Getenv("ECS_CONTAINER_METADATA_URI")
	}
	if endpoint == "" || t.fetch(strings.TrimSuffix(endpoint, "/")+"/task") != nil || t.arn == "" {
		t.failed = time.Now()
	}
	return of(t)
}

// fetch reads the metadata. No proxy can reach it.
func (t *task) fetch(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), taskTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct{ Cluster, TaskARN string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxTask)).Decode(&answer); err != nil {
		return err
	}
	t.cluster, t.arn = answer.Cluster, answer.TaskARN
	return nil
}
