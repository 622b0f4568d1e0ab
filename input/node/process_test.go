package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

// processMetrics returns the metrics of processes with these files in /proc; nil: of this machine's.
func processMetrics(t *testing.T, o ProcessOptions, files map[string]string) (lines []string) {
	t.Helper()
	if o.Proc = "/proc"; files != nil {
		o.Proc = t.TempDir()
	}
	for name, text := range files {
		path := filepath.Join(o.Proc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if o.Include == "" {
		o.Include = ".+"
	}
	p, err := newProcesses(&o)
	if err != nil {
		t.Fatal(err)
	}
	err = p.collect(context.Background(), record.Time{}, func(s *metric.Sample, at record.Time) {
		if s.Help == "" {
			t.Errorf("%s has no description", s.Name)
		}
		line := string(s.AppendLine(nil, at))[len("1970-01-01T00:00:00.000000000Z "):]
		lines = append(lines, string(s.Kind)+" "+strings.TrimSpace(line))
	})
	if err != nil {
		t.Error(err)
	}
	return lines
}

// statOf is a line of /proc/PID/stat, with the fields from 4 on as their own numbers.
func statOf(pid int, name, state string) string {
	text := fmt.Sprintf("%d (%s) %s", pid, name, state)
	for n := 4; n <= 52; n++ {
		text += fmt.Sprintf(" %d", n)
	}
	return text + "\n"
}

func TestMetricsOfProcesses(t *testing.T) {
	files := map[string]string{
		"stat": "cpu 1\nbtime 1000\n", "12/stat": statOf(12, "a) (b", "S"), "3/stat": statOf(3, "init", "R"), "self/stat": statOf(3, "self", "R"),
		"12/fd/0": "", "12/fd/1": "", "12/limits": "Limit Soft Hard Units\nMax open files            4                 8                 files\n",
		"12/wchan": "futex_wait\n", "12/io": "rchar: 1\nread_bytes: 2\nwrite_bytes: 3\ncancelled_write_bytes: 4\n",
		"12/status":         "Name:\ta) (b\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n",
		"12/task/12/stat":   statOf(12, "a) (b", "S"),
		"12/task/13/stat":   statOf(13, "worker", "S"),
		"12/task/13/io":     "read_bytes: 7\nwrite_bytes: 8\n",
		"12/task/13/status": "voluntary_ctxt_switches:\t9\n",
	}
	const who, thread = `name="a) (b",pid="12",ppid="4"`, `name="a) (b",threadname="worker",thread_id="13"`
	want := []string{
		`gauge process_states{` + who + `,state="R"} = 0`, `gauge process_states{` + who + `,state="S"} = 1`, `gauge process_states{` + who + `,state="D"} = 0`,
		`gauge process_states{` + who + `,state="Z"} = 0`, `gauge process_states{` + who + `,state="T"} = 0`, `gauge process_states{` + who + `,state="I"} = 0`,
		`counter process_cpu_seconds_total{` + who + `,mode="user"} = 0.14`, `counter process_cpu_seconds_total{` + who + `,mode="system"} = 0.15`,
		`gauge process_start_time_seconds{` + who + `} = 1000.22`, `gauge process_num_threads{` + who + `} = 20`,
		`gauge process_memory_bytes{` + who + `,type="virtual_memory"} = 23`, fmt.Sprintf(`gauge process_memory_bytes{%s,type="rss"} = %d`, who, 24*os.Getpagesize()),
		`counter process_major_page_faults_total{` + who + `} = 12`, `counter process_minor_page_faults_total{` + who + `} = 10`,
		`gauge process_open_filedesc{` + who + `} = 2`, `gauge process_fd_ratio{` + who + `} = 0.5`,
		`gauge process_thread_wchan{name="a) (b",pid="12",wchan="futex_wait"} = 1`,
		`counter process_read_bytes_total{` + who + `} = 2`, `counter process_write_bytes_total{` + who + `} = 3`,
		`counter process_context_switches_total{name="a) (b",pid="12",context_switch_type="voluntary_ctxt_switches"} = 5`,
		`counter process_context_switches_total{name="a) (b",pid="12",context_switch_type="nonvoluntary_ctxt_switches"} = 6`,
		`counter process_thread_cpu_seconds_total{` + thread + `,mode="user"} = 0.14`, `counter process_thread_cpu_seconds_total{` + thread + `,mode="system"} = 0.15`,
		`counter process_thread_major_page_faults_total{` + thread + `} = 12`, `counter process_thread_minor_page_faults_total{` + thread + `} = 10`,
		`counter process_thread_io_bytes_total{` + thread + `,iomode="read"} = 7`, `counter process_thread_io_bytes_total{` + thread + `,iomode="write"} = 8`,
		`counter process_thread_context_switches_total{` + thread + `,context_switch_type="voluntary_ctxt_switches"} = 9`,
	}
	if got := processMetrics(t, ProcessOptions{Exclude: "^init$"}, files); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	got := processMetrics(t, ProcessOptions{Include: "^init$", Metrics: []string{"start_time", " state"}}, files)
	if len(got) != 7 || got[0] != `gauge process_states{name="init",pid="3",ppid="4",state="R"} = 1` {
		t.Errorf("got %q, want the states and the start of init", got)
	}
}

func TestProcessesThatEndMeanwhileAreLeftOut(t *testing.T) {
	if got := processMetrics(t, ProcessOptions{}, map[string]string{"stat": "", "7/x": "", "8/stat": "", "9/stat": "9 (x) S 1 2", "10/stat": "garbage"}); len(got) > 0 {
		t.Errorf("got %q, want nothing", got)
	}
}

// What this machine's kernel says of the test's own process is read, and no metric is there twice.
func TestRealProcesses(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range processMetrics(t, ProcessOptions{}, nil) {
		name, _, _ := strings.Cut(line, " = ")
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	own := fmt.Sprintf(`pid="%d",ppid="%d"`, os.Getpid(), os.Getppid())
	for _, name := range []string{"process_open_filedesc", "process_num_threads", "process_read_bytes_total", "process_start_time_seconds"} {
		found := false
		for line := range seen {
			found = found || strings.Contains(line, name+"{") && strings.Contains(line, own)
		}
		if !found {
			t.Errorf("%s of this process is missing", name)
		}
	}
}

func TestProcessOptions(t *testing.T) {
	if w := (&ProcessOptions{Interval: time.Second, Metrics: []string{"cpu", "gpu"}}).Warnings(); len(w) != 1 {
		t.Errorf("got the warnings %q, want one for gpu", w)
	}
	for _, o := range []ProcessOptions{{Include: "("}, {Include: ".+", Exclude: "("}} {
		if _, err := NewProcesses(&o, config.FluentBit, input.Env{}); err == nil {
			t.Errorf("%+v: a wrong pattern is accepted", o)
		}
	}
}
