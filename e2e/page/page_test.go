//go:build chromium

// This test needs Chromium, Node.js and two packages for it, which `make e2e` installs.

// Package page tests the status page in a browser.
package page

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/e2e/servers"
	"github.com/firelane/firelane/internal/freeport"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// hostile are texts in records, tags, containers and names of fields, and what is to be seen of them.
var hostile = []struct{ text, shown string }{
	{`<script>alert(1)</script>evil`, `<script>alert(1)</script>evil`},
	{`"><img src=x onerror=alert(2)>evil`, `"><img src=x onerror=alert(2)>evil`},
	{`<svg/onload=alert(3)><a href="javascript:alert(4)">evil`, `<svg/onload=alert(3)><a href="javascript:alert(4)">evil`},
	{"evil \x1b[2J\x1b]0;title\a\x00\b\r end", `evil \u001b[2J\u001b]0;title\u0007\u0000\u0008\u000d end`},
	{"evil \u202egnp.exe\u2066 \u200fmark\u200b\ufeff end", `evil \u202egnp.exe\u2066 \u200fmark\u200b\ufeff end`},
	{"evil \u2028line\u2029 </pre></details><base href=//evil.example>", `evil \u2028line\u2029 </pre></details><base href=//evil.example>`},
	{"evil ${alert(5)} {{7*7}} %s %n &lt;b&gt;", "evil ${alert(5)} {{7*7}} %s %n &lt;b&gt;"},
}

// Whatever a record, its tag, its fields' names or a destination's reason contains is text; the page is usable by everyone, fits a
// phone and a desk, and loads nothing from elsewhere.
func TestThePageShowsHostileRecordsAsText(t *testing.T) {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	destination := httptest.NewServer(bulktest.New(bulktest.Options{Fields: map[string]string{"status": "long"}}))
	t.Cleanup(destination.Close)
	port, err := freeport.Next()
	if err != nil {
		t.Fatal(err)
	}
	startRouter(t, dir, destination.Listener.Addr().(*net.TCPAddr).Port, port)

	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- send(ctx, filepath.Join(dir, "in.sock")) }()
	var wanted []string
	for _, h := range hostile {
		wanted = append(wanted, h.shown)
	}
	list, err := json.Marshal(map[string][]string{
		"tail": append(wanted, "mapper_parsing_exception"), "refused": {"mapper_parsing_exception", "<svg/onload=alert(3)>"}, "containers": {"evil"}, "fields": {"evil"},
	})
	if err != nil {
		t.Fatal(err)
	}
	shots := os.Getenv("SCREENSHOTS")
	if shots == "" {
		shots = dir
	}
	look := exec.CommandContext(ctx, "node", "look.mjs", servers.Page(), fmt.Sprintf("http://127.0.0.1:%d/", port), shots)
	look.Stdin = bytes.NewReader(list)
	look.Cancel, look.WaitDelay = func() error { return look.Process.Signal(syscall.SIGTERM) }, 5*time.Second
	if out, err := look.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("got %v, and\n%s\nwant nothing", err, out)
	}
	cancel()
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// startRouter starts the router, and waits for its input.
func startRouter(t *testing.T, dir string, destination, port int) {
	t.Helper()
	binary, err := filepath.Abs("../../bin/firelane")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "firelane.conf")
	config := fmt.Sprintf(`[SERVICE]
    storage.path %[1]s/queue
    HTTP_Server On
    HTTP_Listen 127.0.0.1
    HTTP_Port %[2]d
[INPUT]
    Name forward
    unix_path %[1]s/in.sock
[OUTPUT]
    Name es
    Match *
    Host 127.0.0.1
    Port %[3]d
    Index web
    Suppress_Type_Name On
`, dir, port, destination)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	router := exec.Command(binary, "run", "-c", file)
	router.Stdout, router.Stderr = &log, &log
	if err := router.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = router.Process.Kill()
		_ = router.Wait()
		if t.Failed() {
			t.Logf("firelane's log:\n%.20000s", log.String())
		}
	})
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := net.Dial("unix", filepath.Join(dir, "in.sock"))
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// send sends hostile records again and again, of which some are refused, one has 1 MiB, and each has a container and a field of its
// own, until ctx ends.
func send(ctx context.Context, socket string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for n := 0; ctx.Err() == nil; n++ {
		h := hostile[n%len(hostile)]
		log := h.text
		if n%50 == 49 {
			log += strings.Repeat("x", 1<<20)
		}
		fields := map[string]any{"log": log, "container_name": fmt.Sprint("/", n, h.text), fmt.Sprint("field", n, h.text): "x"}
		if n%10 < 3 {
			fields["status"] = h.text // refused: it is no number
		}
		body, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		msg := record.AppendStr(record.AppendArrayHeader(nil, 3), "app."+h.text)
		msg = record.AppendTime(msg, record.Time{Sec: uint32(time.Now().Unix())})
		if msg, err = record.AppendFromJSON(msg, body); err != nil {
			return err
		}
		if _, err := conn.Write(msg); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
