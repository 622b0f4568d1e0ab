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

// nvme emits one metric for each NVMe device, whose labels say what it is.
func (n *node) nvme() error {
	const folder = "class/nvme"
	ids, err := n.devicesOf(folder, "nvme")
	for _, id := range ids {
		device := "nvme" + id
		of := func(file string) string {
			text, _ := n.value(folder, device, file) // a device need not have all
			return text
		}
		n.emit(metric.Gauge, "node_nvme_info", "Non-numeric data from /sys/class/nvme/<device>, value is always 1.", 1,
			"device", device, "firmware_revision", of("firmware_rev"), "model", of("model"), "serial", of("serial"), "state", of("state"))
	}
	return err
}

// sensors are the kinds of sensors of /sys/class/hwmon: the first part of a file's name, and by how much its value is divided.
var sensors = [...]struct {
	kind, name, help string
	by               float64
}{
	{"temp", "temp_celsius", "Hardware monitor temperature sensor data in degrees celsius", 1e3},
	{"in", "in_volts", "Hardware monitor voltage sensor data in volts", 1e3},
	{"fan", "fan_rpm", "Hardware monitor fan speed in rotations per minute", 1},
	{"power", "power_watts", "Hardware monitor power sensor data in watts", 1e6},
}

// hwmon emits the sensors of the host, such as temp1_input, under the names of their chips and their own labels, if they have one.
func (n *node) hwmon() error {
	const folder = "class/hwmon"
	ids, err := n.devicesOf(folder, "hwmon")
	for _, id := range ids {
		dir := folder + "/hwmon" + id
		chip, chipErr := n.value(dir, "name")
		files, listErr := os.ReadDir(filepath.Join(n.sys, dir))
		if chipErr != nil || listErr != nil {
			continue
		}
		for _, f := range files[:min(len(files), maxDevices)] {
			if sensor, ok := strings.CutSuffix(f.Name(), "_input"); ok {
				n.sensor(dir, chip, sensor)
			}
		}
	}
	return err
}

// sensor emits one sensor of a chip: temp1.
func (n *node) sensor(dir, chip, sensor string) {
	label, err := n.value(dir, sensor+"_label")
	if err != nil {
		label = sensor
	}
	kind := strings.TrimRight(sensor, "0123456789")
	for _, s := range sensors {
		v, ok := n.integer(dir, sensor+"_input")
		if s.kind != kind || !ok {
			continue
		}
		n.emit(metric.Gauge, "node_hwmon_"+s.name, s.help, v/s.by, "chip", chip, "sensor", label)
		for _, limit := range [...]string{"max", "crit"} {
			if v, ok := n.integer(dir, sensor+"_"+limit); ok && kind == "temp" {
				n.emit(metric.Gauge, "node_hwmon_temp_"+limit+"_celsius", "Hardware monitor temperature, "+limit+", in degrees celsius", v/s.by, "chip", chip, "sensor", label)
			}
		}
	}
}
