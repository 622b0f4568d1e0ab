package loki

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
	"github.com/firelane/firelane/sink/loki/lokitest"
	"github.com/firelane/firelane/sink/sinktest"
)

// outcome is what became of records that were sent until none was left.
type outcome struct {
	never    map[int]string // type and reason, by the record's number
	requests int
}

// deliver sends records as the delivery loop does, without its waits.
func deliver(t *testing.T, d *Destination, records ...*sink.Record) outcome {
	t.Helper()
	out := outcome{never: map[int]string{}}
	all := make([]int, len(records))
	for i := range all {
		all[i] = i
	}
	for parts := [][]int{all}; len(parts) > 0; {
		var req *sink.Request
		part := parts[0]
		parts = parts[1:]
		var some []*sink.Record
		for _, i := range part {
			some = append(some, records[i])
		}
		req = encode(t, d, some...)
		if out.requests++; out.requests > 100 {
			t.Fatal("100 requests were not enough")
		}
		r := d.Send(t.Context(), req)
		if r.Split != sink.No {
			if len(part) == 1 {
				out.never[part[0]] = "split " + r.Err.Error()
				continue
			}
			parts = append(parts, part[:len(part)/2], part[len(part)/2:])
			continue
		}
		var left []int
		for i, n := range part {
			v := sink.ItemReply{Verdict: r.Verdict}
			for _, item := range r.Items {
				if item.Index == i {
					v = item
				}
			}
			switch v.Verdict {
			case sink.Never:
				out.never[n] = v.Type + " " + v.Reason
			case sink.Again:
				left = append(left, n)
			}
		}
		if len(left) == len(part) {
			t.Fatalf("no progress: %+v", r)
		}
		if len(left) > 0 {
			parts = append(parts, left)
		}
	}
	return out
}

func TestRefusedEntriesAreGivenUpAndTheOthersArrive(t *testing.T) {
	long := `{"log":"` + strings.Repeat("x", lokitest.MaxLine) + `"}`
	week := -7 * 24 * time.Hour
	for name, tt := range map[string]struct {
		options string
		records func(t *testing.T) []*sink.Record
		never   map[int]string // the start of type and reason
		most    int            // requests
	}{
		"too far behind the newest": {"", func(t *testing.T) []*sink.Record {
			return []*sink.Record{event(t, 0, `{"log":"a"}`), event(t, week+time.Minute, `{"log":"b"}`)}
		}, map[int]string{1: "too_far_behind "}, 2},
		"too old": {"", func(t *testing.T) (list []*sink.Record) {
			for i := range 20 {
				list = append(list, event(t, week+time.Duration(i-10)*time.Minute, fmt.Sprintf(`{"log":"%d"}`, i)))
			}
			return list
		}, map[int]string{0: "greater_than_max_sample_age ", 1: "gr", 2: "gr", 3: "gr", 4: "gr", 5: "gr", 6: "gr", 7: "gr", 8: "gr", 9: "gr"}, 2},
		"too old and within the limit's second": {"", func(t *testing.T) []*sink.Record {
			return []*sink.Record{event(t, week-time.Nanosecond, `{"log":"a"}`), event(t, week, `{"log":"b"}`), event(t, week+time.Millisecond, `{"log":"c"}`)}
		}, map[int]string{0: "greater_than_max_sample_age "}, 4},
		"too new": {"", func(t *testing.T) []*sink.Record {
			return []*sink.Record{event(t, time.Hour, `{"log":"a"}`), event(t, 0, `{"log":"b"}`), event(t, 2*time.Hour, `{"log":"c"}`)}
		}, map[int]string{0: "too_far_in_future ", 2: "too_far"}, 2},
		"too long": {"", func(t *testing.T) []*sink.Record {
			return []*sink.Record{event(t, 0, `{"log":"a"}`), event(t, 0, long), event(t, time.Second, `{"log":"b"}`)}
		}, map[int]string{1: "line_too_long "}, 2},
		"an old stream beside a new one": {"labels app=$app", func(t *testing.T) (list []*sink.Record) {
			for i := range 40 {
				list = append(list, event(t, time.Duration(i)*time.Second-2*time.Hour, fmt.Sprintf(`{"app":"b","log":"%d"}`, i)))
			}
			return append(list, event(t, 0, `{"app":"a","log":"x"}`))
		}, map[int]string{}, 1},
		"labels that are too long": {"labels app=$app", func(t *testing.T) (list []*sink.Record) {
			for i := range 8 {
				list = append(list, event(t, 0, fmt.Sprintf(`{"app":"%s","log":"%d"}`, strings.Repeat("y", 2048+i%2), i)))
			}
			return list
		}, map[int]string{1: "invalid_labels ", 3: "inv", 5: "inv", 7: "inv"}, 2},
		"too much metadata": {"structured_metadata m=$m", func(t *testing.T) (list []*sink.Record) {
			for i := range 8 {
				list = append(list, event(t, 0, fmt.Sprintf(`{"m":"%s","log":"%d"}`, strings.Repeat("y", i/5*lokitest.MaxMetadata), i)))
			}
			return list
		}, map[int]string{5: "refused ", 6: "refused", 7: "refused"}, 15},
		"several things": {"", func(t *testing.T) []*sink.Record {
			return []*sink.Record{event(t, time.Hour, `{"log":"a"}`), event(t, week-time.Hour, `{"log":"b"}`), event(t, 0, long), event(t, 0, `{"log":"c"}`)}
		}, map[int]string{0: "too_far_in_future ", 1: "greater", 2: "line"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, where := serve(t, lokitest.Options{})
			d := loki(t, config.FluentBit, where+tt.options)
			records := tt.records(t)
			if name == "too far behind the newest" { // the newest first, in a request of its own
				deliver(t, d, records[0])
			}
			out := deliver(t, d, records...)
			if got, want := slices.Sorted(maps.Keys(out.never)), slices.Sorted(maps.Keys(tt.never)); !slices.Equal(got, want) {
				t.Errorf("got %v given up, want %v", out.never, want)
			}
			for n, want := range tt.never {
				if !strings.HasPrefix(out.never[n], want) {
					t.Errorf("record %d: got %q, want %q", n, out.never[n], want)
				}
			}
			if got, want := len(s.Entries()), len(records)-len(tt.never); got != want {
				t.Errorf("got %d entries stored, want %d", got, want)
			}
			if out.requests > tt.most {
				t.Errorf("got %d requests, want at most %d", out.requests, tt.most)
			}
		})
	}
}

func TestMoreEntriesThanAreListedAreGivenUpByTheLimit(t *testing.T) {
	s, where := serve(t, lokitest.Options{})
	d := loki(t, config.FluentBit, where+"labels app=$app")
	deliver(t, d, event(t, 0, `{"app":"a","log":"newest"}`))
	var list []*sink.Record
	for i := range 50 {
		list = append(list, event(t, time.Duration(i)*time.Second-2*time.Hour, fmt.Sprintf(`{"app":"a","log":"%d"}`, i)), event(t, -2*time.Hour, fmt.Sprintf(`{"app":"b","log":"%d"}`, i)))
	}
	out := deliver(t, d, list...)
	if len(out.never) != 50 || len(s.Entries()) != 51 || out.requests > 2 {
		t.Errorf("got %d given up and %d stored in %d requests, want 50 and 51 in 2", len(out.never), len(s.Entries()), out.requests)
	}
}

func TestStreamsThatDifferInTheServicesNameAloneAreToldApart(t *testing.T) {
	for _, label := range []string{"service_name", "my_service_name", "__service__"} {
		s, where := serve(t, lokitest.Options{})
		d := loki(t, config.FluentBit, where+"labels "+label+"=$app")
		deliver(t, d, event(t, 0, `{"app":"a","log":"newest"}`))
		var list []*sink.Record
		for i := range 50 {
			list = append(list, event(t, time.Duration(i)*time.Second-2*time.Hour, fmt.Sprintf(`{"app":"a","log":"%d"}`, i)), event(t, -2*time.Hour, fmt.Sprintf(`{"app":"b","log":"%d"}`, i)))
		}
		if out := deliver(t, d, list...); len(out.never) != 50 || len(s.Entries()) != 51 {
			t.Errorf("%s: got %d given up and %d stored, want 50 and 51", label, len(out.never), len(s.Entries()))
		}
		list = []*sink.Record{event(t, 0, `{"app":"`+strings.Repeat("x", lokitest.MaxLabelValue+1)+`"}`), event(t, 0, `{"app":"b","log":"valid"}`)}
		if out := deliver(t, d, list...); len(out.never) != 1 || len(s.Entries()) != 52 {
			t.Errorf("%s: got %d given up and %d stored, want 1 and 52", label, len(out.never), len(s.Entries()))
		}
	}
}

// The texts are those of Loki, of several versions.
func TestAnswersAreRead(t *testing.T) {
	second := func(n int) string { return now().Add(time.Duration(n) * time.Second).UTC().Format(time.RFC3339) }
	exact := func(n int) string { return now().Add(time.Duration(n) * time.Second).UTC().String() }
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   sink.Reply // Err isn't compared
		never  []int      // of records at the seconds 0 to 4, of the streams a, b, a, b, a
	}{
		{"blocked", 260, "ingestion blocked for user 'x' until '2027'", sink.Reply{Verdict: sink.Again, Cause: sink.Throttled}, nil},
		{"no tenant", 401, "no org id", sink.Reply{Verdict: sink.Again, Cause: sink.Unauthorised}, nil},
		{"wrong path", 404, "404 page not found", sink.Reply{Verdict: sink.Again, Cause: sink.Answered}, nil},
		{"too slow", 408, "", sink.Reply{Verdict: sink.Again, Cause: sink.Throttled}, nil},
		{"too large", 413, "request body too large", sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Split: sink.BySize}, nil},
		{"rate limit", 429, "ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec) while attempting to ingest '5' lines totaling '5' bytes", sink.Reply{Verdict: sink.Again, Cause: sink.Throttled}, nil},
		{"stream's rate limit", 429, "entry with timestamp " + exact(1) + " ignored, reason: 'Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{app=\"b\"}' totaling 1B, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased',\nuser 'fake', total ignored: 2 out of 2 for stream: {app=\"b\"}",
			sink.Reply{Verdict: sink.Again, Cause: sink.Throttled}, nil},
		{"number of streams", 429, "Maximum active stream limit exceeded, reduce the number of active streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: 'fake'", sink.Reply{Verdict: sink.Again, Cause: sink.Throttled}, nil},
		{"internal", 500, "context deadline exceeded", sink.Reply{Verdict: sink.Again, Cause: sink.Answered}, nil},
		{"unavailable", 503, "The server cannot accept more requests at this time.", sink.Reply{Verdict: sink.Again, Cause: sink.Throttled}, nil},
		{"gateway", 502, "<html>Bad Gateway</html>", sink.Reply{Verdict: sink.Again, Cause: sink.Throttled}, nil},
		{"of a port with TLS", 400, "Client sent an HTTP request to an HTTPS server.", sink.Reply{Verdict: sink.Again, Cause: sink.Answered}, nil},
		{"unknown 400", 400, "something else", sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Split: sink.ByItem}, nil},
		{"too old", 400, `entry for stream '{app="a", service_name="a"}' has timestamp too old: ` + second(0) + ", oldest acceptable timestamp is: " + second(2), sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Unjudged: true}, []int{0, 1}},
		{"too new", 400, `2 errors like: entry for stream '{app="a"}' has timestamp too new: ` + second(3) + `; 1 errors like: entry for stream '{app="b"}' has timestamp too new: ` + second(4), sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Unjudged: true}, []int{3, 4}},
		{"out of order, Loki 2.3", 400, "entry with timestamp " + exact(1) + ` ignored, reason: 'entry out of order' for stream: {app="b"},` + "\ntotal ignored: 1 out of 2", sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Unjudged: true}, []int{1}},
		{"more out of order than listed", 400, "entry with timestamp " + exact(2) + ` ignored, reason: 'entry out of order' for stream: {app="a"},` + "\ntotal ignored: 2 out of 3", sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Unjudged: true}, []int{0, 2}},
		{"too far behind, a shard", 400, "entry with timestamp " + exact(0) + ` ignored, reason: 'entry too far behind, entry timestamp is: ` + second(0) + `, oldest acceptable timestamp is: ` + second(3) + `',` + "\nuser 'fake', total ignored: 1 out of 3 for stream: " + `{__stream_shard__="3", app="a", service_name="a"}`,
			sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Unjudged: true}, []int{0}},
		{"another stream's", 400, "entry with timestamp " + exact(0) + ` ignored, reason: 'entry too far behind' for stream: {app="other"},` + "\ntotal ignored: 1 out of 3", sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Split: sink.ByItem}, nil},
	} {
		d := loki(t, config.FluentBit, "labels app=$app")
		var records []*sink.Record
		for i, app := range []string{"a", "b", "a", "b", "a"} {
			records = append(records, event(t, time.Duration(i)*time.Second, `{"app":"`+app+`"}`))
		}
		req := encode(t, d, records...)
		tenants := groupByTenant(req)
		got := judge(&httpsend.Failure{Status: tt.status, Body: []byte(tt.body), Reason: tt.body, Header: http.Header{}}, req, &tenants[0])
		var never []int
		for _, item := range got.Items {
			if item.Verdict == sink.Never && item.Reason != "" && item.Type != "" {
				never = append(never, item.Index)
			}
		}
		if got.Verdict != tt.want.Verdict || got.Cause != tt.want.Cause || got.Split != tt.want.Split || got.Unjudged != tt.want.Unjudged || !slices.Equal(never, tt.never) || got.Err == nil {
			t.Errorf("%s: got %+v\nwant %+v and %v given up", tt.name, got, tt.want, tt.never)
		}
	}
}

func TestMistakesNameTheirOption(t *testing.T) {
	for _, tt := range []struct {
		dialect       config.Dialect
		options, says string
	}{
		{config.FluentBit, "labels job", `labels: "job" is neither name=value nor a field`},
		{config.FluentBit, "label_keys stream", `label_keys: "stream" has no $ at its start; want $stream`},
		{config.FluentBit, "structured_metadata_map_keys m", `structured_metadata_map_keys: "m" has no $`},
		{config.FluentBit, "drop_single_key maybe", `drop_single_key: "maybe" is not known; want off, on or raw`},
		{config.FluentBit, "line_format xml", "line_format"},
		{config.FluentBit, "host http://x/y", `host: "http://x/y" is not a host`},
		{config.FluentBit, "tenant_id a b", `tenant_id: "a b" is not a tenant`},
		{config.Fluentd, "url loki:3100", "url: is not a URL"},
		{config.Fluentd, "extra_labels x", "extra_labels: is not a JSON object"},
		{config.Fluentd, "custom_headers x", "custom_headers: is not a JSON object of strings"},
	} {
		if _, err := sinktest.TryOptions[Options](t, tt.dialect, tt.options); !strings.Contains(err, tt.says) {
			t.Errorf("%s: got %q, want %q", tt.options, err, tt.says)
		}
	}
}

func TestALabelMapThatCannotBeReadSetsNoLabel(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "map.json")
	if err := os.WriteFile(broken, []byte(`{"a":`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(t.TempDir(), "none.json"), broken} {
		o, failed := sinktest.TryOptions[Options](t, config.FluentBit, "label_map_path "+file)
		if failed != "" {
			t.Fatalf("got %s, want a warning", failed)
		}
		given, other := o.Warnings(), o.FileWarnings() // firelane check tells them apart
		if file != broken {
			given, other = other, given
		}
		if len(given) != 1 || len(other) != 0 || !strings.HasPrefix(given[0], "label_map_path: ") {
			t.Errorf("got warnings %q and %q, want one about label_map_path", given, other)
		}
		e, err := newEncoder(o, config.FluentBit)
		if err != nil || len(e.remove) > 0 {
			t.Errorf("got %v and %v to remove, want an encoder that removes nothing", err, e)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`entry for stream '{app="a"}' has timestamp too old: 2023-11-14T22:14:20Z, oldest acceptable timestamp is: 2023-11-14T22:14:20Z`))
	f.Add([]byte("entry with timestamp 2023-11-14 22:14:20.5 +0000 UTC ignored, reason: 'entry out of order' for stream: {app=\"a\"},\ntotal ignored: 2 out of 3"))
	f.Add([]byte(`stream '{a="b", service_name="x"}' has label name too long: 'y'`))
	d := loki(f, config.FluentBit, "labels app=$app")
	req := encode(f, d, event(f, 0, `{"app":"a"}`), event(f, time.Second, `{"app":"b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		tenants := groupByTenant(req)
		r := judge(&httpsend.Failure{Status: 400, Body: body, Header: http.Header{}}, req, &tenants[0])
		if r.Verdict != sink.Again {
			t.Errorf("got %+v, want again", r)
		}
		for i, item := range r.Items {
			if item.Verdict != sink.Never || i > 0 && item.Index <= r.Items[i-1].Index {
				t.Errorf("got items %+v, want them in order and given up", r.Items)
			}
		}
	})
}
