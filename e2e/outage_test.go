package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/lines"
	"github.com/firelane/firelane/e2e/servers"
)

// startOutput starts the sample application with a router that delivers to OpenSearch 2 and may use 64 MiB.
func startOutput(t *testing.T, search *servers.Search) *task {
	t.Helper()
	return taskDefinition{
		Type:          "fluentbit",
		LogOptions:    logOptions("fluentbit", "opensearch", search),
		RouterOptions: []string{"--memory", "64m"},
	}.start(t)
}

// With readonlyRootFilesystem there is no folder for a queue: the same promise is kept from memory.
func TestAReadOnlyContainerDeliversFromMemory(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	task := taskDefinition{
		Type: "fluentd", LogOptions: logOptions("fluentd", "opensearch", search),
		RouterOptions: []string{"--read-only", "--cap-drop", "ALL", "--memory", "64m"},
	}.start(t)
	task.says(t, `"queue_on_disk":false`, time.Minute)
	task.delivers(t, search, lines.Count, 2*time.Minute)
	task.end(t)
	task.checkEverything(t, search)
}

// checkEverything holds all documents against all lines.
func (k *task) checkEverything(t *testing.T, search *servers.Search) {
	t.Helper()
	documents, err := search.Documents("web-*")
	if err != nil {
		t.Fatal(err)
	}
	checkStream(t, k, documents, "stdout", lines.Stdout())
	checkStream(t, k, documents, "stderr", lines.Stderr())
}

// says waits until the router's log has a text.
func (k *task) says(t *testing.T, text string, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() (bool, string) {
		log := k.routerLog()
		return strings.Contains(log, text), fmt.Sprintf("the log doesn't say %q:\n%s", text, log)
	})
}

// restart starts the server again, with its data and at its port, after it was killed.
func restart(t *testing.T, killed *servers.Search) *servers.Search {
	t.Helper()
	again, err := servers.StartSearch(killed.Kind, filepath.Join(world.dir, killed.Name), killed.Port)
	if err != nil {
		t.Fatal(err)
	}
	world.mu.Lock()
	defer world.mu.Unlock()
	world.setSearch(again)
	return again
}

func TestAServerThatIsKilledInTheMiddleLosesAndDoublesNothing(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	task := startOutput(t, search)
	eventually(t, time.Minute, func() (bool, string) {
		n, err := search.Count("web-*")
		return n > 0, fmt.Sprint(n, err)
	})
	search.Kill()
	search = restart(t, search)
	task.delivers(t, search, lines.Count, 2*time.Minute)
	task.end(t)
	task.checkEverything(t, search)
}

// Stopped while the server is away, the router leaves what it has on disk, and delivers it when it is started again.
func TestWhatAStopLeavesIsDeliveredByTheNextStart(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	search.Kill()
	task := startOutput(t, search)
	eventually(t, time.Minute, func() (bool, string) {
		out, err := task.driver.lines("stdout")
		all, err2 := task.driver.lines("stderr")
		return len(out)+len(all) == lines.Count, fmt.Sprintf("the driver sent %d and %d lines, %v %v", len(out), len(all), err, err2)
	})
	task.end(t)
	if log := task.routerLog(); !strings.Contains(log, fmt.Sprintf(`"buffered":%d`, lines.Count)) {
		t.Errorf("the last line doesn't say that %d records are left", lines.Count)
	}
	search = restart(t, search)
	docker(t, "start", task.router)
	task.delivers(t, search, lines.Count, 2*time.Minute)
	docker(t, "stop", "-t", "30", task.router)
	task.checkEverything(t, search)
}

// What passes by an operator's hand is waited for: a flood stage that makes indices read-only, a cluster with all the
// shards that it may have.
func TestABlockedClusterIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		block, release []string // method, path, body
		says           string
	}{
		"flood stage": {
			block:   []string{"PUT", "/web-*/_settings", `{"index.blocks.read_only_allow_delete":true}`},
			release: []string{"PUT", "/web-*/_settings", `{"index.blocks.read_only_allow_delete":null}`},
			says:    "read-only-allow-delete",
		},
		"shards": {
			block:   []string{"PUT", "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":1}}`},
			release: []string{"PUT", "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":null}}`},
			says:    "maximum shards open",
		},
	} {
		t.Run(name, func(t *testing.T) {
			search := useSearch(t, servers.OpenSearch2())
			day := "/web-" + time.Now().UTC().Format("2006-01-02")
			if name == "shards" { // the day's index can't be made
				must(t)(search.Do("PUT", "/other", ""))
				t.Cleanup(func() { search.Do("DELETE", "/other", "") })
			} else {
				must(t)(search.Do("PUT", day, ""))
			}
			must(t)(search.Do(c.block[0], c.block[1], c.block[2]))
			task := startOutput(t, search)
			task.says(t, c.says, time.Minute)
			must(t)(search.Do(c.release[0], c.release[1], c.release[2]))
			task.delivers(t, search, lines.Count, 2*time.Minute)
			task.end(t)
			task.checkEverything(t, search)
		})
	}
}

// One document that the index can't take goes to the dead letter, with the field's name; the others arrive.
func TestAMappingConflictIsADeadLetter(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	day := "/web-" + time.Now().UTC().Format("2006-01-02")
	must(t)(search.Do("PUT", day, `{"mappings":{"properties":{"order":{"type":"long"}}}}`))
	task := taskDefinition{
		Type: "fluentbit", ConfigFile: "/fluent-bit/configs/parse-json.conf", LogOptions: logOptions("fluentbit", "es", search),
		Command: []string{"{\"order\":1}\n{\"order\":\"A-1001\"}\n{\"order\":3}"},
	}.start(t)
	task.delivers(t, search, 2, time.Minute)
	eventually(t, time.Minute, func() (bool, string) {
		out, err := world.docker.Run("exec", task.router, "/firelane", "dead", "list")
		return err == nil && strings.Contains(out, "[order]") && strings.Contains(out, "A-1001"), fmt.Sprint(out, err)
	})
	task.end(t)
	task.delivers(t, search, 2, 0)
}
