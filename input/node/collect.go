package node

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/firelane/firelane/metric"
)

// ticks is the unit of the times in /proc/stat: 1/100 s on every Linux that Go supports (USER_HZ).
const ticks = 100

// modes are the columns of /proc/stat, without the last two, which are the times of guests.
var modes = [...]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"}

func (n *node) cpu() error {
	return n.lines("stat", func(f []string) {
		id, ok := strings.CutPrefix(f[0], "cpu")
		if !ok || id == "" || len(f) < 1+len(modes) {
			return
		}
		for i, mode := range modes {
			n.emit(metric.Counter, "node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", number(f[1+i])/ticks, "cpu", id, "mode", mode)
		}
		for i, mode := range []string{"user", "nice"} {
			if at := 1 + len(modes) + i; at < len(f) {
				n.emit(metric.Counter, "node_cpu_guest_seconds_total", "Seconds the CPUs spent in guests (VMs) for each mode.", number(f[at])/ticks, "cpu", id, "mode", mode)
			}
		}
	})
}

func (n *node) stat() error {
	return n.lines("stat", func(f []string) {
		if len(f) < 2 {
			return
		}
		v := number(f[1])
		switch f[0] {
		case "intr":
			n.emit(metric.Counter, "node_intr_total", "Total number of interrupts serviced.", v)
		case "ctxt":
			n.emit(metric.Counter, "node_context_switches_total", "Total number of context switches.", v)
		case "processes":
			n.emit(metric.Counter, "node_forks_total", "Total number of forks.", v)
		case "btime":
			n.emit(metric.Gauge, "node_boot_time_seconds", "Node boot time, in unixtime.", v)
		case "procs_running":
			n.emit(metric.Gauge, "node_procs_running", "Number of processes in runnable state.", v)
		case "procs_blocked":
			n.emit(metric.Gauge, "node_procs_blocked", "Number of processes blocked waiting for I/O to complete.", v)
		}
	})
}

// meminfo emits the lines of /proc/meminfo under their names; Active(anon) becomes Active_anon.
func (n *node) meminfo() error {
	return n.lines("meminfo", func(f []string) {
		if len(f) < 2 {
			return
		}
		name := strings.NewReplacer("(", "_", ")", "", ":", "").Replace(f[0])
		v := number(f[1])
		if len(f) > 2 { // kB
			name, v = name+"_bytes", v*1024
		}
		n.emit(metric.Gauge, "node_memory_"+name, "Memory information field "+name+".", v)
	})
}

// disks are the columns of /proc/diskstats from the fourth one on (Linux, Documentation/admin-guide/iostats.rst).
var disks = [...]struct {
	kind       metric.Kind
	name, help string
	by         float64
}{
	{metric.Counter, "reads_completed_total", "The total number of reads completed successfully.", 1},
	{metric.Counter, "reads_merged_total", "The total number of reads merged.", 1},
	{metric.Counter, "read_bytes_total", "The total number of bytes read successfully.", 512},
	{metric.Counter, "read_time_seconds_total", "The total number of seconds spent by all reads.", 1e-3},
	{metric.Counter, "writes_completed_total", "The total number of writes completed successfully.", 1},
	{metric.Counter, "writes_merged_total", "The number of writes merged.", 1},
	{metric.Counter, "written_bytes_total", "The total number of bytes written successfully.", 512},
	{metric.Counter, "write_time_seconds_total", "This is the total number of seconds spent by all writes.", 1e-3},
	{metric.Gauge, "io_now", "The number of I/Os currently in progress.", 1},
	{metric.Counter, "io_time_seconds_total", "Total seconds spent doing I/Os.", 1e-3},
	{metric.Counter, "io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os.", 1e-3},
	{metric.Counter, "discards_completed_total", "The total number of discards completed successfully.", 1},
	{metric.Counter, "discards_merged_total", "The total number of discards merged.", 1},
	{metric.Counter, "discarded_sectors_total", "The total number of sectors discarded successfully.", 1},
	{metric.Counter, "discard_time_seconds_total", "This is the total number of seconds spent by all discards.", 1e-3},
	{metric.Counter, "flush_requests_total", "The total number of flush requests completed successfully", 1},
	{metric.Counter, "flush_requests_time_seconds_total", "This is the total number of seconds spent by all flush requests.", 1e-3},
}

func (n *node) diskstats() error {
	return n.lines("diskstats", func(f []string) {
		if len(f) < 4 || n.devices.Match([]byte(f[2])) {
			return
		}
		for i, d := range disks[:min(len(f)-3, len(disks))] {
			v := number(f[3+i])
			if d.by == 1e-3 {
				v /= 1000
			} else {
				v *= d.by
			}
			n.emit(d.kind, "node_disk_"+d.name, d.help, v, "device", f[2])
		}
	})
}

// A mount is a line of /proc/mounts.
type mount struct{ device, at, kind, options string }

func (n *node) filesystem() error {
	name := "1/mounts"
	if _, err := os.Stat(filepath.Join(n.proc, name)); err != nil {
		name = "self/mounts"
	}
	var list []mount
	err := n.lines(name, func(f []string) {
		if len(f) < 4 || len(list) == maxMounts {
			return
		}
		m := mount{unescape(f[0]), unescape(f[1]), f[2], f[3]}
		same := slices.ContainsFunc(list, func(o mount) bool { return o.at == m.at && o.device == m.device })
		if !same && !n.types.Match([]byte(m.kind)) && !n.mounts.Match([]byte(m.at)) && !overNetwork(m.kind) {
			list = append(list, m)
		}
	})
	for _, m := range list {
		n.mounted(m)
	}
	return err
}

// overNetwork reports whether statfs(2) may hang on a file system of this type.
func overNetwork(kind string) bool {
	return strings.HasPrefix(kind, "nfs") || strings.HasPrefix(kind, "fuse") ||
		slices.Contains([]string{"cifs", "smb3", "9p", "ceph", "lustre", "afs", "glusterfs"}, kind)
}

func (n *node) mounted(m mount) {
	var s unix.Statfs_t
	err := unix.Statfs(filepath.Join(n.root, m.at), &s)
	emit := func(name, help string, v float64) {
		n.emit(metric.Gauge, "node_filesystem_"+name, help, v, "device", m.device, "fstype", m.kind, "mountpoint", m.at)
	}
	failed, readOnly := 0.0, 0.0
	if err != nil {
		failed = 1
	}
	emit("device_error", "Whether an error occurred while getting statistics for the given device.", failed)
	if err != nil {
		return
	}
	if slices.Contains(strings.Split(m.options, ","), "ro") {
		readOnly = 1
	}
	block := float64(s.Bsize)
	emit("avail_bytes", "Filesystem space available to non-root users in bytes.", float64(s.Bavail)*block)
	emit("files", "Filesystem total file nodes.", float64(s.Files))
	emit("files_free", "Filesystem total free file nodes.", float64(s.Ffree))
	emit("free_bytes", "Filesystem free space in bytes.", float64(s.Bfree)*block)
	emit("readonly", "Filesystem read-only status.", readOnly)
	emit("size_bytes", "Filesystem size in bytes.", float64(s.Blocks)*block)
}

// unescape decodes the octal escapes of /proc/mounts: \040 is a space.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (n *node) uname() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	text := func(b []byte) string { return unix.ByteSliceToString(b) }
	n.emit(metric.Gauge, "node_uname_info", "Labeled system information as provided by the uname system call.", 1,
		"sysname", text(u.Sysname[:]), "release", text(u.Release[:]), "version", text(u.Version[:]), "machine", text(u.Machine[:]),
		"nodename", text(u.Nodename[:]), "domainname", domainname(&u))
	return nil
}

func (n *node) time() error {
	n.emit(metric.Gauge, "node_time_seconds", "System time in seconds since epoch (1970).", float64(time.Now().UnixMicro())/1e6)
	return nil
}

func (n *node) loadavg() error {
	return n.lines("loadavg", func(f []string) {
		if len(f) < 3 {
			return
		}
		for i, minutes := range []string{"1", "5", "15"} {
			n.emit(metric.Gauge, "node_load"+minutes, minutes+"m load average.", number(f[i]))
		}
	})
}

// isExported reports whether the node exporter exports this line of /proc/vmstat: ^(oom_kill|pgpg|pswp|pg.*fault)
func isExported(name string) bool {
	after, pages := strings.CutPrefix(name, "pg")
	return strings.HasPrefix(name, "oom_kill") || strings.HasPrefix(name, "pswp") ||
		pages && (strings.HasPrefix(after, "pg") || strings.Contains(after, "fault"))
}

func (n *node) vmstat() error {
	return n.lines("vmstat", func(f []string) {
		if len(f) == 2 && isExported(f[0]) {
			n.emit(metric.Counter, "node_vmstat_"+f[0], "/proc/vmstat information field "+f[0]+".", number(f[1]))
		}
	})
}

// interfaces are the columns of /proc/net/dev.
var interfaces = [...]string{
	"receive_bytes", "receive_packets", "receive_errs", "receive_drop", "receive_fifo", "receive_frame", "receive_compressed", "receive_multicast",
	"transmit_bytes", "transmit_packets", "transmit_errs", "transmit_drop", "transmit_fifo", "transmit_colls", "transmit_carrier", "transmit_compressed",
}

func (n *node) netdev() error {
	text, err := n.read("net/dev")
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || len(f) < len(interfaces) {
			continue
		}
		for i, column := range interfaces {
			_, what, _ := strings.Cut(column, "_")
			n.emit(metric.Counter, "node_network_"+column+"_total", "Network device statistic "+what+".", number(f[i]), "device", strings.TrimSpace(name))
		}
	}
	return err
}

// countersOf are the metrics of netstat that are counters; the others are gauges, as in Fluent Bit.
var countersOf = [...]string{
	"Tcp_ActiveOpens", "Tcp_PassiveOpens", "Tcp_RetransSegs", "Udp_InDatagrams", "Udp_NoPorts", "Udp_InErrors", "Udp_OutDatagrams",
}

// netstat emits the counters of IP, ICMP, TCP and UDP in /proc/net/snmp, snmp6 and netstat.
func (n *node) netstat() error {
	emit := func(name, value string) {
		kind := metric.Gauge
		if slices.Contains(countersOf[:], name) {
			kind = metric.Counter
		}
		n.emit(kind, "node_netstat_"+name, "Network statistics from /proc/net/netstat.", number(value))
	}
	for _, file := range []string{"net/snmp", "net/netstat"} {
		var names []string
		err := n.lines(file, func(f []string) {
			if len(names) == 0 || names[0] != f[0] {
				names = f
				return
			}
			for i := 1; i < min(len(f), len(names)); i++ {
				if protocol := strings.TrimSuffix(f[0], ":"); !strings.HasSuffix(protocol, "cpExt") {
					emit(protocol+"_"+names[i], f[i])
				}
			}
			names = nil
		})
		if err != nil {
			return err
		}
	}
	return n.lines("net/snmp6", func(f []string) {
		if protocol, name, ok := strings.Cut(f[0], "6"); ok && len(f) == 2 {
			emit(protocol+"6_"+name, f[1])
		}
	})
}

func (n *node) sockstat() error {
	see := func(f []string) {
		protocol := strings.TrimSuffix(f[0], ":")
		for i := 1; i+1 < len(f); i += 2 {
			v := number(f[i+1])
			n.emit(metric.Gauge, "node_sockstat_"+protocol+"_"+f[i], "Number of "+protocol+" sockets in state "+f[i]+".", v)
			if f[i] == "mem" {
				n.emit(metric.Gauge, "node_sockstat_"+protocol+"_mem_bytes", "Number of bytes of "+protocol+" sockets in state mem.", v*float64(os.Getpagesize()))
			}
		}
	}
	if err := n.lines("net/sockstat", see); err != nil {
		return err
	}
	return n.lines("net/sockstat6", see)
}

func (n *node) filefd() error {
	return n.lines("sys/fs/file-nr", func(f []string) {
		if len(f) >= 3 {
			n.emit(metric.Gauge, "node_filefd_allocated", "File descriptor statistics: allocated.", number(f[0]))
			n.emit(metric.Gauge, "node_filefd_maximum", "File descriptor statistics: maximum.", number(f[2]))
		}
	})
}
