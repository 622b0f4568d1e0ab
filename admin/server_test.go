package admin

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/router"
)

// fakeSource is a router with fixed accounts.
type fakeSource struct{ trouble string }

func (fakeSource) Accounts() ([]router.InputAccount, []router.Account) {
	return []router.InputAccount{{Input: "forward.0", Received: 10, Unrouted: 1, Rejected: map[string]int64{"bad tag": 2}}},
		[]router.Account{{Output: "es.0", Received: 9, Delivered: 4, Filtered: 1, Dead: 1, Buffered: 2, Dropped: map[string]int64{"no room": 1}}}
}

func (s fakeSource) Status() router.Status {
	in, out := s.Accounts()
	status := router.Status{Inputs: in, Filters: []router.FilterAccount{{Filter: "grep.0", Records: 9, Dropped: 1}}}
	for _, a := range out {
		status.Outputs = append(status.Outputs, router.OutputStatus{Account: a, Trouble: s.trouble})
	}
	return status
}

func (fakeSource) Reloads() int64 { return 0 }

func (s fakeSource) Healthy() (bool, string) { return s.trouble == "", s.trouble }

func (fakeSource) Orphans() []router.Orphan {
	return []router.Orphan{{Queue: "/q/es-app-1a2b3c4d", Output: "plugin es, match app*", Records: 7, Bytes: 500, Reason: "why"}}
}

func (fakeSource) AppendMetrics(dst []byte) []byte {
	return append(dst, "log_metric_counter_hits 3\n"...)
}

func (fakeSource) QueueBytes() (memory, disk int64) { return 1, 5 << 20 }

func (fakeSource) Metrics(see func(*metric.Sample)) {
	for _, name := range []string{"es.0", "null.0"} {
		see(&metric.Sample{Name: "fluentbit_output_proc_records_total", Kind: metric.Counter, Help: "records", Value: 4, Labels: []metric.Label{{Name: "name", Value: name}}})
	}
	see(&metric.Sample{Name: "firelane_output_buffered_records", Kind: metric.Gauge, Help: "also among the accounts", Value: 2})
}

func get(t *testing.T, src Source, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	pages(src, "test", time.Now()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestHealthPagesStandWhereFluentBitHasThem(t *testing.T) {
	for _, path := range []string{"/", "/api/v1/uptime", "/api/v1/health", "/api/v1/health/delivery", "/api/v1/metrics/prometheus", "/api/v2/metrics/prometheus", "/metrics"} {
		if code, _ := get(t, fakeSource{}, path); code != http.StatusOK {
			t.Errorf("GET %s: got %d, want 200", path, code)
		}
	}
}

// ECS ends a task whose health check fails, which mends no destination.
func TestADestinationThatIsAwayDoesNotMakeTheRouterUnhealthy(t *testing.T) {
	away := fakeSource{trouble: "es.0 has delivered nothing for 2m0s: connection refused"}
	if code, body := get(t, away, "/api/v1/health"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("got %d %q, want 200 ok", code, body)
	}
	if code, body := get(t, away, "/api/v1/health/delivery"); code != http.StatusInternalServerError || !strings.Contains(body, "connection refused") {
		t.Errorf("got %d %q, want 500 and the reason", code, body)
	}
	if code, body := get(t, fakeSource{}, "/api/v1/health/delivery"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("got %d %q, want 200 ok", code, body)
	}
}

func TestThePagesInJSONAreThoseOfFluentBit(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/metrics": `{"filter":{},"input":{},"output":{"es.0":{"proc_records":4},"null.0":{"proc_records":4}}}`,
		"/api/v1/storage": `{"input_chunks":{"forward.0":{"chunks":{"busy":0,"busy_size":"0b","down":0,"total":0,"up":0},"status":{"mem_limit":"0b","mem_size":"0b","overlimit":false}}},` +
			`"storage_layer":{"chunks":{"fs_chunks":3,"fs_chunks_down":3,"fs_chunks_up":0,"mem_chunks":1,"total_chunks":4}}}`,
	} {
		if code, body := get(t, fakeSource{}, path); code != http.StatusOK || strings.TrimSpace(body) != want {
			t.Errorf("GET %s: got %d %s\nwant %s", path, code, body, want)
		}
	}
}

func TestAccountsNameQueuesWithoutAnOutput(t *testing.T) {
	_, body := get(t, fakeSource{}, "/api/v1/accounts")
	want := `"queues_without_output":[{"queue":"/q/es-app-1a2b3c4d","output":"plugin es, match app*","records":7,"bytes":500,"reason":"why"}]`
	if !strings.Contains(body, want) {
		t.Errorf("got %s, want %s in it", body, want)
	}
}

func TestMetricsShowEveryFateOfARecord(t *testing.T) {
	_, body := get(t, fakeSource{}, "/metrics")
	for _, want := range []string{
		`firelane_input_records_total{input="forward.0"} 10`,
		`firelane_input_rejected_total{input="forward.0",reason="bad tag"} 2`,
		`firelane_output_records_total{output="es.0",fate="delivered"} 4`,
		`firelane_output_records_total{output="es.0",fate="dead_lettered"} 1`,
		`firelane_output_dropped_total{output="es.0",reason="no room"} 1`,
		`firelane_output_buffered_records{output="es.0"} 2`,
		`firelane_queue_without_output_records{queue="/q/es-app-1a2b3c4d"} 7`,
		`log_metric_counter_hits 3`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

// TestPageHasFluentBitsNames, on its page of the first version with times, as configurations of AWS's image parse it.
func TestPageHasFluentBitsNames(t *testing.T) {
	line := regexp.MustCompile(`(?m)^fluentbit_output_proc_records_total\{name="null.0"\} 4( \d{13})?$`)
	for path, timed := range map[string]bool{"/api/v1/metrics/prometheus": true, "/api/v2/metrics/prometheus": false, "/metrics": false} {
		_, body := get(t, fakeSource{}, path)
		found := line.FindStringSubmatch(body)
		if found == nil || (found[1] != "") != timed || strings.Count(body, "# TYPE fluentbit_output_proc_records_total counter") != 1 || strings.Contains(body, "also among") {
			t.Errorf("%s: got %q in\n%s", path, found, body)
		}
	}
}
