package admin

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/router"
)

// A full is a router that does not run, with what its metrics lack at the start.
type full struct {
	*router.Router
	reason, queue string
}

func (f full) Status() router.Status {
	s := f.Router.Status()
	s.Inputs[0].Rejected = map[string]int64{f.reason: 1}
	return s
}

func (f full) Orphans() []router.Orphan { return []router.Orphan{{Queue: f.queue, Records: 7}} }

func fullSource(t *testing.T) full {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "fluent-bit.conf")
	text := fmt.Sprintf("[SERVICE]\n    storage.path %[1]s/queue\n[INPUT]\n    Name forward\n    unix_path %[1]s/in.sock\n"+
		"[FILTER]\n    Name grep\n    Match *\n    Regex log .\n[OUTPUT]\n    Name null\n    Match *\n[OUTPUT]\n    Name es\n    Match *\n    Host search\n", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, wrong := config.Compile(file, router.Catalogue(), func(string) (string, bool) { return "", false })
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	r, wrong := router.New(plan, router.Env{Log: zerolog.Nop(), Version: "1.2.3", Hostname: "task"})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	return full{r, "bad tag", "/q/es-app-1a2b3c4d"}
}

// families returns a page as Prometheus's own parser reads it.
func families(t *testing.T, src Source, path string) map[string]*dto.MetricFamily {
	t.Helper()
	code, page := get(t, src, path)
	if code != http.StatusOK {
		t.Fatalf("GET %s: got %d, want 200", path, code)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	all, err := p.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("GET %s: %v in\n%s", path, err, page)
	}
	return all
}

var prometheusPages = []string{"/metrics", "/api/v1/metrics/prometheus", "/api/v2/metrics/prometheus"}

func TestPrometheusReadsThePages(t *testing.T) {
	for _, path := range prometheusPages {
		if n := len(families(t, fullSource(t), path)); n < 40 {
			t.Errorf("GET %s: got %d metrics, want at least 40", path, n)
		}
	}
}

// Names of files and reasons may have any bytes. Go's %q would write \x00, \u2028 and \ufffd, which Prometheus doesn't read.
func TestEveryByteOfALabelIsKept(t *testing.T) {
	src := fullSource(t)
	for _, value := range []string{`a"b\c`, "two\nlines", "nul\x00 bell\x07 del\x7f", "sep\u2028 zero\u200b é 日本", "\ufffd"} {
		src.queue, src.reason = value, value
		for _, path := range prometheusPages {
			all := families(t, src, path)
			for _, name := range []string{"firelane_queue_without_output_records", "firelane_input_rejected_total"} {
				labels := all[name].GetMetric()[0].GetLabel()
				if got := labels[len(labels)-1].GetValue(); got != value {
					t.Errorf("%s of %s: got the label %q, want %q", name, path, got, value)
				}
			}
		}
	}
	src.queue = "not \xff UTF-8"
	if got := families(t, src, "/metrics")["firelane_queue_without_output_records"].GetMetric()[0].GetLabel()[0].GetValue(); got != "not \ufffd UTF-8" {
		t.Errorf("got %q, want invalid bytes as U+FFFD", got)
	}
}

// An alert on a series that appears with the first failure misses that failure.
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	all := families(t, fullSource(t), "/metrics")
	for name, want := range map[string]int{
		"firelane_output_records_total": 2 * 6, "firelane_output_dropped_total": 2 * len(router.DropReasons), "firelane_output_requests_total": 2 * 16,
		"firelane_output_gate": 2 * 4, "firelane_output_request_seconds": 2, "firelane_output_delay_seconds": 2, "firelane_output_queue_bytes": 2,
		"firelane_output_oldest_record_seconds": 2, "firelane_output_retried_records_total": 2, "fluentbit_output_latency_seconds": 2,
		"fluentbit_filter_records_total": 1, "fluentbit_output_retries_failed_total": 2,
	} {
		if got := len(all[name].GetMetric()); got != want {
			t.Errorf("%s: got %d series, want %d", name, got, want)
		}
	}
}

// docs/monitoring.md has every metric of /metrics, with its type and its labels, and no other.
func TestMetricsInTheMonitoringPageAreThoseOfTheCode(t *testing.T) {
	text, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|([^|]*)\\| ([^|]+) \\|").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = row[2] + " " + strings.TrimSpace(strings.ReplaceAll(row[3], "`", ""))
	}
	all := families(t, fullSource(t), "/metrics")
	for name, f := range all {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		want := strings.ToLower(f.GetType().String()) + " " + strings.Join(labels, ", ")
		if got, ok := documented[name]; !ok {
			t.Errorf("docs/monitoring.md lacks %s: %s (%s)", name, want, f.GetHelp())
		} else if strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("docs/monitoring.md has %s as %q, want %q", name, got, want)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/monitoring.md has %s, which /metrics doesn't have", name)
	}
}

// dashboardNames are the metrics of Fluent Bit that its dashboards and alerts name: fluent/fluent-bit-docs, monitoring/dashboard.json
// and alerts.yaml, and fluent/helm-charts, charts/fluent-bit/dashboards/fluent-bit.json, in August 2026.
var dashboardNames = strings.Fields(`
	fluentbit_input_bytes_total fluentbit_input_records_total
	fluentbit_filter_add_records_total fluentbit_filter_bytes_total fluentbit_filter_drop_records_total fluentbit_filter_records_total
	fluentbit_output_errors_total fluentbit_output_proc_bytes_total fluentbit_output_proc_records_total
	fluentbit_output_retries_failed_total fluentbit_output_retries_total`)

func TestDashboardsOfFluentBitFindTheirMetrics(t *testing.T) {
	for _, path := range prometheusPages {
		all := families(t, fullSource(t), path)
		for _, name := range append(slices.Clone(dashboardNames), "fluentbit_uptime", "fluentbit_process_start_time_seconds", "fluentbit_build_info") {
			f := all[name]
			if f == nil {
				t.Errorf("%s lacks %s", path, name)
				continue
			}
			if strings.HasSuffix(name, "_total") && (f.GetType() != dto.MetricType_COUNTER || f.GetMetric()[0].GetLabel()[0].GetName() != "name") {
				t.Errorf("%s: %s is %v, want a counter with the label name, by which the dashboards group", path, name, f)
			}
		}
	}
	page := families(t, fullSource(t), "/api/v2/metrics/prometheus")
	for _, name := range []string{"fluentbit_storage_chunks", "fluentbit_storage_fs_chunks", "fluentbit_storage_mem_chunks", "fluentbit_storage_fs_chunks_down",
		"fluentbit_storage_fs_chunks_up", "fluentbit_output_latency_seconds", "fluentbit_output_upstream_busy_connections", "fluentbit_hot_reloaded_times"} {
		if page[name] == nil {
			t.Errorf("/api/v2/metrics/prometheus lacks %s", name)
		}
	}
}

// A page with too many outputs is still one that Prometheus reads, and says that it isn't complete.
func TestThePageHasALimit(t *testing.T) {
	src := crowd{fakeSource{}, 500}
	all := families(t, src, "/metrics")
	series := 0
	for _, f := range all {
		for _, m := range f.GetMetric() {
			series++
			if h := m.GetHistogram(); h != nil {
				series += len(h.GetBucket()) + 1
			}
		}
	}
	if left := all["firelane_metrics_left_out"].GetMetric()[0].GetGauge().GetValue(); series > maxSeries+10 || left == 0 {
		t.Errorf("got %d series, and %v left out; want at most %d, and some left out", series, left, maxSeries)
	}
}

// A crowd has n outputs.
type crowd struct {
	fakeSource
	n int
}

func (c crowd) Status() (s router.Status) {
	for n := range c.n {
		s.Outputs = append(s.Outputs, router.OutputStatus{Account: router.Account{Output: fmt.Sprintf("null.%d", n)}})
	}
	return s
}

func TestLinesOfTheSecondVersionAreThoseOfCmetrics(t *testing.T) {
	_, page := get(t, fullSource(t), "/api/v2/metrics")
	line := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z fluentbit_\w+(\{[^}]*\})? = (\d+(\.\d+)?|\{ buckets = .* \})$`)
	for l := range strings.Lines(page) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("got %q, want it as Fluent Bit writes it", l)
		}
	}
	if want := `fluentbit_output_proc_records_total{name="es.0"} = 0`; !strings.Contains(page, want) {
		t.Errorf("no %s in\n%s", want, page)
	}
}

func TestPluginsAreListed(t *testing.T) {
	_, page := get(t, fakeSource{}, "/api/v1/plugins")
	for _, want := range []string{`{"plugins":{"filters":["aws"`, `"forward"`, `"grep"`, `"opensearch"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in %s", want, page)
		}
	}
}

// ECS ends a task whose health check fails: an output in trouble is told, and changes neither status.
func TestHealthOfTheSecondVersionHasFluentBitsFields(t *testing.T) {
	for trouble, want := range map[string]string{
		"":     `200 {"status":"ok","errors":0,"retries_failed":0,"error_limit":1,"retry_failure_limit":0,"period_limit":60}`,
		"down": `200 {"status":"ok","errors":1,"retries_failed":0,"error_limit":1,"retry_failure_limit":0,"period_limit":60,"reason":"down"}`,
	} {
		code, page := get(t, fakeSource{trouble: trouble}, "/api/v2/health")
		if got := fmt.Sprint(code, " ", strings.TrimSpace(page)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func BenchmarkMetricsPage(b *testing.B) {
	src := crowd{fakeSource{}, 10}
	b.ReportAllocs()
	for b.Loop() {
		if page := everything(Config{Source: src, Start: time.Now()}, ownMetrics, processMetrics, fluentBitMetrics); !bytes.Contains(page, []byte("null.9")) {
			b.Fatal("not all outputs are on the page")
		}
	}
}
