package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/lines"
	"github.com/firelane/firelane/e2e/servers"
)

// logOptions are what a user writes to send logs to a server, and nothing that isn't needed. name is the output's name
// in the dialect.
func logOptions(dialect, name string, s *servers.Search) map[string]string {
	if dialect == "fluentd" {
		return map[string]string{
			"@type": name, "host": "127.0.0.1", "port": fmt.Sprint(s.Port),
			"logstash_format": "true", "logstash_prefix": "web", "logstash_dateformat": "%Y-%m-%d",
		}
	}
	return map[string]string{
		"Name": name, "Host": "127.0.0.1", "Port": fmt.Sprint(s.Port),
		"Logstash_Format": "On", "Logstash_Prefix": "web", "Logstash_DateFormat": "%Y-%m-%d",
	}
}

// The main promise: the image is swapped, and everything that the application writes is there, once. The name of the
// output doesn't say which server it is: es is what people write for all of them.
func TestEveryLineArrivesOnceWithItsOwnTimeAndFields(t *testing.T) {
	for _, kind := range servers.Kinds() {
		for _, output := range []struct {
			dialect, name string
			everything    bool // or just one line
		}{
			{"fluentbit", "es", true},
			{"fluentd", "opensearch", true},
			{"fluentbit", "opensearch", false},
			{"fluentd", "elasticsearch", false},
		} {
			t.Run(kind.Name+"/"+output.dialect+"/"+output.name, func(t *testing.T) {
				search := useSearch(t, kind)
				definition := taskDefinition{Type: output.dialect, LogOptions: logOptions(output.dialect, output.name, search)}
				stdout, stderr := lines.Stdout(), lines.Stderr()
				if !output.everything {
					definition.Command = []string{"hello"}
					stdout, stderr = [][]byte{[]byte("hello")}, nil
				}
				task := definition.start(t)
				task.delivers(t, search, len(stdout)+len(stderr), 2*time.Minute)
				task.end(t)
				task.delivers(t, search, len(stdout)+len(stderr), 0)

				documents, err := search.Documents("web-*")
				if err != nil {
					t.Fatal(err)
				}
				checkStream(t, task, documents, "stdout", stdout)
				checkStream(t, task, documents, "stderr", stderr)
			})
		}
	}
}

// What nearly every task that logs JSON has: the parser that the usual image ships, by its usual path.
func TestJSONLinesBecomeFields(t *testing.T) {
	search := useSearch(t, servers.OpenSearch2())
	task := taskDefinition{
		Type:       "fluentbit",
		ConfigFile: "/fluent-bit/configs/parse-json.conf",
		LogOptions: logOptions("fluentbit", "es", search),
		Command:    []string{`{"level":"info","order":9007199254740993,"took":0.25,"user":{"id":7}}`},
	}.start(t)
	task.delivers(t, search, 1, time.Minute)
	task.end(t)
	documents, err := search.Documents("web-*")
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(documents[0].Source, &fields); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"level": `"info"`, "order": "9007199254740993", "took": "0.25", "user": `{"id":7}`,
		"source": `"stdout"`, "ecs_cluster": `"demo"`,
	} {
		if got := string(fields[key]); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if log, ok := fields["log"]; ok {
		t.Errorf("log is still there: %s", log)
	}
}

// A found document, less what it is stored under.
type found struct {
	Index string
	Time  time.Time
	Stamp string
	Field map[string]string
}

// checkStream holds the documents of one stream, in the order of their times, against what the application wrote and
// what Docker's driver made of it.
func checkStream(t *testing.T, task *task, documents []servers.Document, stream string, written [][]byte) {
	t.Helper()
	driver, err := task.driver.lines(stream)
	if err != nil {
		t.Fatal(err)
	}
	if len(driver) != len(written) {
		t.Fatalf("the driver sent %d lines of %s, %d were written", len(driver), stream, len(written))
	}
	got := byTime(t, documents, stream)
	if len(got) != len(written) {
		t.Fatalf("%d documents of %s, want %d", len(got), stream, len(written))
	}
	for i, line := range written {
		if driver[i].Record["log"] != string(line) {
			t.Fatalf("%s line %d: the driver itself sent %.80q for %.80q", stream, i, driver[i].Record["log"], line)
		}
		if problem := differs(got[i], driver[i]); problem != "" {
			t.Fatalf("%s line %d: %s", stream, i, problem)
		}
	}
}

// byTime are the documents of a stream, the oldest first.
func byTime(t *testing.T, documents []servers.Document, stream string) []found {
	t.Helper()
	var all []found
	for _, d := range documents {
		f := found{Index: d.Index}
		if err := json.Unmarshal(d.Source, &f.Field); err != nil {
			t.Fatalf("%v: %.200s", err, d.Source)
		}
		if f.Field["source"] != stream {
			continue
		}
		var err error
		f.Stamp = f.Field["@timestamp"]
		if f.Time, err = time.Parse(time.RFC3339Nano, f.Stamp); err != nil {
			t.Fatal(err)
		}
		delete(f.Field, "@timestamp")
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b found) int { return a.Time.Compare(b.Time) })
	return all
}

// differs says what is wrong with a document, "" for nothing.
func differs(got found, event sent) string {
	want := map[string]string{
		"container_id":        event.Record["container_id"],
		"container_name":      event.Record["container_name"],
		"source":              event.Record["source"],
		"log":                 asUTF8(event.Record["log"]),
		"ecs_cluster":         cluster,
		"ecs_task_arn":        taskARN,
		"ecs_task_definition": definition,
	}
	for key, value := range want {
		if got.Field[key] != value {
			return fmt.Sprintf("%s is %d bytes %.80q, want %d bytes %.80q", key, len(got.Field[key]), got.Field[key], len(value), value)
		}
	}
	if extra := slices.Sorted(maps.Keys(got.Field)); len(extra) != len(want) {
		return fmt.Sprintf("the fields are %q", extra)
	}
	if !got.Time.Equal(event.Time) {
		return fmt.Sprintf("@timestamp is %s, the event's own time is %s", got.Stamp, event.Time.Format(time.RFC3339Nano))
	}
	if day := "web-" + event.Time.Format("2006-01-02"); got.Index != day {
		return fmt.Sprintf("it is in %s, want %s", got.Index, day)
	}
	return ""
}

// asUTF8 is what JSON can hold of a line: each byte that isn't UTF-8 is one U+FFFD.
func asUTF8(s string) string { return string([]rune(s)) }
