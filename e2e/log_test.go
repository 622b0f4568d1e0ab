package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// startLogged starts firelane with an output to a server that runs, and returns a function that sends n records to an index.
func startLogged(t *testing.T, search *servers.Search) (*program, func(index string, n int)) {
	t.Helper()
	p := startByField(t, fmt.Sprintf("    Host 127.0.0.1\n    Port %d\n", search.Port))
	return p, func(index string, n int) { p.sendTo(t, index, n) }
}

// levelOf returns the level of the first line whose message has a text.
func (p *program) levelOf(t *testing.T, text string) string {
	t.Helper()
	for line := range strings.Lines(p.log()) {
		var l struct{ Message, Level string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("a line isn't JSON: %s", line)
		}
		if strings.Contains(l.Message, text) {
			return l.Level
		}
	}
	t.Errorf("no line has %q", text)
	return ""
}

// What only an operator can end is told apart, with what to do, and its end, too.
func TestTheLogSaysWhatAnOperatorMustRepair(t *testing.T) {
	const n = 1204
	for name, c := range map[string]struct {
		block, release [][3]string // method, path, body
		says           string
	}{
		"read-only": {
			[][3]string{{"PUT", "/web-x", `{"settings":{"index.blocks.write":true}}`}}, [][3]string{{"PUT", "/web-x/_settings", `{"index.blocks.write":null}`}},
			`"message":"OpenSearch has made index web-x read-only (index.blocks): 1,204 records wait, `,
		},
		"flood stage": {
			[][3]string{{"PUT", "/web-x", `{"settings":{"index.blocks.read_only_allow_delete":true}}`}}, [][3]string{{"PUT", "/web-x/_settings", `{"index.blocks.read_only_allow_delete":null}`}},
			`"message":"OpenSearch is out of disk space (flood-stage block), index web-x: 1,204 records wait, `,
		},
		"closed": {
			[][3]string{{"PUT", "/web-x", ""}, {"POST", "/web-x/_close", ""}}, [][3]string{{"POST", "/web-x/_open", ""}},
			`"message":"OpenSearch has closed index web-x: 1,204 records wait, `,
		},
		"shards": {
			[][3]string{{"PUT", "/web-other", ""}, {"PUT", "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":1}}`}},
			[][3]string{{"PUT", "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":null}}`}},
			`"message":"OpenSearch has reached its shard limit: 1,204 records wait, `,
		},
	} {
		t.Run(name, func(t *testing.T) {
			search := useSearch(t, servers.OpenSearch2())
			for _, do := range c.block {
				must(t)(search.Do(do[0], do[1], do[2]))
			}
			t.Cleanup(func() {
				search.Do("PUT", "/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":null}}`)
			})
			p, send := startLogged(t, search)
			send("web-x", n)
			p.says(t, c.says, 30*time.Second)
			if level := p.levelOf(t, strings.TrimPrefix(c.says, `"message":"`)); level != "error" {
				t.Errorf("got the level %s, want error: only a person ends this", level)
			}
			for _, do := range c.release {
				must(t)(search.Do(do[0], do[1], do[2]))
			}
			holds(t, search, "web-x", n, time.Minute)
			p.says(t, "delivering again after ", 10*time.Second)
			p.endsWith(t, fmt.Sprintf(`"delivered":%d`, n), `"buffered":0`)
			t.Logf("the log:\n%s", p.log())
		})
	}
}

// A server that is away for two minutes: a line at once, one a minute, and one when it is back.
func TestTheLogTellsOfAnOutageOnceAMinute(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	p, send := startLogged(t, search)
	send("web-x", 10)
	holds(t, search, "web-x", 10, time.Minute)
	search.Stop()
	begun := time.Now()
	const n = 12345
	send("web-x", n)
	p.says(t, "OpenSearch refuses connections: 12,345 records wait, ", 30*time.Second)
	time.Sleep(time.Until(begun.Add(2*time.Minute + 10*time.Second)))
	search = restart(t, search)
	holds(t, search, "web-x", n+10, 2*time.Minute)
	p.says(t, "delivering again after 2m; sending ", 10*time.Second)
	if got := strings.Count(p.log(), "OpenSearch refuses connections: "); got != 3 {
		t.Errorf("got %d lines about the outage, want 3: at once, and after each minute", got)
	}
	p.endsWith(t, fmt.Sprintf(`"delivered":%d`, n+10), `"buffered":0`)
	t.Logf("the log:\n%s", p.log())
}

// The lines about dead letters and the accounts agree: a line for the first of each reason, then totals.
func TestTheLogsDeadLettersAddUpToTheAccount(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	must(t)(search.Do("PUT", "/web-bad", `{"mappings":{"properties":{"n":{"type":"ip"}}}}`))
	p, send := startLogged(t, search)
	send("web-good", 50)
	send("web-bad", 700)
	send("web-bad", 33)
	holds(t, search, "web-good", 50, time.Minute)
	p.says(t, "for good (400 mapper_parsing_exception)", time.Minute)
	p.endsWith(t, `"delivered":50`, `"dead_lettered":733`)
	total := 0
	for line := range strings.Lines(p.log()) {
		var l struct {
			DeadLetter string `json:"dead_letter"`
			Records    int
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.DeadLetter != "" {
			total += l.Records
		}
	}
	if total != 733 {
		t.Errorf("the lines add up to %d dead letters, want 733", total)
	}
	t.Logf("the log:\n%s", p.log())
}
