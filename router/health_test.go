package router

import (
	"testing"
	"time"

	"github.com/firelane/firelane/sink/deliver"
)

func TestAnOutputIsUnhealthyOnlyAfterAMinuteOfFailures(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		name  string
		stats deliver.Stats
		want  string
	}{
		{"nothing yet", deliver.Stats{}, ""},
		{"the first record failed just now", deliver.Stats{Buffered: 1, LastError: "refused", LastErrorAt: now, FailingSince: now}, ""},
		{"one failed after an idle hour", deliver.Stats{Buffered: 1, LastErrorAt: now, FailingSince: ago(time.Second), DeliveredAt: ago(time.Hour)}, ""},
		{"a minute, and not tried since a reload", deliver.Stats{Buffered: 1, FailingSince: ago(time.Minute)}, "es.0 has delivered nothing for 1m0s"},
		{"a minute", deliver.Stats{Buffered: 1, LastError: "refused", LastErrorAt: now, FailingSince: ago(time.Minute)}, "es.0 has delivered nothing for 1m0s: refused"},
		{"nothing waits any more", deliver.Stats{FailingSince: ago(time.Hour)}, ""},
	} {
		if got := troubleOf("es.0", &c.stats, now); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
