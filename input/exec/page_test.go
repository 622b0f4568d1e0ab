package exec

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/input"
)

func TestACommandThatOnlyReadsTheRoutersPageIsTold(t *testing.T) {
	const page = "http://127.0.0.1:2020/api/v1/metrics/prometheus"
	for command, want := range map[string]string{
		"curl -s " + page:                              page,
		"curl " + page:                                 page,
		"curl -s -f '" + page + "'":                    page,
		`curl -sS "` + page + `" && echo ""`:           page,
		"  curl  -s  " + page + " ; echo":              page,
		"curl -s http://localhost:2020/api/v1/storage": "http://localhost:2020/api/v1/storage",
		"curl -s http://[::1]:2020/metrics":            "http://[::1]:2020/metrics",

		"curl -s http://169.254.169.254/api/v1/metrics/prometheus": "",
		"curl -s http://example.com/metrics":                       "",
		"curl -s http://127.0.0.1.example.com/metrics":             "",
		"curl -s http://127.0.0.1:2020/other":                      "",
		"curl -s http://127.0.0.1:2020/metrics/../other":           "",
		"curl -s http://user@127.0.0.1:2020/metrics":               "",
		"curl -s https://127.0.0.1:2020/metrics":                   "",
		"curl -s http://127.0.0.1:2020/metrics?x":                  "",
		"curl -s http://127.0.0.1:2020/metrics; rm -rf /":          "",
		"curl -s http://127.0.0.1:2020/metrics && echo $(id)":      "",
		"curl -s -d x http://127.0.0.1:2020/metrics":               "",
		"curl -s -o /etc/passwd http://127.0.0.1:2020/metrics":     "",
		"curl":    "",
		"curl -s": "",
		"curl \"": "",
		"":        "",
		"wget -q -O- http://127.0.0.1:2020/metrics": "",
	} {
		if got := OwnPage(command); got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
}

// pageLines returns the first n lines of a page, read without allow_exec.
func pageLines(t *testing.T, status int, body string, n int) []string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer s.Close()
	events, _ := runIn(t, &Options{Command: "curl -s " + s.URL + "/api/v1/metrics/prometheus", Nsec: 1e6, BufSize: 4096}, n, input.Env{ID: "exec.0"})
	return events[:n] // it may have been read once more
}

func TestTheRoutersPageIsReadWithoutRunningACommand(t *testing.T) {
	got := pageLines(t, 200, "# HELP fluentbit_a a\n# TYPE fluentbit_a counter\nfluentbit_a{name=\"x\"} 1 5\n# HELP firelane_b b\n# TYPE firelane_b gauge\nfirelane_b 2\nlog_metric 3\n", 4)
	want := []string{`exec.0 {"exec":"# HELP fluentbit_a a"}`, `exec.0 {"exec":"# TYPE fluentbit_a counter"}`, `exec.0 {"exec":"fluentbit_a{name=\"x\"} 1 5"}`, `exec.0 {"exec":"log_metric 3"}`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAPageIsBounded(t *testing.T) {
	got := pageLines(t, 200, strings.Repeat(strings.Repeat("x", 4095)+"\n", 2*maxPage/4096), maxPage/4096)
	for _, line := range got {
		if len(line) > 5000 {
			t.Errorf("got a line of %d bytes", len(line))
		}
	}
}
