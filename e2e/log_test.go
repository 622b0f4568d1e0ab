package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
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

// A logLine is a line of firelane's log.
type logLine struct {
	Message, Level string
	Lasted         float64 `json:"lasted_s"`
	DeadLetter     string  `json:"dead_letter"`
	Records        int
}

func (p *program) lines(t *testing.T) (all []logLine) {
	t.Helper()
	for text := range strings.Lines(p.log()) {
		var l logLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Errorf("a line isn't JSON: %s", text)
		}
		all = append(all, l)
	}
	return all
}

// lineOf returns the first line whose message has a text.
func (p *program) lineOf(t *testing.T, text string) logLine {
	t.Helper()
	all := p.lines(t)
	i := slices.IndexFunc(all, func(l logLine) bool { return strings.Contains(l.Message, text) })
	if i < 0 {
		t.Fatalf("no line has %q", text)
	}
	return all[i]
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
			if level := p.lineOf(t, strings.TrimPrefix(c.says, `"message":"`)).Level; level != "error" {
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

// A server that is away for more than a minute: a line at once, one after the minute, and one when it is back.
func TestTheLogTellsOfAnOutageOnceAMinute(t *testing.T) {
	t.Parallel() // it waits for most of its time
	search := useSearch(t, servers.OpenSearch3())
	p, send := startLogged(t, search)
	send("web-x", 10)
	holds(t, search, "web-x", 10, time.Minute)
	search.Stop()
	begun := time.Now()
	const n = 12345
	send("web-x", n)
	p.says(t, "OpenSearch refuses connections: 12,345 records wait, ", 30*time.Second)
	time.Sleep(time.Until(begun.Add(time.Minute + 10*time.Second)))
	search = restart(t, search)
	holds(t, search, "web-x", n+10, 2*time.Minute)
	p.says(t, "delivering again after ", 10*time.Second)
	lasted := p.lineOf(t, "delivering again after ").Lasted
	if got, want := strings.Count(p.log(), "OpenSearch refuses connections: "), 1+int(lasted/60); got != want || lasted < 60 {
		t.Errorf("got %d lines about an outage of %v s, want %d: at once, and after each minute", got, lasted, want)
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
	for _, l := range p.lines(t) {
		if l.DeadLetter != "" {
			total += l.Records
		}
	}
	if total != 733 {
		t.Errorf("the lines add up to %d dead letters, want 733", total)
	}
	t.Logf("the log:\n%s", p.log())
}

// No credentials, wrong ones, and those of a user who may not write have different remedies, so they have different lines.
func TestTheLogTellsCredentialsFromRights(t *testing.T) {
	search := secureSearch(t)
	const api = "/_plugins/_security/api/"
	must(t)(search.Do("PUT", api+"roles/reader", `{"cluster_permissions":["cluster_composite_ops"],"index_permissions":[{"index_patterns":["web-*"],"allowed_actions":["read"]}]}`))
	must(t)(search.Do("PUT", api+"internalusers/reader", `{"password":"a-Long-passw0rd-1177"}`))
	must(t)(search.Do("PUT", api+"rolesmapping/reader", `{"users":["reader"]}`))
	for name, c := range map[string]struct{ signIn, says string }{
		"no credentials": {"", "OpenSearch wants credentials, and none are configured (401): 3 records wait, "},
		"wrong password": {"    HTTP_User reader\n    HTTP_Passwd wrong\n", "OpenSearch refused user and password (401): 3 records wait, "},
		"no rights":      {"    HTTP_User reader\n    HTTP_Passwd a-Long-passw0rd-1177\n", "OpenSearch denied access (403), index web-x: 3 records wait, "},
	} {
		t.Run(name, func(t *testing.T) {
			p := startByField(t, fmt.Sprintf("    Host %s\n    Port %d\n    tls On\n    tls.verify On\n    tls.ca_file %s\n%s", servers.SecureHost, search.Port, search.CAFile(), c.signIn))
			p.sendTo(t, "web-x", 3)
			p.says(t, c.says, 30*time.Second)
			if strings.Contains(p.log(), "a-Long-passw0rd") {
				t.Error("the log has the password")
			}
			t.Logf("the log:\n%s", p.log())
		})
	}
}
