package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// The promises of an Input are tested in input/poll, which this one uses.

// collected returns the metrics of a host with these files in /proc, without their time.
func collected(t *testing.T, o Options, files map[string]string) []string {
	t.Helper()
	if files != nil {
		o.Proc = t.TempDir()
		o.Root, o.Sys = o.Proc, o.Proc
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
	n, err := newNode(&o)
	if err != nil {
		t.Fatal(err)
	}
	n.warn = func(name string, err error) { t.Errorf("%s: %v", name, err) }
	var lines []string
	err = n.collect(context.Background(), record.Time{}, func(s *metric.Sample, at record.Time) {
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

func TestMetricsOfFiles(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"cpu": {"stat", "cpu  1 1 1 1 1 1 1 1 1 1\ncpu0 100 200 300 400 500 600 700 800 900 1000\ncpux\n", []string{
			`counter node_cpu_seconds_total{cpu="0",mode="user"} = 1`, `counter node_cpu_seconds_total{cpu="0",mode="nice"} = 2`,
			`counter node_cpu_seconds_total{cpu="0",mode="system"} = 3`, `counter node_cpu_seconds_total{cpu="0",mode="idle"} = 4`,
			`counter node_cpu_seconds_total{cpu="0",mode="iowait"} = 5`, `counter node_cpu_seconds_total{cpu="0",mode="irq"} = 6`,
			`counter node_cpu_seconds_total{cpu="0",mode="softirq"} = 7`, `counter node_cpu_seconds_total{cpu="0",mode="steal"} = 8`,
			`counter node_cpu_guest_seconds_total{cpu="0",mode="user"} = 9`, `counter node_cpu_guest_seconds_total{cpu="0",mode="nice"} = 10`,
		}},
		"stat": {"stat", "cpu 1\nintr 5 1 2\nctxt 6\nbtime 7\nprocesses 8\nprocs_running 9\nprocs_blocked 10\nintr\n", []string{
			"counter node_intr_total = 5", "counter node_context_switches_total = 6", "gauge node_boot_time_seconds = 7",
			"counter node_forks_total = 8", "gauge node_procs_running = 9", "gauge node_procs_blocked = 10",
		}},
		"meminfo": {"meminfo", "MemTotal: 4 kB\nActive(anon): 1 kB\nHugePages_Total: 3\nbad\n", []string{
			"gauge node_memory_MemTotal_bytes = 4096", "gauge node_memory_Active_anon_bytes = 1024", "gauge node_memory_HugePages_Total = 3",
		}},
		"diskstats": {"diskstats", " 8 0 sda 1 2 3 4000 5\n 8 1 sda1 1 1 1 1\n 1\n", []string{
			`counter node_disk_reads_completed_total{device="sda"} = 1`, `counter node_disk_reads_merged_total{device="sda"} = 2`,
			`counter node_disk_read_bytes_total{device="sda"} = 1536`, `counter node_disk_read_time_seconds_total{device="sda"} = 4`,
			`counter node_disk_writes_completed_total{device="sda"} = 5`,
		}},
		"loadavg": {"loadavg", "0.5 1.25 2 1/100 5\n", []string{"gauge node_load1 = 0.5", "gauge node_load5 = 1.25", "gauge node_load15 = 2"}},
		"vmstat":  {"vmstat", "nr_free 1\npgpgin 2\npgmajfault 3\noom_kill 4\n", []string{"counter node_vmstat_pgpgin = 2", "counter node_vmstat_pgmajfault = 3", "counter node_vmstat_oom_kill = 4"}},
		"netdev": {"net/dev", "Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", []string{
			`counter node_network_receive_bytes_total{device="eth0"} = 1`, `counter node_network_receive_packets_total{device="eth0"} = 2`,
			`counter node_network_receive_errs_total{device="eth0"} = 3`, `counter node_network_receive_drop_total{device="eth0"} = 4`,
			`counter node_network_receive_fifo_total{device="eth0"} = 5`, `counter node_network_receive_frame_total{device="eth0"} = 6`,
			`counter node_network_receive_compressed_total{device="eth0"} = 7`, `counter node_network_receive_multicast_total{device="eth0"} = 8`,
			`counter node_network_transmit_bytes_total{device="eth0"} = 9`, `counter node_network_transmit_packets_total{device="eth0"} = 10`,
			`counter node_network_transmit_errs_total{device="eth0"} = 11`, `counter node_network_transmit_drop_total{device="eth0"} = 12`,
			`counter node_network_transmit_fifo_total{device="eth0"} = 13`, `counter node_network_transmit_colls_total{device="eth0"} = 14`,
			`counter node_network_transmit_carrier_total{device="eth0"} = 15`, `counter node_network_transmit_compressed_total{device="eth0"} = 16`,
		}},
		"sockstat": {"net/sockstat", "sockets: used 5\nTCP: inuse 1 orphan 2\n", []string{"gauge node_sockstat_sockets_used = 5", "gauge node_sockstat_TCP_inuse = 1", "gauge node_sockstat_TCP_orphan = 2"}},
		"netstat":  {"net/snmp", "Tcp: RtoMin ActiveOpens\nTcp: 200 -1\nTcp: x\n", []string{"gauge node_netstat_Tcp_RtoMin = 200", "counter node_netstat_Tcp_ActiveOpens = -1"}},
		"filefd":   {"sys/fs/file-nr", "5 0 100\n", []string{"gauge node_filefd_allocated = 5", "gauge node_filefd_maximum = 100"}},
	} {
		if got := collected(t, Options{Metrics: []string{" " + name}}, map[string]string{c.file: c.text}); !slices.Equal(got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestWhatSysfsHas(t *testing.T) {
	got := collected(t, Options{Metrics: []string{"cpufreq", "thermal_zone"}}, map[string]string{
		"devices/system/cpu/cpu10/cpufreq/scaling_cur_freq": "10\n",
		"devices/system/cpu/cpu2/cpufreq/scaling_cur_freq":  "2\n",
		"devices/system/cpu/cpu3/cpufreq/scaling_cur_freq":  "asleep\n",
		"devices/system/cpu/cpufreq/scaling_cur_freq":       "1\n",
		"class/thermal/thermal_zone0/temp":                  "-5500\n", "class/thermal/thermal_zone0/type": "a\xff\n",
		"class/thermal/thermal_zone1/temp": strings.Repeat("9", 100_000), "class/thermal/thermal_zone1/type": "b",
		"class/thermal/cooling_device0/cur_state": "1", "class/thermal/cooling_device0/max_state": "2", "class/thermal/cooling_device0/type": "fan",
	})
	want := []string{
		`gauge node_cpu_scaling_frequency_hertz{cpu="2"} = 2000`, `gauge node_cpu_scaling_frequency_hertz{cpu="10"} = 10000`,
		"gauge node_thermal_zone_temp{zone=\"0\",type=\"a\ufffd\"} = -5.5",
		`gauge node_cooling_device_cur_state{name="0",type="fan"} = 1`, `gauge node_cooling_device_max_state{name="0",type="fan"} = 2`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := collected(t, Options{Metrics: []string{"cpufreq", "thermal_zone"}}, map[string]string{"x": ""}); len(got) > 0 {
		t.Errorf("got %q of a host without such files, want nothing", got)
	}
}

func TestHardware(t *testing.T) {
	got := collected(t, Options{Metrics: []string{"hwmon", "nvme"}}, map[string]string{
		"class/hwmon/hwmon0/name": "k10\n", "class/hwmon/hwmon0/temp1_input": "-5500\n", "class/hwmon/hwmon0/temp1_label": "die\n", "class/hwmon/hwmon0/temp1_crit": "90000",
		"class/hwmon/hwmon0/fan2_input": "1200", "class/hwmon/hwmon0/fan2_max": "9", "class/hwmon/hwmon0/in0_input": "1250", "class/hwmon/hwmon0/power1_input": "2500000",
		"class/hwmon/hwmon0/temp2_input": "asleep", "class/hwmon/hwmon0/humidity1_input": "1", "class/hwmon/hwmon1/temp1_input": "1",
		"class/nvme/nvme0/model": "Disk  \n", "class/nvme/nvme0/state": "live\n", "class/nvme/nvme-subsys0/model": "x",
	})
	want := []string{
		`gauge node_hwmon_fan_rpm{chip="k10",sensor="fan2"} = 1200`, `gauge node_hwmon_in_volts{chip="k10",sensor="in0"} = 1.25`,
		`gauge node_hwmon_power_watts{chip="k10",sensor="power1"} = 2.5`, `gauge node_hwmon_temp_celsius{chip="k10",sensor="die"} = -5.5`,
		`gauge node_hwmon_temp_crit_celsius{chip="k10",sensor="die"} = 90`,
		`gauge node_nvme_info{device="nvme0",firmware_revision="",model="Disk",serial="",state="live"} = 1`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAllProcessesTogetherIfTheOptionsNameThem(t *testing.T) {
	files := map[string]string{
		"sys/kernel/threads-max": "100\n", "sys/kernel/pid_max": "200\n", "1/stat": statOf(1, "init", "S"), "1/task/1/stat": statOf(1, "init", "S"),
		"7/stat": statOf(7, "a b", "R"), "7/task/7/stat": statOf(7, "a b", "R"), "7/task/8/stat": statOf(8, "w", "S"), "9/other": "",
	}
	for _, line := range collected(t, Options{}, files) {
		if strings.Contains(line, "node_processes") {
			t.Errorf("got %s without being asked for it", line)
		}
	}
	got := collected(t, Options{Metrics: []string{"processes"}}, files)
	for _, want := range []string{
		"gauge node_processes_max_threads = 100", "gauge node_processes_max_processes = 200", `gauge node_processes_state{state="R"} = 1`,
		`gauge node_processes_state{state="S"} = 1`, `gauge node_processes_state{state="Z"} = 0`, `gauge node_processes_threads_state{thread_state="S"} = 2`,
		"gauge node_processes_threads = 40", "gauge node_processes_pids = 2",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

func TestFileSystems(t *testing.T) {
	got := collected(t, Options{Metrics: []string{"filesystem"}}, map[string]string{
		"1/mounts": "/dev/a / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\nfs:/ /efs nfs4 rw 0 0\n/dev/b /with\\040blank ext4 ro 0 0\n/dev/a / ext4 rw 0 0\nx\n",
	})
	var names []string
	for _, line := range got {
		name, value, _ := strings.Cut(line, " = ")
		if strings.Contains(name, "readonly") || strings.Contains(name, "device_error") {
			name += " = " + value
		}
		names = append(names, strings.TrimPrefix(name, "gauge node_filesystem_"))
	}
	const root, blank = `{device="/dev/a",fstype="ext4",mountpoint="/"}`, `{device="/dev/b",fstype="ext4",mountpoint="/with blank"}`
	want := []string{
		"device_error" + root + " = 0", "avail_bytes" + root, "files" + root, "files_free" + root, "free_bytes" + root,
		"readonly" + root + " = 0", "size_bytes" + root, "device_error" + blank + " = 1",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(names, "\n"), strings.Join(want, "\n"))
	}
}

// TestRealHost: what this machine's kernel writes is read, and no metric is there twice.
func TestRealHost(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range collected(t, Options{Proc: "/proc", Root: "/"}, nil) {
		name, _, _ := strings.Cut(line, " = ")
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	for _, name := range []string{"gauge node_load1", "gauge node_memory_MemTotal_bytes", "counter node_context_switches_total", `counter node_cpu_seconds_total{cpu="0",mode="user"}`} {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestOptions(t *testing.T) {
	if w := (&Options{Interval: time.Second, Metrics: []string{"cpu", "systemd", "textfile"}}).Warnings(); len(w) != 2 {
		t.Errorf("got the warnings %q, want one for systemd and one for textfile", w)
	}
	if _, err := New(&Options{Devices: "("}, config.FluentBit, input.Env{}); err == nil {
		t.Error("a wrong pattern is accepted")
	}
}
