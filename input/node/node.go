// Package node implements Fluent Bit's input node_exporter_metrics: the state of the host as metrics with the names and labels of
// Prometheus's node exporter.
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

// Limits of what is read.
const (
	maxFile   = 4 << 20 // bytes of a file in /proc
	maxMounts = 256     // file systems
)

// What is omitted unless the options say otherwise: the node exporter's own defaults.
const (
	skippedMounts  = `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
	skippedTypes   = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$`
	skippedDevices = `^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`
)

// Options are the options of the input.
type Options struct {
	Tag      string        `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	Interval time.Duration `fluentbit:"scrape_interval" default:"5s" help:"time between two readings"`
	Metrics  []string      `fluentbit:"metrics" help:"what is read; unless written, all of cpu, meminfo, diskstats, filesystem, uname, stat, time, loadavg, vmstat, netdev, netstat, sockstat, filefd, cpufreq, thermal_zone, hwmon, nvme. processes and textfile are read only if they are in the list"`
	Proc     string        `fluentbit:"path.procfs" default:"/proc" help:"where the kernel's /proc is"`
	Root     string        `fluentbit:"path.rootfs" default:"/" help:"where the host's file systems are"`
	Sys      string        `fluentbit:"path.sysfs" default:"/sys" help:"where the kernel's /sys is"`
	Text     string        `fluentbit:"collector.textfile.path" help:"files in Prometheus's text format, * and ? in names; of a folder, those whose names end with .prom"`
	Mounts   string        `fluentbit:"filesystem.ignore_mount_point_regex" help:"mount points that are left out; unless written, as in the node exporter"`
	Types    string        `fluentbit:"filesystem.ignore_filesystem_type_regex" help:"types of file systems that are left out; unless written, as in the node exporter. File systems of a network are left out always"`
	Devices  string        `fluentbit:"diskstats.ignore_device_regex" help:"disks that are left out; unless written, as in the node exporter"`
	Each     string        `fluentbit:"collector.textfile.scrape_interval" ignored:"scrape_interval is the time between two readings of all" help:"accepted, without effect"`
	input.CommonOptions
}

// Warnings returns a line for each unknown name in metrics, for files that are not read, and for an interval of 0.
func (o *Options) Warnings() []string {
	w := poll.ScrapeWarnings(o.Interval)
	for _, name := range o.Metrics {
		if name = strings.TrimSpace(name); name != "" && !slices.ContainsFunc(collectors(), func(c collector) bool { return c.name == name }) {
			w = append(w, fmt.Sprintf("metrics: %s is not supported here, and ignored", name))
		}
	}
	switch asked := o.asks("textfile"); {
	case asked && o.Text == "":
		w = append(w, "metrics: textfile reads nothing without collector.textfile.path; want, for example, /var/lib/node_exporter")
	case !asked && o.Text != "":
		w = append(w, "collector.textfile.path: its files are read only if textfile is in metrics")
	}
	return w
}

// asks reports whether metrics has a name.
func (o *Options) asks(name string) bool {
	return slices.ContainsFunc(o.Metrics, func(m string) bool { return strings.TrimSpace(m) == name })
}

// A collector reads one group of metrics.
type collector struct {
	name      string
	collect   func(*node) error
	onRequest bool // only if the options name it
}

func collectors() []collector {
	return []collector{
		{name: "cpu", collect: (*node).cpu}, {name: "meminfo", collect: (*node).meminfo}, {name: "diskstats", collect: (*node).diskstats},
		{name: "filesystem", collect: (*node).filesystem}, {name: "uname", collect: (*node).uname}, {name: "stat", collect: (*node).stat},
		{name: "time", collect: (*node).time}, {name: "loadavg", collect: (*node).loadavg}, {name: "vmstat", collect: (*node).vmstat},
		{name: "netdev", collect: (*node).netdev}, {name: "netstat", collect: (*node).netstat}, {name: "sockstat", collect: (*node).sockstat},
		{name: "filefd", collect: (*node).filefd}, {name: "cpufreq", collect: (*node).cpufreq}, {name: "thermal_zone", collect: (*node).thermalZone},
		{name: "hwmon", collect: (*node).hwmon}, {name: "nvme", collect: (*node).nvme},
		{name: "processes", collect: (*node).allProcesses, onRequest: true}, {name: "textfile", collect: (*node).textfile, onRequest: true},
	}
}

// A node reads the metrics of the host.
type node struct {
	proc, root, sys, text  string
	mounts, types, devices *pattern.Pattern
	collectors             []collector
	warn                   func(name string, err error)

	at     record.Time // of the collection
	addAt  poll.AddMetric
	add    func(*metric.Sample)
	sample metric.Sample
}

// New makes the input. It returns an error if a pattern in the options is wrong.
func New(o *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	n, err := newNode(o)
	if err != nil {
		return nil, fmt.Errorf("node_exporter_metrics: %w", err)
	}
	n.warn = func(name string, err error) {
		env.Log.Warn().Str("metrics", name).Err(err).Msg("metrics of the host can't be read: they are omitted")
	}
	return poll.NewMetrics(o.Tag, o.Interval, false, n.collect, env), nil
}

func newNode(o *Options) (*node, error) {
	n := &node{proc: o.Proc, root: o.Root, sys: o.Sys, text: o.Text, warn: func(string, error) {}}
	if _, err := filepath.Match(o.Text, ""); err != nil {
		return nil, &config.OptionError{Option: "collector.textfile.path", Reason: fmt.Sprintf("%q is not a pattern for file names; want, for example, /var/lib/node_exporter/*.prom", o.Text)}
	}
	for _, p := range []struct {
		option, source, standard string
		to                       **pattern.Pattern
	}{
		{"filesystem.ignore_mount_point_regex", o.Mounts, skippedMounts, &n.mounts},
		{"filesystem.ignore_filesystem_type_regex", o.Types, skippedTypes, &n.types},
		{"diskstats.ignore_device_regex", o.Devices, skippedDevices, &n.devices},
	} {
		source := p.source
		if source == "" {
			source = p.standard
		}
		var err error
		if *p.to, err = pattern.CompileFluentBit(source, func() {}); err != nil {
			return nil, &config.OptionError{Option: p.option, Reason: err.Error()}
		}
	}
	for _, c := range collectors() {
		if len(o.Metrics) == 0 && !c.onRequest || o.asks(c.name) {
			n.collectors = append(n.collectors, c)
		}
	}
	return n, nil
}

func (n *node) collect(ctx context.Context, at record.Time, add poll.AddMetric) error {
	n.at, n.addAt = at, add
	n.add = func(s *metric.Sample) { add(s, at) }
	for _, c := range n.collectors {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.collect(n); err != nil && !errors.Is(err, os.ErrNotExist) {
			n.warn(c.name, err)
		}
	}
	return nil
}

// emit adds a metric; labels are alternating names and values.
func (n *node) emit(kind metric.Kind, name, help string, value float64, labels ...string) {
	s := &n.sample
	*s = metric.Sample{Name: name, Kind: kind, Help: help, Value: value, Labels: s.Labels[:0]}
	for i := 0; i+1 < len(labels); i += 2 {
		s.Labels = append(s.Labels, metric.Label{Name: labels[i], Value: strings.ToValidUTF8(labels[i+1], "\ufffd")})
	}
	n.add(s)
}

// read reads a file of /proc.
func (n *node) read(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(n.proc, name))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// lines calls see with the fields of each line of a file of /proc.
func (n *node) lines(name string, see func(f []string)) error {
	text, err := n.read(name)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) > 0 {
			see(f)
		}
	}
	return nil
}

// number parses a number from the kernel; it returns 0 for anything else.
func number(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return v
}
