package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/router"
)

// fakeSource is a router with fixed accounts.
type fakeSource struct{ trouble string }

func (fakeSource) Accounts() ([]router.InputAccount, []router.Account) {
	return []router.InputAccount{{Input: "forward.0", Received: 10, Unrouted: 1, Rejected: map[string]int64{"bad tag": 2}}},
		[]router.Account{{Output: "es.0", Received: 9, Delivered: 4, Filtered: 1, Dead: 1, Buffered: 2, Dropped: map[string]int64{"no room": 1}}}
}

func (s fakeSource) Healthy() (bool, string) { return s.trouble == "", s.trouble }

func (fakeSource) Orphans() []router.Orphan {
	return []router.Orphan{{Queue: "/q/es-app-1a2b3c4d", Output: "plugin es, match app*", Records: 7, Bytes: 500, Reason: "why"}}
}

func (fakeSource) AppendMetrics(dst []byte) []byte {
	return append(dst, "log_metric_counter_hits 3\n"...)
}

func get(t *testing.T, src Source, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	pages(src, "test", time.Now()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestHealthPagesStandWhereFluentBitHasThem(t *testing.T) {
	for _, path := range []string{"/", "/api/v1/uptime", "/api/v1/health", "/api/v1/metrics/prometheus", "/api/v2/metrics/prometheus", "/metrics"} {
		if code, _ := get(t, fakeSource{}, path); code != http.StatusOK {
			t.Errorf("GET %s: got %d, want 200", path, code)
		}
	}
}

func TestUnhealthyRouterSaysWhy(t *testing.T) {
	code, body := get(t, fakeSource{trouble: "es.0 has delivered nothing for 2m0s: connection refused"}, "/api/v1/health")
	if code != http.StatusInternalServerError || !strings.Contains(body, "connection refused") {
		t.Errorf("got %d %q, want 500 and the reason", code, body)
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
