package router

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// reload compiles a configuration and replaces the running one by it. The errors are as text.
func (tr *testRouter) reload(dir, text string) string {
	tr.t.Helper()
	text = strings.NewReplacer("SOCKET", tr.socket, "DIR", dir).Replace(text)
	file := filepath.Join(dir, "reload.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tr.t.Fatal(err)
	}
	plan, diags := config.Compile(file, Catalogue(), func(string) (string, bool) { return "", false })
	var err error
	if len(diags) == 0 {
		diags, err = tr.Reload(tr.t.Context(), plan)
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(diags)
}

func (tr *testRouter) mustReload(dir, text string) {
	tr.t.Helper()
	if failed := tr.reload(dir, text); failed != "[]" {
		tr.t.Fatalf("reload: got %s, want no error; the log:\n%s", failed, tr.log)
	}
}

// A rawClient writes records with rising numbers on one connection, without acks, and notices when it is closed.
type rawClient struct {
	t  *testing.T
	nc net.Conn
}

func (tr *testRouter) dial() *rawClient {
	tr.t.Helper()
	nc, err := net.Dial("unix", tr.socket)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { nc.Close() })
	return &rawClient{tr.t, nc}
}

// writeMany begins to write n messages, one after the other. The channel is closed when the router has read enough of them that all are
// written.
func (c *rawClient) writeMany(tag string, n int) (written <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			c.write(tag, fmt.Sprintf("%04d %s", i, strings.Repeat("x", 100)))
		}
	}()
	return done
}

// write writes one message with these texts as log, as Docker does.
func (c *rawClient) write(tag string, texts ...string) {
	var b []byte
	for _, text := range texts {
		b = append(b, 0x93)
		b = record.AppendStr(b, tag)
		b = record.AppendInt(b, time.Now().Unix())
		b = record.AppendStr(record.AppendStr(record.AppendMapHeader(b, 1), "log"), text)
	}
	if _, err := c.nc.Write(b); err != nil {
		c.t.Errorf("write: got %v, want the connection to stay open", err)
	}
}

// numbersIn counts the numbers in the field log of a file of JSON lines.
func numbersIn(t *testing.T, path string) map[int]int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	count := make(map[int]int)
	for line := range bytes.Lines(b) {
		var doc struct{ Log string }
		_, line, _ = bytes.Cut(line, []byte("{"))
		line = bytes.TrimSuffix(bytes.TrimSpace(line), []byte("]"))
		if err := json.Unmarshal(append([]byte("{"), line...), &doc); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(doc.Log))
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		count[n]++
	}
	return count
}

// onceEach fails unless each number below n was counted once.
func onceEach(t *testing.T, count map[int]int, n int) {
	t.Helper()
	lost, twice := 0, 0
	for i := range n {
		switch {
		case count[i] == 0:
			lost++
		case count[i] > 1:
			twice++
		}
	}
	if lost > 0 || twice > 0 {
		t.Errorf("got %d records lost and %d twice, want each of %d once", lost, twice, n)
	}
}

const toFile = `
[OUTPUT]
    Name file
    Match *
    Path DIR
    File out
`

// descriptors counts the open files of the process.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(files)
}

// TestReloadsUnderLoadLoseAndDoubleNothing: with changing configurations, right and wrong, without acks, at a destination that
// doesn't tell twice from once. No connection is closed, and no descriptor or goroutine stays.
func TestReloadsUnderLoadLoseAndDoubleNothing(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	null := "[OUTPUT]\n    Name null\n    Match app.1\n"
	right := []string{
		forwardInput + toFile,
		forwardInput + "[FILTER]\n    Name record_modifier\n    Match *\n    Record a b\n" + toFile,
		forwardInput + null + toFile, // in another place
		forwardInput + toFile + "    Retry_Limit 7\n",
		forwardInput + "    Buffer_Max_Size 2M\n" + toFile, // another server
		forwardInput + "[FILTER]\n    Name multiline\n    Match *\n    multiline.key_content log\n    multiline.parser java\n" + toFile,
		forwardInput + "[INPUT]\n    Name dummy\n    Tag d\n    Samples 1\n[OUTPUT]\n    Name null\n    Match d\n    Alias d\n" + strings.Replace(toFile, "*", "app*", 1),
		forwardInput + "[FILTER]\n    Name rewrite_tag\n    Match app.2\n    Rule log ^.*$ appx false\n" + toFile,
		strings.Replace(forwardInput, "Flush 10ms", "Flush 20ms", 1) + toFile,
	}
	wrong := []string{
		forwardInput + "[OUTPUT]\n    Name nosuch\n    Match *\n",
		forwardInput + "[INPUT]\n    Name tcp\n    Listen 127.0.0.1\n    Port " + port + "\n" + toFile,
		forwardInput + "[INPUT]\n    Name tcp\n    Port 0\n    tls on\n    tls.crt_file /nosuch\n    tls.key_file /nosuch\n" + toFile,
		strings.Replace(forwardInput, "DIR/queue", "DIR/reload.conf/queue", 1) + toFile,
	}
	tr := start(t, dir, right[0])
	const clients = 3
	var next atomic.Int64
	stop := make(chan struct{})
	var writing sync.WaitGroup
	for i := range clients {
		c := tr.dial()
		writing.Go(func() {
			for tag := fmt.Sprintf("app.%d", i); ; {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				n := int(next.Add(5))
				c.write(tag, strconv.Itoa(n-5), strconv.Itoa(n-4), strconv.Itoa(n-3), strconv.Itoa(n-2), strconv.Itoa(n-1))
			}
		})
	}
	const rounds = 40
	var files, goroutines int
	for n := range rounds {
		if n%3 == 2 {
			text := wrong[n/3%len(wrong)]
			if failed := tr.reload(dir, text); failed == "[]" {
				t.Errorf("got %q taken, want an error", text)
			}
		} else {
			tr.mustReload(dir, right[n%len(right)])
		}
		if n == 9 { // each of them has run
			files, goroutines = descriptors(t), runtime.NumGoroutine()
		}
	}
	close(stop)
	writing.Wait()
	tr.mustReload(dir, right[0])
	sent := int(next.Load())
	eventually(t, "all records in the file", func() bool { return len(numbersIn(t, filepath.Join(dir, "out"))) >= sent })
	onceEach(t, numbersIn(t, filepath.Join(dir, "out")), sent)
	eventually(t, "as few descriptors as before", func() bool { return descriptors(t) <= files+2 })             // of a segment that comes and goes
	eventually(t, "as few goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines+2 }) // idle ones of pools
	eventually(t, "the end of removed outputs", func() bool { return len(tr.leftOver().outputs) == 0 })
	ins, outs := tr.Accounts()
	if len(outs) != 1 || outs[0].Unaccounted != 0 || ins[0].Received != int64(sent) { // the output has been removed meanwhile
		t.Errorf("got the accounts %+v %+v, want %d records received", ins, outs, sent)
	}
	if names, _ := os.ReadDir(filepath.Join(dir, "queue")); len(names) > 3 {
		t.Errorf("got %v left in the folder of queues", names)
	}
}
