package host

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
	"github.com/firelane/firelane/internal/freeport"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// The promises of an Input are tested in input/poll, which all of these use.

// fake is a system with these files.
func fake(t *testing.T, files map[string]string) system {
	t.Helper()
	s := system(t.TempDir())
	s.write(t, files)
	return s
}

func (s system) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := s.path(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// collect returns the events of one collection.
func collect(t *testing.T, c poll.Collector) string {
	t.Helper()
	var events []string
	err := c(context.Background(), func(body []byte) {
		if n, err := record.Check(body); err != nil || n != len(body) {
			t.Errorf("a record of %d bytes isn't valid: %v", len(body), err)
		}
		events = append(events, string(record.AppendJSON(nil, body)))
	})
	if err != nil {
		events = append(events, "error: "+err.Error())
	}
	return strings.Join(events, " ")
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// made collects once with an input that the options make.
func made(t *testing.T, in input.Input, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r := &first{cancel: cancel}
	if err := in.Run(ctx, func() input.Receiver { return r }); err != nil {
		t.Error(err)
	}
	return r.tag + " " + strings.Join(r.events, " ")
}

// first stops the input after the first events.
type first struct {
	cancel context.CancelFunc
	tag    string
	events []string
}

func (r *first) Add(tag []byte, _ record.Time, body []byte) {
	r.tag = string(tag)
	r.events = append(r.events, string(record.AppendJSON(nil, body)))
}
func (r *first) Reject(int, string)          {}
func (r *first) Flush(context.Context) error { r.cancel(); return nil }

func TestCPU(t *testing.T) {
	s := fake(t, map[string]string{"proc/stat": "cpu  100 10 50 1000 5 0 0 0 0 0\ncpu0 60 5 20 500 5 0 0 0 0 0\ncpu1 40 5 30 500 0 0 0 0 0 0\nintr 5\n"})
	now := time.Unix(100, 0)
	c := &cpu{sys: s, pid: -1, now: func() time.Time { return now }}
	if err := c.begin(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	s.write(t, map[string]string{"proc/stat": "cpu  150 20 70 1200 5 0 0 0 0 0\ncpu0 110 15 40 500 5 0 0 0 0 0\ncpu1 40 5 30 700 0 0 0 0 0 0\nintr 5\n"})
	want(t, collect(t, c.collect), `{"cpu_p":20.0,"user_p":15.0,"system_p":5.0,"cpu0.p_cpu":40.0,"cpu0.p_user":30.0,"cpu0.p_system":10.0,"cpu1.p_cpu":0.0,"cpu1.p_user":0.0,"cpu1.p_system":0.0}`)

	for _, broken := range []string{"", "cpu\n", "intr 1\n", "cpu 1 2 3\n", strings.Repeat("cpu x y z\n", 3)} { // no panic, whatever it says
		s.write(t, map[string]string{"proc/stat": broken})
		now = now.Add(time.Second)
		_ = collect(t, c.collect)
	}
}

func TestCPUOfProcess(t *testing.T) {
	stat := func(user, system string) string {
		return "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 " + user + " " + system + " 0 0 20 0 1 0 5 1000 250 18446744073709551615\n"
	}
	s := fake(t, map[string]string{"proc/stat": "cpu  1 1 1 1 1\ncpu0 1 1 1 1 1\ncpu1 1 1 1 1 1\n", "proc/7/stat": stat("100", "50")})
	now := time.Unix(100, 0)
	c := &cpu{sys: s, pid: 7, now: func() time.Time { return now }}
	if err := c.begin(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	s.write(t, map[string]string{"proc/7/stat": stat("130", "60")})
	want(t, collect(t, c.collect), `{"cpu_p":20.0,"user_p":15.0,"system_p":5.0}`)
	if err := os.Remove(s.path("proc/7/stat")); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, c.collect); !strings.HasPrefix(got, "error: ") {
		t.Errorf("a process that has ended: got %s, want an error", got)
	}
}

func TestMem(t *testing.T) {
	s := fake(t, map[string]string{"proc/7/stat": "7 (x) S 1 7 7 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 5 1000 " + strconv.Itoa((20<<20)/os.Getpagesize()) + " 0\n"})
	c := &mem{sys: s, pid: 7, log: zerolog.Nop(), info: func() (ram, error) {
		return ram{total: 4096 << 10, free: 1024 << 10, swap: 2048 << 10, freeSwap: 2048 << 10}, nil
	}}
	const host = `{"Mem.total":4096,"Mem.used":3072,"Mem.free":1024,"Swap.total":2048,"Swap.used":0,"Swap.free":2048`
	want(t, collect(t, c.collect), host+`,"proc_bytes":20971520,"proc_hr":"20.00M"}`)
	c.pid = 8
	want(t, collect(t, c.collect), host+`}`)
	for n, text := range map[uint64]string{0: "0 b", 1023: "1023 b", 1536: "1.50K", 1 << 62: "4.00E"} {
		if got := readable(n); got != text {
			t.Errorf("%d bytes: got %s, want %s", n, got, text)
		}
	}
}

func TestDisk(t *testing.T) {
	const before = "   8       0 sda 100 0 1000 0 50 0 500 0 0 0 0\n   8       1 sdb 1 0 10 0 1 0 10 0 0 0 0\n 1 2 short\n"
	const after = "   8       0 sda 100 0 1010 0 50 0 502 0 0 0 0\n   8       1 sdb 1 0 11 0 1 0 10 0 0 0 0\n   9 0 new 0 0 99 0 0 0 99 0 0 0\n"
	for device, event := range map[string]string{"": `{"read_size":5632,"write_size":1024}`, "sdb": `{"read_size":512,"write_size":0}`, "nvme": `{"read_size":0,"write_size":0}`} {
		s := fake(t, map[string]string{"proc/diskstats": before})
		c := &disk{sys: s, device: device}
		want(t, collect(t, c.collect), "")
		s.write(t, map[string]string{"proc/diskstats": after})
		want(t, collect(t, c.collect), event)
	}
}

func TestNetif(t *testing.T) {
	const head = "Inter-|   Receive  |  Transmit\n face |bytes    packets\n"
	s := fake(t, map[string]string{"proc/net/dev": head + "  eth0: 100 2 0 0 0 0 0 0 200 4 0 0 0 0 0 0\n eth01:9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n"})
	plain, all := &netif{sys: s, name: "eth0"}, &netif{sys: s, name: "eth0", verbose: true}
	want(t, collect(t, plain.collect), "")
	want(t, collect(t, all.collect), "")
	s.write(t, map[string]string{"proc/net/dev": head + "  eth0: 150 3 1 1 0 0 0 0 220 5 0 0 0 0 0 7\n"})
	want(t, collect(t, plain.collect), `{"eth0.rx.bytes":50,"eth0.rx.packets":1,"eth0.rx.errors":1,"eth0.tx.bytes":20,"eth0.tx.packets":1,"eth0.tx.errors":0}`)
	want(t, collect(t, all.collect), `{"eth0.rx.bytes":50,"eth0.rx.packets":1,"eth0.rx.errors":1,"eth0.rx.drop":1,"eth0.rx.fifo":0,"eth0.rx.frame":0,"eth0.rx.compressed":0,"eth0.rx.multicast":0,"eth0.tx.bytes":20,"eth0.tx.packets":1,"eth0.tx.errors":0,"eth0.tx.drop":0,"eth0.tx.fifo":0,"eth0.tx.collisions":0,"eth0.tx.carrier":0,"eth0.tx.compressepd":7}`)
	missing := &netif{sys: s, name: "wlan0"}
	want(t, collect(t, missing.collect), `error: there is no network interface "wlan0"; /proc/net/dev has their names`)
	if _, err := NewNetif(&NetifOptions{Interface: "no-such", Test: true}, config.FluentBit, input.Env{}); err == nil {
		t.Error("test_at_init: the input starts without its interface")
	}
}

func TestProc(t *testing.T) {
	s := fake(t, map[string]string{
		"proc/9/cmdline": "/usr/bin/app\x00-x\x00", "proc/9/status": "Name:\tapp\nVmPeak:\t   100 kB\nVmRSS:\t 7 kB\n", "proc/9/fd/0": "", "proc/9/fd/1": "",
		"proc/10/cmdline": "app\x00", "proc/self/cmdline": "other", "proc/3/cmdline": "",
	})
	const none = `"mem.VmPeak":0,"mem.VmSize":0,"mem.VmLck":0,"mem.VmHWM":0,"mem.VmRSS":0,"mem.VmData":0,"mem.VmStk":0,"mem.VmExe":0,"mem.VmLib":0,"mem.VmPTE":0,"mem.VmSwap":0`
	some := strings.NewReplacer(`VmPeak":0`, `VmPeak":100000`, `VmRSS":0`, `VmRSS":7000`).Replace(none)
	for _, c := range []struct {
		o    ProcOptions
		want string
	}{
		{ProcOptions{Name: "app", Mem: true, FD: true}, `{"alive":true,"proc_name":"app","pid":9,` + some + `,"fd":2}`},
		{ProcOptions{Name: "app"}, `{"alive":true,"proc_name":"app","pid":9}`},
		{ProcOptions{Name: "app", Alert: true}, ``},
		{ProcOptions{Name: "gone", Alert: true, Mem: true, FD: true}, `{"alive":false,"proc_name":"gone","pid":-1,` + none + `,"fd":0}`},
		{ProcOptions{Name: "ap"}, `{"alive":false,"proc_name":"ap","pid":-1}`},
	} {
		in := &proc{sys: s, opts: &c.o}
		want(t, collect(t, in.collect), c.want)
	}
}

func TestThermal(t *testing.T) {
	zones := map[string]string{
		"sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n", "sys/class/thermal/thermal_zone0/temp": "45500\n",
		"sys/class/thermal/thermal_zone1/type": "acpitz\n", "sys/class/thermal/thermal_zone1/temp": "-1000\n",
		"sys/class/thermal/thermal_zone2/type": "broken\n", "sys/class/thermal/cooling_device0/type": "fan\n",
	}
	c := &thermal{sys: fake(t, zones)}
	want(t, collect(t, c.collect), `{"name":"thermal_zone0","type":"x86_pkg_temp","temp":45.5} {"name":"thermal_zone1","type":"acpitz","temp":-1.0}`)
	c = &thermal{sys: fake(t, map[string]string{"sys/class/hwmon/hwmon1/name": "coretemp\n", "sys/class/hwmon/hwmon1/temp2_input": "30000\n"})}
	want(t, collect(t, c.collect), `{"name":"hwmon1_temp2_input","type":"coretemp","temp":30.0}`)
	want(t, collect(t, (&thermal{sys: system(t.TempDir())}).collect), "")
	if _, err := NewThermal(&ThermalOptions{Name: "("}, config.FluentBit, input.Env{}); err == nil {
		t.Error("name_regex: a wrong pattern is accepted")
	}
}

func TestHealth(t *testing.T) {
	ln, err := freeport.Listener()
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	o := HealthOptions{Options: poll.Options{Nsec: 1e7, Tag: "h"}, Host: "127.0.0.1", Port: port, AddHost: true, AddPort: true}
	in, err := NewHealth(&o, config.FluentBit, input.Env{})
	want(t, made(t, in, err), `h {"alive":true,"hostname":"127.0.0.1","port":`+strconv.Itoa(port)+`}`)
	o.Alert = true
	in, err = NewHealth(&o, config.FluentBit, input.Env{})
	want(t, made(t, in, err), ` `)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	o.AddHost, o.AddPort = false, false
	in, err = NewHealth(&o, config.FluentBit, input.Env{})
	want(t, made(t, in, err), `h {"alive":false}`)
}

func TestHead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("a line one\nline two\n\nline four\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    HeadOptions
		want string
	}{
		{HeadOptions{BufSize: 256}, `{"head":"a line one\nline two\n\nline four\n"}`},
		{HeadOptions{BufSize: 10, AddPath: true, Key: "k"}, `{"k":"a line one","path":"` + path + `"}`},
		{HeadOptions{Lines: 2}, `{"head":"a line one\nline two\n"}`},
		{HeadOptions{Lines: 5, Split: true, AddPath: true}, `{"path":"` + path + `","line0":"a line one","line1":"line two","line2":"","line3":"line four","line4":""}`},
		{HeadOptions{BufSize: -1}, `{"head":"a"}`},
	} {
		c.o.Options, c.o.File = poll.Options{Nsec: 1e7}, path
		if c.o.Key == "" {
			c.o.Key = "head"
		}
		in, err := NewHead(&c.o, config.FluentBit, input.Env{ID: "head.0"})
		want(t, made(t, in, err), "head.0 "+c.want)
	}
	if w := (&HeadOptions{Lines: 2000}).Warnings(); len(w) != 1 {
		t.Errorf("got the warnings %q, want the limit", w)
	}
}

func TestRandom(t *testing.T) {
	in, err := NewRandom(&RandomOptions{Options: poll.Options{Nsec: 1e7}, Samples: 1}, config.FluentBit, input.Env{ID: "random.0"})
	if got := made(t, in, err); !strings.HasPrefix(got, `random.0 {"rand_value":`) {
		t.Errorf("got %s, want a number", got)
	}
}

// TestRealHost: what this machine's kernel writes is read.
func TestRealHost(t *testing.T) {
	o := poll.Options{Nsec: 1e7}
	for _, c := range []struct {
		key  string
		make func() (input.Input, error)
	}{
		{"cpu_p", func() (input.Input, error) {
			return NewCPU(&CPUOptions{Options: o, PID: -1}, config.FluentBit, input.Env{ID: "x"})
		}},
		{"Mem.total", func() (input.Input, error) {
			return NewMem(&MemOptions{Options: o}, config.FluentBit, input.Env{ID: "x"})
		}},
		{"alive", func() (input.Input, error) {
			return NewProc(&ProcOptions{Options: o, Name: filepath.Base(os.Args[0]), Mem: true, FD: true}, config.FluentBit, input.Env{ID: "x"})
		}},
	} {
		in, err := c.make()
		if got := made(t, in, err); !strings.HasPrefix(got, `x {"`+c.key+`":`) || strings.Contains(got, `"alive":false`) {
			t.Errorf("got %s, want %s", got, c.key)
		}
	}
}

// A pipe in the file's place, into which nobody writes, doesn't keep the input from stopping.
func TestHeadDoesNotWaitForAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	o := &HeadOptions{File: path, Key: "head", BufSize: 256}
	for _, held := range []bool{false, true} { // a writer has it open
		if held {
			w, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			var m members
			_ = o.read(&m)
		}()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Fatalf("held %v: reading does not end", held)
		}
	}
}
