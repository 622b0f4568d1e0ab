package node

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/firelane/firelane/metric"
)

const (
	maxValue   = 4 << 10 // bytes of a file in /sys
	maxDevices = 4096    // CPUs, zones or cooling devices
)

// devicesOf returns the numbers of the folders in a folder of /sys whose names are a prefix and a number, in order.
func (n *node) devicesOf(folder, prefix string) (ids []string, err error) {
	list, err := os.ReadDir(filepath.Join(n.sys, folder))
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		id, ok := strings.CutPrefix(e.Name(), prefix)
		if _, err := strconv.ParseUint(id, 10, 32); ok && err == nil && len(ids) < maxDevices {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { // 2 before 10
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return ids, nil
}

// value reads a file of /sys: one line.
func (n *node) value(path ...string) (string, error) {
	f, err := os.Open(filepath.Join(append([]string{n.sys}, path...)...))
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxValue))
	return strings.TrimSpace(string(text)), err
}

// integer reads a file of /sys that has an integer; ok is false if there is none, as when a device is asleep.
func (n *node) integer(path ...string) (v float64, ok bool) {
	text, err := n.value(path...)
	if err != nil {
		return 0, false
	}
	i, err := strconv.ParseInt(text, 10, 64)
	return float64(i), err == nil
}

// frequencies are the files of /sys/devices/system/cpu/cpuN/cpufreq, in kHz.
var frequencies = [...]struct{ file, name, help string }{
	{"cpuinfo_cur_freq", "frequency_hertz", "Current cpu thread frequency in hertz."},
	{"cpuinfo_max_freq", "frequency_max_hertz", "Maximum cpu thread frequency in hertz."},
	{"cpuinfo_min_freq", "frequency_min_hertz", "Minimum cpu thread frequency in hertz."},
	{"scaling_cur_freq", "scaling_frequency_hertz", "Current scaled CPU thread frequency in hertz."},
	{"scaling_max_freq", "scaling_frequency_max_hertz", "Maximum scaled CPU thread frequency in hertz."},
	{"scaling_min_freq", "scaling_frequency_min_hertz", "Minimum scaled CPU thread frequency in hertz."},
}

func (n *node) cpufreq() error {
	const folder = "devices/system/cpu"
	ids, err := n.devicesOf(folder, "cpu")
	for _, f := range frequencies {
		for _, id := range ids {
			if v, ok := n.integer(folder, "cpu"+id, "cpufreq", f.file); ok {
				n.emit(metric.Gauge, "node_cpu_"+f.name, f.help, v*1000, "cpu", id)
			}
		}
	}
	return err
}

func (n *node) thermalZone() error {
	const folder = "class/thermal"
	zones, err := n.devicesOf(folder, "thermal_zone")
	for _, id := range zones {
		zone := "thermal_zone" + id
		temp, ok := n.integer(folder, zone, "temp")
		kind, kindErr := n.value(folder, zone, "type")
		if ok && kindErr == nil {
			n.emit(metric.Gauge, "node_thermal_zone_temp", "Zone temperature in Celsius", temp/1000, "zone", id, "type", kind)
		}
	}
	coolers, coolErr := n.devicesOf(folder, "cooling_device")
	for _, state := range [...]struct{ file, help string }{
		{"cur_state", "Current throttle state of the cooling device"}, {"max_state", "Maximum throttle state of the cooling device"},
	} {
		for _, id := range coolers {
			v, ok := n.integer(folder, "cooling_device"+id, state.file)
			kind, kindErr := n.value(folder, "cooling_device"+id, "type")
			if ok && kindErr == nil {
				n.emit(metric.Gauge, "node_cooling_device_"+state.file, state.help, v, "name", id, "type", kind)
			}
		}
	}
	return errors.Join(err, coolErr)
}
