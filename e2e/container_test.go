package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// As a user that isn't root, without capabilities, the router has its queue in the image's folder; with a read-only root, in memory,
// or on a volume.
func TestRouterNeedsNeitherRootNorAWritableRoot(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	for _, c := range []struct {
		name    string
		options []string
		memory  bool
	}{
		{"user", nil, false},
		{"user and read-only root", []string{"--read-only"}, true},
		{"user, read-only root and volume", []string{"--read-only", "-v", "queues:/var/lib/firelane"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(t)(search.Do("DELETE", "/web-*", ""))
			task := taskDefinition{
				Type: "fluentbit", LogOptions: logOptions("fluentbit", "es", search), Command: []string{"hello"},
				User: 1000, RouterOptions: append([]string{"--cap-drop", "ALL"}, c.options...),
			}.start(t)
			task.delivers(t, search, 1, time.Minute)
			task.end(t)
			if got := strings.Contains(task.routerLog(), "no queue on disk"); got != c.memory {
				t.Errorf("the queue is in memory: got %v, want %v", got, c.memory)
			}
		})
	}
}

// Two runs of the tool make the same image, and Docker finds it under the same ID.
func TestTwoBuildsOfTheImageHaveOneDigest(t *testing.T) {
	var ids []string
	for _, name := range []string{"one.tar", "two.tar"} {
		file := filepath.Join(t.TempDir(), name)
		if err := makeImage(file); err != nil {
			t.Fatal(err)
		}
		if err := world.docker.Load(file); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, docker(t, "image", "inspect", "-f", "{{.Id}}", routerImage))
	}
	if ids[0] != ids[1] {
		t.Errorf("got the images %q, want one", ids)
	}
	labels := docker(t, "image", "inspect", "-f", "{{json .Config.Labels}}", routerImage)
	if !strings.Contains(labels, `"org.opencontainers.image.source":"https://github.com/firelane/firelane"`) {
		t.Errorf("got the labels %s, want those that OCI names", labels)
	}
}

// A field whose type changes: the server keeps the first one, and the dead letter names the field and both types. Once the index is
// gone, the record is delivered.
func TestAMappingConflictIsNamedAndResent(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	task := taskDefinition{
		Type: "fluentbit", ConfigFile: "/fluent-bit/configs/parse-json.conf", LogOptions: logOptions("fluentbit", "es", search),
		Command: []string{`{"took":12}` + "\n" + `{"took":"12ms"}` + "\n" + `{"took":{"ms":12}}`},
	}.start(t)
	task.delivers(t, search, 1, time.Minute)
	dead := func(args ...string) string { // stderr says why there is nothing
		out, err := world.docker.Command(append([]string{"exec", task.router, "/firelane", "dead"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("dead %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	var list string
	eventually(t, 30*time.Second, func() (bool, string) {
		list = dead("list", "-field", "took")
		return strings.Count(list, "mapper_parsing_exception") == 2, list
	})
	for _, want := range []string{
		`field took is long in the index, and the record has a string: "12ms"`,
		`field took is long in the index, and the record has an object: {"ms":12}`,
	} {
		if !strings.Contains(list, want) {
			t.Errorf("got %s\nwant %s", list, want)
		}
	}
	if got := dead("list", "-field", "other"); !strings.Contains(got, "no dead letter matches; there are 2 in all") {
		t.Errorf("got %s", got)
	}
	must(t)(search.Do("DELETE", "/web-*", ""))
	if got := dead("resend", "-reason", "12ms", "-since", "1h"); !strings.Contains(got, "es.0: delivered 1, dead-lettered again 0, left 0") {
		t.Errorf("got %s", got)
	}
	task.delivers(t, search, 1, time.Minute)
	if got := dead("show"); !strings.Contains(got, `record    {`) || strings.Contains(got, `"12ms"`) {
		t.Errorf("got %s\nwant the record with the object alone", got)
	}
}
