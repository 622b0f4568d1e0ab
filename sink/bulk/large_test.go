package bulk

import (
	"runtime"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// A record of 4 MiB is never copied for what isn't its document, and no option makes more than record.MaxJSON of it.
func TestNoOptionMultipliesALargeRecord(t *testing.T) {
	long := strings.Repeat("x", 4<<20)
	many := record.AppendMapHeader(nil, 10_000)
	for i := range 10_000 {
		many = record.AppendUint(record.AppendUint(many, uint64(i)), 1)
	}
	flat := record.AppendStr(record.AppendMapHeader(nil, 1), strings.Repeat("k", 60<<10))
	flat = append(flat, many...)
	for _, tt := range []struct {
		name   string
		set    func(*Options)
		body   []byte
		reason string // "": it is sent
		index  string
	}{
		{"plain", nil, object("log", long), "", "fluent-bit"},
		{"index", func(o *Options) { o.Index = "a-$log" }, object("log", long), "", "fluent-bit"},
		{"prefix", func(o *Options) { o.Logstash, o.LogstashPrefixKey = true, "log" }, object("log", long), "", "logstash-2026.11.23"},
		{"target_index_key", func(o *Options) { o.TargetIndex = "log" }, object("log", long), "", "fluent-bit"},
		{"id_key", func(o *Options) { o.IDKey = "log" }, object("log", long), "id_key", ""},
		{"routing_key", func(o *Options) { o.RoutingKey = "log" }, object("log", long), "routing_key", ""},
		{"flatten", func(o *Options) { o.Flatten = true }, flat, "flattened", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDestination(t, fluentBit(tt.set), config.FluentBit)
			r := event(0, tt.body)
			body := make([]byte, 0, 6<<20)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out, err := d.Append(body, r)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
				t.Errorf("got %d bytes allocated, want less than 1 MiB", n)
			}
			if tt.reason == "" {
				if err != nil || targetOf(out) != tt.index {
					t.Errorf("got the index %.50q and error %v, want %q", targetOf(out), err, tt.index)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.reason) || len(out) != 0 {
				t.Errorf("got %d bytes and error %v, want an error about %s", len(out), err, tt.reason)
			}
		})
	}
}

func TestAFlatRecordIsCounted(t *testing.T) {
	d := newDestination(t, fluentBit(func(o *Options) { o.Flatten = true }), config.FluentBit)
	body := object("a", object("b", strings.Repeat("x", 3<<20)))
	if out, err := d.Append(nil, event(0, body)); err != nil || !strings.Contains(string(out[:200]), `"a_b":"xxx`) {
		t.Errorf("got %d bytes and error %v, want it sent", len(out), err)
	}
	body = object("a", object("b", strings.Repeat("\x00", 1<<20)))
	if out, err := d.Append(nil, event(0, body)); err != nil || len(out) < 6<<20 {
		t.Errorf("got %d bytes and error %v, want it sent", len(out), err)
	}
	body = object("a", object("b", strings.Repeat("\x00", 2<<20)))
	if out, err := d.Append(nil, event(0, body)); err == nil || len(out) != 0 {
		t.Errorf("got %d bytes and error %v, want an error", len(out), err)
	}
}
