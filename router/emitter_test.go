package router

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/metric"
)

const measured = `
[SERVICE]
    storage.path DIR/queue
    Flush 10ms
[INPUT]
    Name forward
    unix_path SOCKET
[FILTER]
    Name log_to_metrics
    Match app
    Tag TAG
    metric_name hits
    metric_description how many
    label_field source
    flush_interval_nsec 10000000
[OUTPUT]
    Name file
    Match app-metrics
    Path DIR
    File out
`

func TestMetricsOfLogToMetricsGoToOutputsThatTakeMetrics(t *testing.T) {
	dir := t.TempDir()
	tr := start(t, dir, strings.Replace(measured, "TAG", "app-metrics", 1))
	tr.send("app", lines(3)...)
	page := func() string {
		text, _ := os.ReadFile(filepath.Join(dir, "out"))
		return string(text)
	}
	eventually(t, "the metric", func() bool { return strings.Contains(page(), `log_metric_counter_hits{source="stdout"} = 3`) })
	ins, _ := tr.Accounts()
	if in := ins[len(ins)-1]; in.Input != "emitter_for_log_to_metrics.0" || in.Received == 0 || in.Unrouted > 0 {
		t.Errorf("got %+v, want metrics received and routed", in)
	}
}

func TestMetricsThatNoOutputTakesAreNotMade(t *testing.T) {
	tr := start(t, t.TempDir(), strings.NewReplacer("TAG", "other").Replace(measured))
	tr.send("app", lines(3)...)
	seen := 0
	since := tr.filterMetrics("log_to_metrics.0", "other", 0, func(*metric.Sample) { seen++ })
	if seen != 0 || since != 0 {
		t.Errorf("got %d metrics for a tag that no output has, want none", seen)
	}
	eventually(t, "the records to be counted", func() bool {
		seen = 0
		since = tr.filterMetrics("log_to_metrics.0", "app-metrics", 0, func(*metric.Sample) { seen++ })
		return seen == 1 && since == 3
	})
	if tr.filterMetrics("log_to_metrics.0", "app-metrics", since, func(*metric.Sample) { seen++ }); seen != 1 {
		t.Errorf("got metrics again that haven't changed")
	}
}

// TestTheFirstMetricsOfAFilterThatAReloadHasReplacedAreEmitted: its count of changes begins anew, below what the emitter has seen.
func TestTheFirstMetricsOfAFilterThatAReloadHasReplacedAreEmitted(t *testing.T) {
	dir := t.TempDir()
	config := strings.Replace(measured, "TAG", "app-metrics", 1)
	tr := start(t, dir, config)
	tr.send("app", lines(3)...)
	seen, since := 0, uint64(0)
	collect := func() {
		since = tr.filterMetrics("log_to_metrics.0", "app-metrics", since, func(*metric.Sample) { seen++ })
	}
	eventually(t, "the records to be counted", func() bool { collect(); return since == 3 })
	tr.mustReload(dir, strings.Replace(config, "how many", "how often", 1))
	tr.send("app", lines(1)...)
	seen = 0
	eventually(t, "the record after the reload to be counted", func() bool { collect(); return since == 1 })
	if seen != 1 {
		t.Errorf("got %d metrics of one record, want one", seen)
	}
}

func TestAFilterWithoutATagHasNoEmitter(t *testing.T) {
	plan := compilePlan(t, t.TempDir(), strings.Replace(measured, "    Tag TAG\n", "", 1))
	if len(plan.Inputs) != 1 {
		t.Errorf("got %d inputs, want that of the records alone", len(plan.Inputs))
	}
}
