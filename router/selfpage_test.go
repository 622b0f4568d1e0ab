package router

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
)

// The filters of AWS's file make the records that its example describes of the router's page.
func TestTheFileForMetricsMakesRecordsOfThem(t *testing.T) {
	text, ok := config.BuiltIn("/fluent-bit/configs/plugin-and-storage-metrics-to-cloudwatch.conf")
	if !ok {
		t.Fatal("the file is not built in")
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := "# HELP fluentbit_output_errors_total e\n# TYPE fluentbit_output_errors_total counter\nfluentbit_output_errors_total{name=\"es.0\"} 3 1700000000000\nfirelane_x{a=\"b\"} 1\n"
		if r.URL.Path == "/api/v1/storage" {
			body = `{"storage_layer":{"chunks":{"total_chunks":2}}}` + "\n"
		}
		w.Write([]byte(body))
	}))
	defer page.Close()
	dir := t.TempDir()
	text, _, _ = strings.Cut(text, "[OUTPUT]")
	text = strings.NewReplacer("http://127.0.0.1:2020", page.URL, "Interval_Sec  30", "Interval_Nsec 10000000", "Interval_Sec  5", "Interval_Nsec 10000000", "${HOSTNAME}", "web-1",
		"HTTP_Server      On", "HTTP_Server Off", "Flush            1", "Flush 10ms\n    storage.path DIR/queue").Replace(text)
	start(t, dir, text+"[OUTPUT]\n    Name file\n    Match fb_metrics*\n    Path DIR\n    File out\n    Format plain\n")
	out := func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "out"))
		return string(b)
	}
	for _, want := range []string{
		`{"metric":"fluentbit_output_errors_total","plugin":"es.0","value":"3","time":"1700000000000","hostname":"web-1"}`,
		`{"storage_layer":{"chunks":{"total_chunks":2}},"hostname":"web-1"}`,
	} {
		eventually(t, want, func() bool { return strings.Contains(out(), want+"\n") })
	}
	if strings.Contains(out(), "HELP") || strings.Contains(out(), "firelane_") {
		t.Errorf("got %.2000s\nwant only metrics of Fluent Bit's form", out())
	}
}
