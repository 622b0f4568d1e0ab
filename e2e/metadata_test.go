package e2e

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/ecs/ecstest"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// A task definition that sets nothing but the variable. The metadata endpoint doesn't answer at first, and then answers late: the lines
// that Docker's driver sends meanwhile are delivered, and later ones have all fields.
func TestLinesOfDockersDriverGetTheMetadataOfTheirTaskAndContainer(t *testing.T) {
	metadata := ecstest.New()
	defer metadata.Close()
	metadata.SetMetadata(fmt.Sprintf(`{"Cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/%s","TaskARN":%q,"Family":"web","Revision":"7",`+
		`"AvailabilityZone":"eu-west-1a","LaunchType":"FARGATE","ServiceName":"shop","Containers":[{"Name":"log_router","DockerId":"1","Image":"firelane"},`+
		`{"Name":"app","DockerId":"2","Image":"app:3"}]}`, cluster, taskARN))
	metadata.Fail(1 << 30)
	metadata.Wait(500 * time.Millisecond)
	server := bulktest.New(bulktest.Options{})
	web := serve(t, "127.0.0.1:0", httptest.NewUnstartedServer(server))
	web.Start()
	task := taskDefinition{
		Type: "fluentbit",
		LogOptions: map[string]string{
			"Name": "es", "Host": "127.0.0.1", "Port": fmt.Sprint(portOf(web)), "Logstash_Format": "On", "Logstash_Prefix": "web", "exclude-pattern": "never",
		},
		RouterOptions: []string{"-e", "FIRELANE_ECS_METADATA=full", "-e", "ECS_CONTAINER_METADATA_URI_V4=" + metadata.URI()},
		Command:       []string{"early"},
	}.start(t)
	documents := func(line string) (list []map[string]string) {
		for _, d := range server.Documents("web-*") {
			var fields map[string]string
			if err := json.Unmarshal(d.Source, &fields); err != nil {
				t.Fatal(err)
			}
			if fields["log"] == line {
				list = append(list, fields)
			}
		}
		return list
	}
	var early map[string]string
	eventually(t, time.Minute, func() (bool, string) {
		if list := documents("early"); len(list) > 0 {
			early = list[0]
		}
		return early != nil, "the line of before the metadata isn't there"
	})
	if early["ecs_container_name"] != "app" || early["ecs_task_id"] != taskID || early["ecs_container_image"] != "" || early["ecs_cluster"] != cluster {
		t.Errorf("got %v, want what ECS and the tag say, and no more", early)
	}
	metadata.Fail(0)
	var late map[string]string
	eventually(t, time.Minute, func() (bool, string) {
		task.addApp(t, "late")
		time.Sleep(time.Second)
		for _, d := range documents("late") {
			if d["ecs_container_image"] != "" {
				late = d
			}
		}
		return late != nil, "no line has the container's image"
	})
	for field, want := range map[string]string{
		"ecs_cluster": cluster, "ecs_task_arn": taskARN, "ecs_task_definition": "web:7", "ecs_family": "web", "ecs_revision": "7", "ecs_task_id": taskID,
		"ecs_container_name": "app", "ecs_container_image": "app:3", "availability_zone": "eu-west-1a", "launch_type": "FARGATE", "service_name": "shop",
		"aws_region": "eu-west-1", "log": "late", "source": "stdout",
	} {
		if late[field] != want {
			t.Errorf("%s: got %q, want %q", field, late[field], want)
		}
	}
	task.end(t)
	if log := task.routerLog(); !strings.Contains(log, "the task metadata endpoint answers") {
		t.Errorf("got no line that the endpoint answers: %s", log)
	}
}
