package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/e2e/servers"
	"github.com/firelane/firelane/record"
)

// startByField starts firelane with an output that takes each record's index from its field "index".
func startByField(t *testing.T, output string) *program {
	t.Helper()
	dir, err := os.MkdirTemp(world.dir, "p")
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, dir, fmt.Sprintf(`[SERVICE]
    storage.path %[1]s/queue
[INPUT]
    Name forward
    unix_path %[1]s/in.sock
[OUTPUT]
    Name opensearch
    Match *
    Index $index
%[2]s`, dir, output), "")
}

// sendTo sends n records to an index, and returns when they are in the queue.
func (p *program) sendTo(t *testing.T, index string, n int) {
	t.Helper()
	conn, err := net.Dial("unix", p.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := record.AppendArrayHeader(record.AppendStr(record.AppendArrayHeader(nil, 3), "app"), n)
	for i := range n {
		b = record.AppendTime(record.AppendArrayHeader(b, 2), record.Time{Sec: uint32(time.Now().Unix())})
		b = record.AppendStr(record.AppendStr(record.AppendMapHeader(b, 2), "index"), index)
		b = record.AppendInt(record.AppendStr(b, "n"), int64(i))
	}
	b = record.AppendStr(record.AppendStr(record.AppendMapHeader(b, 1), "chunk"), "c")
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	var reply map[string]string
	if err := msgpack.NewDecoder(conn).Decode(&reply); err != nil {
		t.Fatal(err)
	}
}

// holds waits until an index has n documents.
func holds(t *testing.T, search *servers.Search, index string, want int, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() (bool, string) {
		n, err := search.Count(index)
		if n > want {
			t.Fatalf("%s has %d documents, want %d", index, n, want)
		}
		return n == want, fmt.Sprintf("%s has %d documents of %d, %v", index, n, want, err)
	})
}

// endsWith stops firelane, which must not take the whole grace, and checks its last line.
func (p *program) endsWith(t *testing.T, texts ...string) {
	t.Helper()
	begun := time.Now()
	p.stop(t)
	if took := time.Since(begun); took > 12*time.Second {
		t.Errorf("the stop took %v, want it not to wait for deferred records", took)
	}
	last := p.log()[strings.LastIndex(strings.TrimSpace(p.log()), "\n")+1:]
	for _, text := range append(texts, `"unaccounted":0`) {
		if !strings.Contains(last, text) {
			t.Errorf("the last line lacks %s: %s", text, last)
		}
	}
}

// Late records for an index that is read-only don't hold up the others, at 1,000 a second; when the block is lifted, they
// arrive, also after a restart.
func TestRecordsForAReadOnlyIndexHoldUpNoOthers(t *testing.T) {
	t.Parallel()
	search := useSearch(t, servers.OpenSearch2())
	must(t)(search.Do("PUT", "/web-late", `{"settings":{"index.blocks.read_only":true}}`))
	t.Cleanup(func() { search.Do("PUT", "/web-late/_settings", `{"index.blocks.read_only":false}`) })
	p := startByField(t, fmt.Sprintf("    Host 127.0.0.1\n    Port %d\n", search.Port))
	const seconds = 45
	for i := range seconds {
		begun := time.Now()
		for range 10 {
			p.sendTo(t, "web-good", 100)
			p.sendTo(t, "web-late", 1)
			time.Sleep(max(0, 100*time.Millisecond-time.Since(begun)/10))
		}
		if i%10 == 9 {
			holds(t, search, "web-good", (i+1)*1000, 5*time.Second)
		}
	}
	holds(t, search, "web-good", seconds*1000, 5*time.Second)
	p.says(t, "they are deferred", 5*time.Second)
	if peak := p.peak(t); peak > 50 {
		t.Errorf("firelane used %.0f MiB", peak)
	}
	p.endsWith(t, fmt.Sprintf(`"delivered":%d`, seconds*1000), `"dead_lettered":0`, fmt.Sprintf(`"deferred":%d`, seconds*10))

	must(t)(search.Do("PUT", "/web-late/_settings", `{"index.blocks.read_only":false}`))
	again := startProgram(t, p.dir, p.config(t), "")
	holds(t, search, "web-late", seconds*10, time.Minute)
	again.endsWith(t, fmt.Sprintf(`"delivered":%d`, seconds*10), `"buffered":0`)
}

func (p *program) config(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.dir + "/firelane.conf")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What an operator repairs waits, in whatever words the server refuses it, also if it concerns all records.
func TestRecordsWaitForWhatAnOperatorRepairs(t *testing.T) {
	const n = 20_000
	cases := map[string]struct {
		says            string
		breaks, repairs [][3]string
	}{
		"an alias without a write index": {
			"has no write index for alias web-x: ",
			[][3]string{{"PUT", "/web-1", `{"aliases":{"web-x":{}}}`}, {"PUT", "/web-2", `{"aliases":{"web-x":{}}}`}},
			[][3]string{{"POST", "/_aliases", `{"actions":[{"add":{"index":"web-2","alias":"web-x","is_write_index":true}}]}`}},
		},
		"a closed index": {
			"has closed index web-x: ",
			[][3]string{{"PUT", "/web-x", ""}, {"POST", "/web-x/_close", ""}},
			[][3]string{{"POST", "/web-x/_open", ""}},
		},
		"a missing index": {
			"has no index web-x",
			[][3]string{{"PUT", "/_cluster/settings", `{"transient":{"action.auto_create_index":"false"}}`}},
			[][3]string{{"PUT", "/web-x", ""}, {"PUT", "/_cluster/settings", `{"transient":{"action.auto_create_index":null}}`}},
		},
	}
	for _, kind := range []servers.Kind{servers.OpenSearch2(), servers.Elasticsearch7()} {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			for name, c := range cases {
				t.Run(name, func(t *testing.T) {
					search := useSearch(t, kind)
					for _, do := range c.breaks {
						must(t)(search.Do(do[0], do[1], do[2]))
					}
					t.Cleanup(func() {
						search.Do("PUT", "/_cluster/settings", `{"transient":{"action.auto_create_index":null}}`)
					})
					p := startByField(t, fmt.Sprintf("    Host 127.0.0.1\n    Port %d\n    Retry_Limit 2\n", search.Port))
					for range n / 1000 {
						p.sendTo(t, "web-x", 1000)
					}
					p.says(t, c.says, 30*time.Second)
					time.Sleep(5 * time.Second) // time enough for a record to be given up
					for _, do := range c.repairs {
						must(t)(search.Do(do[0], do[1], do[2]))
					}
					holds(t, search, "web-x", n, time.Minute)
					p.says(t, "delivering again after ", 5*time.Second)
					p.endsWith(t, fmt.Sprintf(`"delivered":%d`, n), `"dead_lettered":0`, `"buffered":0`)
				})
			}
		})
	}
}
