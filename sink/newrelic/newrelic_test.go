package newrelic

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/internal/webtest"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/newrelic/newrelictest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const key = "0123456789012345678901234567890123456789"

func made(t testing.TB, h http.Handler, d config.Dialect, lines string) sink.Destination {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	if !strings.Contains(strings.ToLower(lines), "key") {
		lines += "\nlicense_key " + key
	}
	if !strings.Contains(lines, "endpoint") {
		lines += "\nbase_uri SERVER/log/v1"
	}
	dest, err := New(sinktest.Bind[Options](t, d, strings.ReplaceAll(lines, "SERVER", s.URL)), d, sink.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dest.Close() })
	return dest
}

func server(o newrelictest.Options) *newrelictest.Server {
	o.Key = key
	return newrelictest.New(o)
}

func send(t testing.TB, d sink.Destination, records ...*sink.Record) sink.Reply {
	t.Helper()
	req, err := sinktest.Encode(d, records...)
	if err != nil {
		t.Fatal(err)
	}
	return d.Send(t.Context(), req)
}

func TestContract(t *testing.T) {
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		t.Run(d.String(), func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{
				New: func(t *testing.T) sink.Destination { return made(t, server(newrelictest.Options{}), d, "") },
				Broken: func(t *testing.T) sink.Destination {
					return made(t, server(newrelictest.Options{Options: webtest.Options{
						Request: func(int, *http.Request) webtest.Fault { return webtest.Fault{Hang: true} },
					}}), d, "")
				},
			})
		})
	}
}

func TestARecordBecomesALog(t *testing.T) {
	for name, c := range map[string]struct {
		d       config.Dialect
		members []string
		want    string
	}{
		"log":               {config.FluentBit, []string{"log", "a", "n", "1"}, `{"timestamp":1700000000123,"message":"a","attributes":{"n":"1"}}`},
		"message":           {config.FluentBit, []string{"message", "a", "n", "1"}, `{"timestamp":1700000000123,"message":"a","attributes":{"n":"1"}}`},
		"message, then log": {config.FluentBit, []string{"message", "a", "log", "b"}, `{"timestamp":1700000000123,"message":"b","attributes":{"message":"a"}}`},
		"log, then message": {config.FluentBit, []string{"log", "b", "message", "a"}, `{"timestamp":1700000000123,"message":"b","attributes":{"message":"a"}}`},
		"neither":           {config.FluentBit, []string{"n", "1"}, `{"timestamp":1700000000123,"attributes":{"n":"1"}}`},
		"an own timestamp":  {config.FluentBit, []string{"timestamp", "7"}, `{"timestamp":1700000000123,"attributes":{"timestamp":"7"}}`},
		"Fluentd's":         {config.Fluentd, []string{"timestamp", "7"}, `{"timestamp":"7","attributes":{"timestamp":"7"}}`},
		"empty":             {config.FluentBit, nil, `{"timestamp":1700000000123,"attributes":{}}`},
	} {
		item, err := made(t, http.NotFoundHandler(), c.d, "").Append(nil, sinktest.Record("t", 1, c.members...))
		if err != nil || string(item) != c.want+"," || !json.Valid(item[:len(item)-1]) {
			t.Errorf("%s:\ngot  %s, %v\nwant %s,", name, item, err, c.want)
		}
	}
}

func TestLogsArrive(t *testing.T) {
	for d, all := range map[config.Dialect][]string{
		config.FluentBit: {"", "compress false", "compression zstd", "api_key " + key, "licenseKey " + key + "\nendpoint SERVER/log/v1", "apiKey " + key + "\nmaxBufferSize 256000"},
		config.Fluentd:   {"", "api_key " + key},
	} {
		for _, lines := range all {
			s := server(newrelictest.Options{})
			r := send(t, made(t, s, d, lines), sinktest.Record("a", 1, "log", "one"), sinktest.Record("a", 2, "log", "two"))
			if logs := s.Logs(); r.Verdict != sink.Done || r.Err != nil || r.Status != 202 || len(logs) != 2 || string(logs[1].Message) != `"two"` {
				t.Errorf("%v, %q: got %+v and %v", d, lines, r, logs)
			}
		}
	}
}

// "Introduction to the Log API": its status codes.
func TestStatusesAreSorted(t *testing.T) {
	var status atomic.Int64
	s := server(newrelictest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault { return webtest.Fault{Status: int(status.Load())} }}})
	d := made(t, s, config.FluentBit, "")
	for _, c := range []struct {
		status  int
		verdict sink.Verdict
		cause   sink.Cause
		split   sink.Split
	}{
		{202, sink.Done, sink.Answered, sink.No}, {400, sink.Again, sink.Answered, sink.ByItem}, {403, sink.Again, sink.Unauthorised, sink.No},
		{404, sink.Again, sink.Answered, sink.No}, {405, sink.Again, sink.Answered, sink.No}, {408, sink.Again, sink.Throttled, sink.No},
		{411, sink.Again, sink.Answered, sink.No}, {413, sink.Again, sink.Answered, sink.BySize}, {415, sink.Again, sink.Answered, sink.No},
		{429, sink.Again, sink.Throttled, sink.No}, {500, sink.Again, sink.Answered, sink.No}, {503, sink.Again, sink.Throttled, sink.No},
	} {
		status.Store(int64(c.status))
		r := send(t, d, sinktest.Record("a", 1), sinktest.Record("a", 2))
		if r.Verdict != c.verdict || r.Cause != c.cause || r.Split != c.split {
			t.Errorf("%d: got %+v, want %+v", c.status, r, c)
		}
	}
}

// "Introduction to the Log API": a request has at most 10^6 bytes.
func TestRequestsAreWithinNewRelicsLimit(t *testing.T) {
	s := server(newrelictest.Options{})
	d := made(t, s, config.FluentBit, "compress off")
	if l := d.Limits().WithDefaults(); l.MaxBytes+len(before)+len(after) > newrelictest.MaxBody {
		t.Errorf("got %+v", l)
	}
	noise := make([]byte, newrelictest.MaxBody)
	for i := range noise {
		noise[i] = 'a' + byte(rand.IntN(26))
	}
	if r := send(t, d, sinktest.Record("a", 1, "log", string(noise))); r.Split != sink.BySize || r.Status != 413 {
		t.Errorf("got %+v", r)
	}
	if r := send(t, made(t, s, config.FluentBit, ""), sinktest.Record("a", 1, "log", string(noise))); r.Err != nil {
		t.Errorf("compressed: got %+v", r)
	}
}

func TestAWrongKeyIsSaidPlainly(t *testing.T) {
	r := send(t, made(t, server(newrelictest.Options{}), config.FluentBit, "license_key wr0ng"), sinktest.Record("a", 1))
	if r.Cause != sink.Unauthorised || !strings.Contains(r.Err.Error(), "the key is refused") || strings.Contains(r.Err.Error(), "wr0ng") {
		t.Errorf("got %+v", r)
	}
}

func TestABadLogIsFoundByHalving(t *testing.T) {
	d := made(t, server(newrelictest.Options{Bad: func(b []byte) bool { return strings.Contains(string(b), "bad") }}), config.FluentBit, "")
	if r := send(t, d, sinktest.Record("a", 1, "log", "bad"), sinktest.Record("a", 2)); r.Split != sink.ByItem {
		t.Errorf("got %+v", r)
	}
	if r := send(t, d, sinktest.Record("a", 1, "log", "bad")); r.Verdict != sink.Never {
		t.Errorf("alone: got %+v", r)
	}
}

func TestOptions(t *testing.T) {
	for lines, want := range map[string]string{"": "license_key", "license_key k\nbase_uri x": "base_uri", "license_key k\nproxy ftp://x": "proxy"} {
		if _, errs := sinktest.TryBind[Options](t, config.FluentBit, lines); len(errs) != 1 || !strings.Contains(errs[0].Text, want) {
			t.Errorf("%q: got %v, want one error about %s", lines, errs, want)
		}
	}
	if w := sinktest.Bind[Options](t, config.FluentBit, "license_key eu01xx").Warnings(); len(w) != 1 || !strings.Contains(w[0], "log-api.eu.newrelic.com") {
		t.Errorf("got %q", w)
	}
	t.Setenv("NEW_RELIC_LICENSE_KEY", "k")
	if h, k := sinktest.Bind[Options](t, config.Fluentd, "").key(config.Fluentd); h != "X-License-Key" || k != "k" {
		t.Errorf("got %s %s", h, k)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	d, body := made(t, http.NotFoundHandler(), config.FluentBit, ""), make([]byte, 0, 1<<12)
	r := sinktest.Record("t", 1, "log", strings.Repeat("a line of a log ", 8), "ecs_cluster", "demo")
	if n := testing.AllocsPerRun(100, func() { body, _ = d.Append(body[:0], r) }); n > 0 {
		t.Errorf("got %v allocations a record", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	d, body := made(b, http.NotFoundHandler(), config.FluentBit, ""), make([]byte, 0, 1<<12)
	r := sinktest.Record("t", 1, "log", strings.Repeat("a line of a log ", 8), "ecs_cluster", "demo")
	b.ReportAllocs()
	for b.Loop() {
		body, _ = d.Append(body[:0], r)
	}
	b.SetBytes(int64(len(body)))
}
