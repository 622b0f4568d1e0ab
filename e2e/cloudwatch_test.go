package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// readGroup prints the number of streams of a group, and each event's stream and message, on a line.
const readGroup = `
import boto3, sys
logs = boto3.client("logs", endpoint_url=sys.argv[1])
group = logs.describe_log_groups(logGroupNamePrefix=sys.argv[2])["logGroups"][0]
print("retention", group.get("retentionInDays"), logs.list_tags_log_group(logGroupName=sys.argv[2])["tags"])
for stream in logs.describe_log_streams(logGroupName=sys.argv[2])["logStreams"]:
    token, name = None, stream["logStreamName"]
    while True:
        more = {"nextToken": token} if token else {}
        page = logs.get_log_events(logGroupName=sys.argv[2], logStreamName=name, startFromHead=True, limit=10000, **more)
        for e in page["events"]:
            print(name, e["message"])
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
`

// Moto and boto3 know nothing of firelane's own stand-ins and client.
func TestCloudWatchLogsGetsEveryRecordOnce(t *testing.T) {
	const records = 100_000
	url := servers.Moto(t)
	for name, c := range map[string]struct{ options, group, stream, message, tags string }{
		"cloudwatch": {`
    Name cloudwatch
    auto_create_group true
    log_group_name /ecs/$(ecs_cluster)
    log_stream_name web/$(ecs_task_id)
    log_key log
    log_retention_days 30
    new_log_group_tags team=web`, "/ecs/demo", "web/abc", "n=", "{'team': 'web'}"},
		"cloudwatch_logs": {`
    Name cloudwatch_logs
    auto_create_group On
    log_group_name bench
    log_stream_prefix from-
    log_retention_days 30`, "bench", "from-app-firelens-0d2c1a7e", `{"log":"n=`, "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := startProgram(t, dir, fmt.Sprintf(`[SERVICE]
    storage.path %[1]s/queue
[INPUT]
    Name forward
    unix_path %[1]s/in.sock
[FILTER]
    Name record_modifier
    Match *
    Record ecs_cluster demo
    Record ecs_task_arn arn:aws:ecs:eu-west-1:123456789012:task/demo/abc
[OUTPUT]
    Match *
    region eu-west-1
    endpoint %[2]s%[3]s
`, dir, url, c.options), "", servers.MotoEnv()...)
			began := time.Now()
			p.mustSend(t, 0, records)
			p.stop(t)
			t.Logf("delivered in %v", time.Since(began))
			out := servers.Boto(t, readGroup, url, c.group)
			head, events, _ := strings.Cut(out, "\n")
			if want := "retention 30 " + c.tags; head != want {
				t.Errorf("got %s, want %s", head, want)
			}
			seen := make(map[string]bool)
			for line := range strings.Lines(events) {
				stream, message, _ := strings.Cut(line, " ")
				number, ok := strings.CutPrefix(message, c.message)
				number, _, _ = strings.Cut(number, ".")
				if stream != c.stream || !ok || seen[number] {
					t.Fatalf("got %q, want a record in %s, once", line, c.stream)
				}
				seen[number] = true
			}
			if len(seen) != records {
				t.Errorf("got %d records, want %d", len(seen), records)
			}
		})
	}
}
