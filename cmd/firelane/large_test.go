package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk/bulktest"
	"github.com/firelane/firelane/sink/dead"
)

// memoryPromise is the most memory that the process may ever take, in bytes.
const memoryPromise = 50 << 20

// largest is about as large as a record may be in Fluent Bit's dialect, in bytes.
const largest = 5 << 20

// explosive are records that take many times their size when they are written as JSON.
func explosive() map[string][]byte {
	field := func(value []byte) []byte {
		return append(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), value...)
	}
	array := func(n int, value []byte) []byte {
		return field(append(record.AppendArrayHeader(nil, n), bytes.Repeat(value, n)...))
	}
	float := binary.BigEndian.AppendUint64([]byte{0xcb}, math.Float64bits(-1.2345678901234567e-300))
	wide := record.AppendMapHeader(nil, largest/6)
	for i := range largest / 6 {
		wide = append(record.AppendUint(wide, uint64(1<<20+i)), 0xc0)
	}
	return map[string][]byte{
		"NUL":             field(record.AppendStr(nil, strings.Repeat("\x00", 4<<20))),
		"not UTF-8":       field(record.AppendBin(nil, bytes.Repeat([]byte{0xff}, largest))),
		"floats":          array(largest/len(float), float),
		"wide":            wide,
		"one key":         append(record.AppendMapHeader(nil, largest/2), bytes.Repeat([]byte{0xc0, 0xc2}, largest/2)...),
		"maps as keys":    append(record.AppendMapHeader(nil, largest/2), bytes.Repeat([]byte{0x80, 0xc2}, largest/2)...),
		"JSON of numbers": field(record.AppendStr(nil, `{"a":[`+strings.Repeat("1.5,", largest/4-10)+"1]}")), // for a parser
	}
}

// A record that becomes 23 MiB of JSON killed the router at each start, in a container of 64 MiB.
func TestNoRecordTakesTheProcessOverItsMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector takes memory of its own")
	}
	dir := t.TempDir()
	server := bulktest.New(bulktest.Options{})
	h := httptest.NewServer(server)
	defer h.Close()
	socket, conf := filepath.Join(dir, "in.sock"), filepath.Join(dir, "f.conf")
	parsers := filepath.Join(dir, "parsers.conf")
	configuration := fmt.Sprintf(`[SERVICE]
    storage.path %s/queue
    Parsers_File %s
[INPUT]
    Name forward
    unix_path %s
[FILTER]
    Name parser
    Match parsed
    Key_Name log
    Parser json
    Reserve_Data On
    Preserve_Key On
[OUTPUT]
    Name es
    Match *
    Host 127.0.0.1
    Port %s
`, dir, parsers, socket, h.URL[strings.LastIndex(h.URL, ":")+1:])
	for path, content := range map[string]string{conf: configuration, parsers: "[PARSER]\n    Name json\n    Format json\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := new(text)
	cmd := exec.Command("firelane", "run", "-c", conf)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	var conn net.Conn
	eventually(t, "the router to listen", func() (ok bool) {
		var err error
		conn, err = net.Dial("unix", socket)
		return err == nil
	})
	defer conn.Close()

	n := 0
	send := func(tag string, body []byte) {
		t.Helper()
		b := record.AppendStr(record.AppendArrayHeader(nil, 3), tag)
		b = append(record.AppendTime(b, record.Time{Sec: 1_700_000_000}), body...)
		if _, err := conn.Write(b); err != nil {
			t.Fatalf("%v; the log: %s", err, log)
		}
		n++
	}
	line := func(s string) []byte {
		return record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), s)
	}
	records := explosive()
	for name, body := range records {
		send("parsed", body)
		send("app", line("after "+name))
		eventually(t, name, func() bool {
			select {
			case <-ended:
				t.Fatalf("%s: the router has ended; its log: %s", name, log)
			default:
			}
			for _, d := range server.Documents("*") {
				if bytes.Contains(d.Source, []byte("after "+name)) {
					return true
				}
			}
			return false
		})
		if peak := peakOf(t, cmd.Process.Pid); peak > memoryPromise {
			t.Errorf("%s: got a peak of %.1f MiB, want at most %d", name, float64(peak)/(1<<20), memoryPromise>>20)
		}
	}
	conn.Close()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
	given := 0
	files, err := dead.Files(filepath.Join(dir, "queue", "dead"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for e, err := range dead.Read(file) {
			if err != nil || e.Type != "too_large" {
				t.Errorf("got the dead letter %s: %s and error %v", e.Type, e.Reason, err)
			}
			given++
		}
	}
	if got := given + len(server.Documents("*")); got != n || given < len(records)-1 {
		t.Errorf("got %d dead letters, and %d records together with the documents; want %[4]d dead letters, and %[3]d", given, got, n, len(records)-1)
	}
}

// peakOf is the most memory in bytes that a process has had.
func peakOf(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
