package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/pattern"
	"github.com/firelane/firelane/record"
)

// Limits of what is read of processes.
const (
	maxProcesses = 4096 // those beyond it are left out, with a warning
	maxThreads   = 1024 // of a process
	maxFiles     = 1 << 20
)

// processGroups are the names of metrics of processes.
var processGroups = []string{"cpu", "io", "memory", "state", "context_switches", "fd", "start_time", "thread_wchan", "thread"}

// ProcessOptions are the options of the input process_exporter_metrics.
type ProcessOptions struct {
	Tag      string        `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	Interval time.Duration `fluentbit:"scrape_interval" default:"5s" help:"time between two readings"`
	Proc     string        `fluentbit:"path.procfs" default:"/proc" help:"where the kernel's /proc is"`
	Include  string        `fluentbit:"process_include_pattern" default:".+" help:"names of processes that are read"`
	Exclude  string        `fluentbit:"process_exclude_pattern" help:"names of processes that are left out"`
	Metrics  []string      `fluentbit:"metrics" help:"what is read; unless written, all of cpu, io, memory, state, context_switches, fd, start_time, thread_wchan, thread"`
	input.CommonOptions
}

// Warnings returns a line for each unknown name in metrics, and for an interval of 0.
func (o *ProcessOptions) Warnings() []string {
	w := poll.ScrapeWarnings(o.Interval)
	for _, name := range o.Metrics {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(processGroups, name) {
			w = append(w, fmt.Sprintf("metrics: there is no %s, and it is ignored", name))
		}
	}
	return w
}

// processes reads the metrics of processes. node has /proc and emits them.
type processes struct {
	node
	include, exclude *pattern.Pattern // exclude nil: none
	groups           []string
	boot             float64 // Unix time in seconds
}

// NewProcesses makes the input process_exporter_metrics. It returns an error if a pattern in the options is wrong.
func NewProcesses(o *ProcessOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	p, err := newProcesses(o)
	if err != nil {
		return nil, fmt.Errorf("process_exporter_metrics: %w", err)
	}
	p.warn = func(name string, err error) {
		env.Log.Warn().Str("metrics", name).Err(err).Msg("metrics of processes can't be read: they are omitted")
	}
	return poll.NewMetrics(o.Tag, o.Interval, false, p.collect, env), nil
}

func newProcesses(o *ProcessOptions) (*processes, error) {
	p := &processes{node: node{proc: o.Proc, warn: func(string, error) {}}, groups: processGroups}
	var err error
	if p.include, err = pattern.CompileFluentBit(o.Include, func() {}); err != nil {
		return nil, &config.OptionError{Option: "process_include_pattern", Reason: err.Error()}
	}
	if o.Exclude != "" {
		if p.exclude, err = pattern.CompileFluentBit(o.Exclude, func() {}); err != nil {
			return nil, &config.OptionError{Option: "process_exclude_pattern", Reason: err.Error()}
		}
	}
	if len(o.Metrics) > 0 {
		p.groups = nil
		for _, name := range o.Metrics {
			p.groups = append(p.groups, strings.TrimSpace(name))
		}
	}
	return p, nil
}

func (p *processes) wants(group string) bool { return slices.Contains(p.groups, group) }

// collect reads all processes. One that ends meanwhile is left out.
func (p *processes) collect(ctx context.Context, at record.Time, add poll.AddMetric) error {
	p.add = func(s *metric.Sample) { add(s, at) }
	pids, err := p.numbers(maxProcesses)
	if err != nil {
		return err
	}
	if len(pids) == maxProcesses {
		p.warn("all", fmt.Errorf("there are more than %d processes", maxProcesses-1))
	}
	err = p.lines("stat", func(f []string) {
		if f[0] == "btime" && len(f) > 1 {
			p.boot = number(f[1])
		}
	})
	for _, pid := range pids {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.process(pid)
	}
	return err
}

// numbers returns the names of a folder of /proc that are numbers, at most limit of them, in order.
func (n *node) numbers(limit int, folder ...string) ([]string, error) {
	names, err := n.names(limit, folder...)
	names = slices.DeleteFunc(names, func(name string) bool { _, err := strconv.Atoi(name); return err != nil })
	slices.SortFunc(names, func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
	return names, err
}

// names returns names in a folder of /proc, at most limit of them.
func (n *node) names(limit int, folder ...string) ([]string, error) {
	dir, err := os.Open(filepath.Join(append([]string{n.proc}, folder...)...))
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // it was only read
	names, err := dir.Readdirnames(limit)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// The fields of /proc/PID/stat after the name, as proc(5) counts them from 3.
const (
	statState, statParent, statMinor, statMajor  = 3, 4, 10, 12
	statUser, statSystem, statThreads, statBegin = 14, 15, 20, 22
	statVirtual, statResident                    = 23, 24
)

// states are the states of processes and threads that are reported, as in /proc/PID/stat.
var states = [...]string{"R", "S", "D", "Z", "T", "I"}

// A processStat is /proc/PID/stat, or that of a thread.
type processStat struct {
	name   string
	fields []string // from statState on
}

func (s *processStat) text(field int) string    { return s.fields[field-statState] }
func (s *processStat) number(field int) float64 { return number(s.text(field)) }

// statOf reads the stat of a process or thread; nil if there is none any more. The name may have blanks and parentheses.
func (n *node) statOf(folder string) *processStat {
	text, err := n.read(filepath.Join(folder, "stat"))
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if err != nil || begin < 0 || end < begin {
		return nil
	}
	s := &processStat{name: string(text[begin+1 : end]), fields: strings.Fields(string(text[end+1:]))}
	if len(s.fields) <= statResident-statState {
		return nil
	}
	return s
}

// process emits the metrics of a process, if its name is one that is read.
func (p *processes) process(pid string) {
	s := p.statOf(pid)
	if s == nil || !p.include.Match([]byte(s.name)) || p.exclude != nil && p.exclude.Match([]byte(s.name)) {
		return
	}
	labels := []string{"name", s.name, "pid", pid, "ppid", s.text(statParent)}
	with := func(more ...string) []string { return slices.Concat(labels, more) }
	if p.wants("state") {
		for _, state := range states {
			is := 0.0
			if s.text(statState) == state {
				is = 1
			}
			p.emit(metric.Gauge, "process_states", "Process in states Running, Sleeping, Waiting, Zombie, or Other", is, with("state", state)...)
		}
	}
	if p.wants("cpu") {
		p.emit(metric.Counter, "process_cpu_seconds_total", "CPU usage in seconds", s.number(statUser)/ticks, with("mode", "user")...)
		p.emit(metric.Counter, "process_cpu_seconds_total", "CPU usage in seconds", s.number(statSystem)/ticks, with("mode", "system")...)
	}
	if p.wants("start_time") {
		p.emit(metric.Gauge, "process_start_time_seconds", "start time in seconds since 1970/01/01", p.boot+s.number(statBegin)/ticks, labels...)
	}
	if p.wants("thread") {
		p.emit(metric.Gauge, "process_num_threads", "Number of threads", s.number(statThreads), labels...)
	}
	if p.wants("memory") {
		const help = "number of bytes of memory in use per type (VirtualMemory, RSS)"
		p.emit(metric.Gauge, "process_memory_bytes", help, s.number(statVirtual), with("type", "virtual_memory")...)
		p.emit(metric.Gauge, "process_memory_bytes", help, s.number(statResident)*float64(os.Getpagesize()), with("type", "rss")...)
		p.emit(metric.Counter, "process_major_page_faults_total", "Major page fault", s.number(statMajor), labels...)
		p.emit(metric.Counter, "process_minor_page_faults_total", "Minor page fault", s.number(statMinor), labels...)
	}
	p.details(pid, s.name, labels)
}

// details emits what is in further files of a process. Those of other users' processes can't all be read.
func (p *processes) details(pid, name string, labels []string) {
	if p.wants("fd") {
		p.files(pid, labels)
	}
	if p.wants("thread_wchan") {
		if text, err := p.read(filepath.Join(pid, "wchan")); err == nil {
			where := strings.TrimSpace(string(text))
			if where == "0" {
				where = ""
			}
			p.emit(metric.Gauge, "process_thread_wchan", "Number of threads in this process waiting on each wchan", 1, "name", name, "pid", pid, "wchan", where)
		}
	}
	if p.wants("io") {
		p.values(pid, "io", func(key string, v float64) {
			switch key {
			case "read_bytes":
				p.emit(metric.Counter, "process_read_bytes_total", "number of bytes read", v, labels...)
			case "write_bytes":
				p.emit(metric.Counter, "process_write_bytes_total", "number of bytes write", v, labels...)
			}
		})
	}
	if p.wants("context_switches") {
		p.values(pid, "status", func(key string, v float64) {
			if key == "voluntary_ctxt_switches" || key == "nonvoluntary_ctxt_switches" {
				p.emit(metric.Counter, "process_context_switches_total", "Context switches", v, "name", name, "pid", pid, "context_switch_type", key)
			}
		})
	}
	if p.wants("thread") {
		threads, _ := p.numbers(maxThreads, pid, "task") // the process may have ended
		for _, id := range threads {
			if id != pid {
				p.thread(filepath.Join(pid, "task", id), id, name)
			}
		}
	}
}

// values calls see with the lines of a file that are a name, a colon and a number.
func (p *processes) values(folder, file string, see func(key string, v float64)) {
	_ = p.lines(filepath.Join(folder, file), func(f []string) { // the process may have ended, or be another user's
		if key, ok := strings.CutSuffix(f[0], ":"); ok && len(f) > 1 {
			see(key, number(f[1]))
		}
	})
}

// files emits how many files a process has open, and how many it may have.
func (p *processes) files(pid string, labels []string) {
	open, err := p.names(maxFiles, pid, "fd")
	if err != nil {
		return // another user's
	}
	n := float64(len(open))
	p.emit(metric.Gauge, "process_open_filedesc", "number of open file descriptors", n, labels...)
	_ = p.lines(filepath.Join(pid, "limits"), func(f []string) {
		if len(f) > 3 && strings.Join(f[:3], " ") == "Max open files" && number(f[3]) > 0 {
			p.emit(metric.Gauge, "process_fd_ratio", "the ratio between open fds and max fds", n/number(f[3]), labels...)
		}
	})
}

// thread emits the metrics of a thread that isn't the process's first.
func (p *processes) thread(folder, id, name string) {
	s := p.statOf(folder)
	if s == nil {
		return
	}
	emit := func(metricName, help string, v float64, more ...string) {
		p.emit(metric.Counter, metricName, help, v, slices.Concat([]string{"name", name, "threadname", s.name, "thread_id", id}, more)...)
	}
	emit("process_thread_cpu_seconds_total", "CPU user/system usage in seconds with the same threadname", s.number(statUser)/ticks, "mode", "user")
	emit("process_thread_cpu_seconds_total", "CPU user/system usage in seconds with the same threadname", s.number(statSystem)/ticks, "mode", "system")
	emit("process_thread_major_page_faults_total", "Major page fault for these threads", s.number(statMajor))
	emit("process_thread_minor_page_faults_total", "Minor page fault for these threads", s.number(statMinor))
	p.values(folder, "io", func(key string, v float64) {
		if mode, ok := strings.CutSuffix(key, "_bytes"); ok && (mode == "read" || mode == "write") {
			emit("process_thread_io_bytes_total", "number of bytes read/written by these threads", v, "iomode", mode)
		}
	})
	p.values(folder, "status", func(key string, v float64) {
		if key == "voluntary_ctxt_switches" || key == "nonvoluntary_ctxt_switches" {
			emit("process_thread_context_switches_total", "Context switches", v, "context_switch_type", key)
		}
	})
}

// allProcesses emits what the node exporter reports of all processes together.
func (n *node) allProcesses() error {
	for _, limit := range [...]struct{ file, name, help string }{
		{"sys/kernel/threads-max", "max_threads", "Limit of threads in the system"}, {"sys/kernel/pid_max", "max_processes", "Number of max PIDs limit"},
	} {
		if text, err := n.read(limit.file); err == nil {
			n.emit(metric.Gauge, "node_processes_"+limit.name, limit.help, number(strings.TrimSpace(string(text))))
		}
	}
	pids, err := n.numbers(maxProcesses)
	processes, threads, allThreads, found := map[string]int{}, map[string]int{}, 0.0, 0
	for _, pid := range pids {
		s := n.statOf(pid)
		if s == nil {
			continue
		}
		found++
		processes[s.text(statState)]++
		allThreads += s.number(statThreads)
		ids, _ := n.numbers(maxThreads, pid, "task") // the process may have ended
		for _, id := range ids {
			if t := n.statOf(filepath.Join(pid, "task", id)); t != nil {
				threads[t.text(statState)]++
			}
		}
	}
	for _, state := range states {
		n.emit(metric.Gauge, "node_processes_state", "Number of processes in each state.", float64(processes[state]), "state", state)
	}
	for _, state := range states {
		n.emit(metric.Gauge, "node_processes_threads_state", "Number of threads in each state.", float64(threads[state]), "thread_state", state)
	}
	n.emit(metric.Gauge, "node_processes_threads", "Allocated threads in system", allThreads)
	n.emit(metric.Gauge, "node_processes_pids", "Number of PIDs", float64(found))
	return err
}
