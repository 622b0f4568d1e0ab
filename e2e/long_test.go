package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/lines"
	"github.com/firelane/firelane/e2e/servers"
)

// startWith starts a task whose configuration includes a file with text, in addition to what the ECS agent generates.
func startWith(t *testing.T, search *servers.Search, text string, command ...string) *task {
	t.Helper()
	file := filepath.Join(t.TempDir(), "extra.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return taskDefinition{
		Type: "fluentbit", ConfigFile: "/extra.conf", LogOptions: logOptions("fluentbit", "es", search),
		RouterOptions: []string{"-v", file + ":/extra.conf:ro"}, Command: command,
	}.start(t)
}

// joinTraces is a typical configuration that joins a stack trace to one document.
const joinTraces = `
[FILTER]
    Name multiline
    Match *
    multiline.key_content log
    multiline.parser java
`

// addApp starts another application of the task, whose log driver is connected to the router without a tap.
func (k *task) addApp(t *testing.T, command ...string) {
	t.Helper()
	app := docker(t, append([]string{"run", "-d", "--network", "none", "--log-driver", "fluentd",
		"--log-opt", "fluentd-address=unix://" + filepath.Join(k.dir, "socket", "fluent.sock"),
		"--log-opt", "tag=app-firelens-" + taskID,
		"--log-opt", "fluentd-async=true", "--log-opt", "fluentd-sub-second-precision=true",
		"--entrypoint", "/bin/emitter", appImage}, command...)...)
	t.Cleanup(func() { world.docker.Run("rm", "-f", app) })
}

// longLines counts the documents of each long line, by its text. The ends of lines, whose beginning a kill has lost, are counted apart.
// Any other document ends the test.
func longLines(t *testing.T, search *servers.Search, applications []string, count int) (times map[string]int, ends int) {
	t.Helper()
	documents, err := search.Documents("web-*")
	if err != nil {
		t.Fatal(err)
	}
	written := make(map[string]string) // name of each line, by its text
	for _, app := range applications {
		for _, stream := range []string{"stdout", "stderr"} {
			for i := range count {
				written[asUTF8(string(lines.Long(app, stream, i)))] = fmt.Sprintf("%s %s %d", app, stream, i)
			}
		}
	}
	times = make(map[string]int)
	isEnd := func(log string) bool {
		for line := range written {
			if len(log) < lines.LongSize && strings.HasSuffix(line, log) {
				return true
			}
		}
		return false
	}
	for _, d := range documents {
		var fields map[string]string
		if err := json.Unmarshal(d.Source, &fields); err != nil {
			t.Fatal(err)
		}
		name, ok := written[fields["log"]]
		if !ok && isEnd(fields["log"]) {
			ends++
			continue
		}
		if !ok {
			t.Fatalf("a document isn't a line that was written: %d bytes %.80q", len(fields["log"]), fields["log"])
		}
		times[name]++
	}
	return times, ends
}

// Docker splits each of these lines into 64 parts, and the parts of six streams are interleaved.
func TestLongLinesOfThreeContainersComeBackExactly(t *testing.T) {
	const count = 4
	search := useSearch(t, servers.OpenSearch2())
	applications := []string{"web", "worker", "sidecar"}
	task := startWith(t, search, joinTraces, "long", applications[0], fmt.Sprint(count), "0s")
	for _, name := range applications[1:] {
		task.addApp(t, "long", name, fmt.Sprint(count), "0s")
	}
	want := count * 2 * len(applications)
	task.delivers(t, search, want, 2*time.Minute)
	task.end(t)
	if got, ends := longLines(t, search, applications, count); len(got) != want || ends > 0 {
		t.Errorf("%d different lines, and the ends of %d; want %d whole ones: %v", len(got), ends, want, got)
	}
}

func TestAStackTraceIsOneDocument(t *testing.T) {
	const depth = 500
	search := useSearch(t, servers.OpenSearch2())
	trace := lines.Trace(depth)
	task := startWith(t, search, joinTraces, "before\n"+trace+"\nafter")
	task.delivers(t, search, 3, time.Minute)
	task.end(t)
	documents, err := search.Documents("web-*")
	if err != nil {
		t.Fatal(err)
	}
	got := byTime(t, documents, "stdout")
	for i, want := range []string{"before", trace, "after"} {
		if log := got[i].Field["log"]; log != want {
			t.Errorf("document %d is %d bytes %.80q…, want %d bytes %.80q…", i, len(log), log, len(want), want)
		}
	}
}

// If a client doesn't wait for acks, a kill may lose only what docs/delivery.md says: for each stream, the line whose parts are held;
// and for each connection, the data that was still in its socket, which is less than another line.
func TestAKillInTheMiddleOfALongLineLosesNoOtherLine(t *testing.T) {
	const count, mayLose = 12, 2 + 1
	search := useSearch(t, servers.OpenSearch2())
	task := startWith(t, search, "", "hello")
	task.delivers(t, search, 1, time.Minute)
	must(t)(search.Do("DELETE", "/web-*", ""))
	task.addApp(t, "long", "web", fmt.Sprint(count), "200ms")
	eventually(t, time.Minute, func() (bool, string) {
		n, err := search.Count("web-*")
		return n >= 4, fmt.Sprintf("%d documents, %v", n, err)
	})
	docker(t, "kill", "-s", "KILL", task.router)
	docker(t, "start", task.router)
	eventually(t, 2*time.Minute, func() (bool, string) {
		n, err := search.Count("web-*")
		return n >= 2*count-mayLose, fmt.Sprintf("%d documents of %d, %v", n, 2*count, err)
	})
	task.end(t)
	got, ends := longLines(t, search, []string{"web"}, count)
	if len(got) < 2*count-mayLose || ends > 2 {
		t.Errorf("%d whole lines of %d, and the ends of %d; want at most %d lost, and one end of each stream", len(got), 2*count, ends, mayLose)
	}
	for name, n := range got {
		if n != 1 {
			t.Errorf("%s is in %d documents, want 1", name, n)
		}
	}
}
