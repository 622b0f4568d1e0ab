package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/e2e/servers"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/retain"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/bulk"
	"github.com/firelane/firelane/sink/sinktest"
)

// searchOutput is an output of Fluent Bit that writes to the server.
func searchOutput(t *testing.T, search *servers.Search, lines string) *bulk.Destination {
	t.Helper()
	u, err := url.Parse(search.URL())
	if err != nil {
		t.Fatal(err)
	}
	o := sinktest.Bind[bulk.Options](t, config.FluentBit, fmt.Sprintf("host %s\nport %s\n%s", u.Hostname(), u.Port(), lines))
	d, err := bulk.New(o, config.FluentBit, sink.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d.(*bulk.Destination)
}

// ask is Do; what fails ends the test.
func ask(t *testing.T, search *servers.Search, method, path, body string) string {
	t.Helper()
	answer, err := search.Do(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// bootstrap installs what the output asks for, and returns a line for each part.
func bootstrap(t *testing.T, d *bulk.Destination) (lines []string) {
	t.Helper()
	results, err := retain.Apply(t.Context(), d, time.Now(), false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range results {
		lines = append(lines, results[i].Line(false))
	}
	return lines
}

// deleteTemplates removes what a test has installed.
func deleteTemplates(t *testing.T, search *servers.Search) {
	t.Helper()
	t.Cleanup(func() {
		for _, path := range []string{"/_data_stream/logs-web", "/_index_template/firelane-logs-web", "/_index_template/firelane-web", "/web-*"} {
			_, _ = search.Do("DELETE", path, "")
		}
	})
}

const dailyIndices = "firelane_bootstrap On\nfirelane_days 30\nfirelane_replicas 0\nlogstash_format On\nlogstash_prefix web\nlogstash_dateformat %Y-%m\n"

// These servers have no policies: the stand-in retain/retaintest is the tests' server of those.
func TestTheTemplateIsInstalledOnceAndAPersonsChangeStays(t *testing.T) {
	for _, kind := range servers.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			search := useSearch(t, kind)
			deleteTemplates(t, search)
			d := searchOutput(t, search, dailyIndices)
			first := bootstrap(t, d)
			t.Logf("the first time: %q", first)
			if !slices.Contains(first, "index template firelane-web: created") {
				t.Errorf("got %q, want the template created", first)
			}
			stored := ask(t, search, "GET", "/_index_template/firelane-web", "")
			if again := bootstrap(t, d); !slices.Contains(again, "index template firelane-web: is there already") {
				t.Errorf("the second time: got %q", again)
			}
			if again := ask(t, search, "GET", "/_index_template/firelane-web", ""); again != stored {
				t.Errorf("the second time changed the template:\n%s\n%s", stored, again)
			}
			more := searchOutput(t, search, dailyIndices+"firelane_shards 2\n")
			if lines := bootstrap(t, more); !slices.Contains(lines, "index template firelane-web: updated") {
				t.Errorf("another option: got %q", lines)
			}
			stored = ask(t, search, "GET", "/_index_template/firelane-web", "")
			var answer struct {
				Templates []struct {
					Template map[string]any `json:"index_template"`
				} `json:"index_templates"`
			}
			if err := json.Unmarshal([]byte(stored), &answer); err != nil {
				t.Fatal(err)
			}
			body := answer.Templates[0].Template
			body["template"].(map[string]any)["settings"].(map[string]any)["index"].(map[string]any)["refresh_interval"] = "30s"
			changed, _ := json.Marshal(body)
			ask(t, search, "PUT", "/_index_template/firelane-web", string(changed))
			if lines := bootstrap(t, d); !slices.ContainsFunc(lines, func(s string) bool {
				return strings.HasPrefix(s, "index template firelane-web: left alone: somebody has changed it")
			}) {
				t.Errorf("after a person's change: got %q", lines)
			}
		})
	}
}

func TestTheFirstRecordMakesADataStream(t *testing.T) {
	for _, kind := range []servers.Kind{servers.OpenSearch2(), servers.OpenSearch3()} {
		t.Run(kind.Name, func(t *testing.T) {
			search := useSearch(t, kind)
			deleteTemplates(t, search)
			d := searchOutput(t, search, "firelane_bootstrap On\nfirelane_days 30\nfirelane_replicas 0\nfirelane_data_stream On\nindex logs-web\n")
			t.Logf("%q", bootstrap(t, d))
			if again := bootstrap(t, d); !slices.Contains(again, "index template firelane-logs-web: is there already") {
				t.Errorf("the second time: got %q", again)
			}
			if refused := deliver(t, d, []sink.Record{textRecord(0, time.Now(), `{"log":"hello"}`)}); len(refused) > 0 {
				t.Errorf("refused: %q", refused)
			}
			if answer := ask(t, search, "GET", "/_data_stream/logs-web", ""); !strings.Contains(answer, ".ds-logs-web-000001") {
				t.Errorf("got %s, want a data stream", answer)
			}
		})
	}
}

// textRecord is a record of JSON.
func textRecord(n int, at time.Time, text string) sink.Record {
	body, err := record.AppendFromJSON(nil, []byte(text))
	if err != nil {
		panic(err)
	}
	return sink.Record{Event: record.Event{Tag: "app", Time: record.Time{Sec: uint32(at.Unix())}, Body: body}, ID: record.ID{Pos: uint64(n)}}
}

// deliver sends records, and returns the reasons of those that are refused for good, with the record.
func deliver(t *testing.T, d *bulk.Destination, records []sink.Record) (refused []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for part := range slices.Chunk(records, 200) {
		req := new(sink.Request)
		for i := range part {
			var err error
			if req.Body, err = d.Append(req.Body, &part[i]); err != nil {
				t.Fatal(err)
			}
			req.Ends = append(req.Ends, len(req.Body))
		}
		reply := d.Send(ctx, req)
		if reply.Err != nil && reply.Verdict != sink.Done {
			t.Fatal(reply.Err)
		}
		for _, it := range reply.Items {
			if it.Verdict != sink.Done {
				refused = append(refused, fmt.Sprintf("%d %s: %s: %.300s", it.Status, it.Type, it.Reason, req.Item(it.Index)))
			}
		}
	}
	return refused
}

// A year of records whose fields have another type each time. What a template can't prevent isn't among them: a field that is
// first an object and later a text, an array of numbers and texts, more fields than an index may have, empty names.
func TestAYearOfOddRecordsHasNoMappingConflict(t *testing.T) {
	for _, kind := range servers.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			search := useSearch(t, kind)
			deleteTemplates(t, search)
			d := searchOutput(t, search, dailyIndices)
			bootstrap(t, d)
			odd := oddRecords(rand.New(rand.NewPCG(15, 1)), time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC), 365, 6)
			refused := deliver(t, d, odd)
			if len(refused) > 0 {
				t.Errorf("%d of %d records are refused, such as:\n%s", len(refused), len(odd), strings.Join(refused[:min(len(refused), 5)], "\n"))
			}
			n, err := search.Count("web-*")
			if err != nil || n != len(odd) {
				t.Errorf("got %d documents, %v, want %d", n, err, len(odd))
			}
			// The same records without the template: the test is worth something only if they conflict there.
			if _, err := search.Do("DELETE", "/web-*", ""); err != nil {
				t.Fatal(err)
			}
			ask(t, search, "DELETE", "/_index_template/firelane-web", "")
			without := deliver(t, d, odd)
			t.Logf("%d records: %d refused with the template, %d without", len(odd), len(refused), len(without))
			if len(without) == 0 {
				t.Error("without the template nothing is refused")
			}
		})
	}
}

// oddRecords are perDay records of each of so many days.
func oddRecords(r *rand.Rand, begin time.Time, days, perDay int) (list []sink.Record) {
	scalar := func() string {
		all := []string{
			`1`, `-7`, `1.5`, `1e300`, `18446744073709551615`, `true`, `false`, `null`, `""`, `"200"`, `"OK"`, `"2026-01-01"`, `"12/31/2025"`, `"10.0.0.1"`,
			`[1,2]`, `["x","y"]`, `[]`, `"{\"a\":1}"`, `"\u0000\u001b[31mred"`,
		}
		if r.IntN(1000) == 0 {
			return `"` + strings.Repeat("k", 40_000) + `"` // longer than a term of Lucene
		}
		return all[r.IntN(len(all))]
	}
	var object func(depth int) string
	object = func(depth int) string {
		members := []string{fmt.Sprintf(`"n":%s`, scalar()), fmt.Sprintf(`"s%d":%s`, r.IntN(3), scalar())}
		if depth > 0 {
			members = append(members, `"o":`+object(depth-1))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	for day := range days {
		for n := range perDay {
			members := []string{fmt.Sprintf(`"log":%s`, scalar()), `"http.request.method":` + scalar(), `"service.name":` + scalar()}
			for range 3 {
				members = append(members, fmt.Sprintf(`"f%d":%s`, r.IntN(8)*3+len(members), scalar()))
			}
			members = append(members, fmt.Sprintf(`"o%d":%s`, r.IntN(4), object(r.IntN(40))))
			at := begin.AddDate(0, 0, day).Add(time.Duration(n) * time.Minute)
			list = append(list, textRecord(len(list), at, "{"+strings.Join(members, ",")+"}"))
		}
	}
	return list
}

// A user of OpenSearch's security plugin may write documents and not templates: one result names the permission, and as soon as the
// user has it the template is installed.
func TestAUserWithoutPermissionIsToldWhichOne(t *testing.T) {
	search := secureSearch(t)
	const (
		api  = "/_plugins/_security/api/"
		role = `{"cluster_permissions":["cluster_composite_ops","cluster_monitor"%s],"index_permissions":[{"index_patterns":["web-*"],"allowed_actions":["crud","create_index"]}]}`
	)
	must(t)(search.Do("PUT", api+"roles/router", fmt.Sprintf(role, "")))
	must(t)(search.Do("PUT", api+"internalusers/router", `{"password":"a-Long-passw0rd-1177"}`))
	must(t)(search.Do("PUT", api+"rolesmapping/router", `{"users":["router"]}`))
	o := sinktest.Bind[bulk.Options](t, config.FluentBit, fmt.Sprintf("host %s\nport %d\nhttp_user router\nhttp_passwd a-Long-passw0rd-1177\ntls On\ntls.ca_file %s\n%s",
		servers.SecureHost, search.Port, search.CAFile(), dailyIndices))
	made, err := bulk.New(o, config.FluentBit, sink.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close() })
	d := made.(*bulk.Destination)
	lines := bootstrap(t, d)
	t.Logf("%q", lines)
	if !slices.ContainsFunc(lines, func(s string) bool {
		return strings.HasPrefix(s, "index template firelane-web: not installed, no permission: 403 Forbidden") && strings.Contains(s, "indices:admin/index_template/get and /put")
	}) {
		t.Errorf("got %q, want the permission", lines)
	}
	must(t)(search.Do("PUT", api+"roles/router", fmt.Sprintf(role, `,"indices:admin/index_template/get","indices:admin/index_template/put"`)))
	eventually(t, time.Minute, func() (bool, string) {
		lines := bootstrap(t, d)
		return slices.Contains(lines, "index template firelane-web: created"), fmt.Sprint(lines)
	})
}
