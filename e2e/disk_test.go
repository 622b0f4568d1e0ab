package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// The queue's disk is full while the destination is away: reading stops, the client waits, and nothing is lost. When
// the destination is back everything is delivered with no restart.
func TestAFullDiskIsBackPressureAndLosesNothing(t *testing.T) {
	const records, size = 40_000, 1000 // 40 MB, on 16 MiB
	dir := t.TempDir()
	queue := filepath.Join(dir, "queue")
	if err := os.Mkdir(queue, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", queue, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal("mount:", err)
	}
	t.Cleanup(func() { syscall.Unmount(queue, syscall.MNT_DETACH) })

	var back atomic.Bool
	search := bulktest.New(bulktest.Options{Request: away(&back)})
	server := serve(t, "", httptest.NewServer(search))
	// A limit beyond the disk: its end is found by writing.
	p := startProgram(t, dir, fmt.Sprintf(`<source>
  @type unix
  path %s/in.sock
</source>
<match **>
  @type opensearch
  host 127.0.0.1
  port %d
  logstash_format true
  logstash_prefix web
  <buffer>
    @type file
    path %s
    total_limit_size 1g
    overflow_action block
  </buffer>
</match>
`, dir, portOf(server), queue), "")

	var taken atomic.Int64
	sent := make(chan error, 1)
	go func() { sent <- p.send(0, records, size, func(n int) { taken.Store(int64(n)) }) }()
	p.says(t, "no space left on device", time.Minute)
	if n := taken.Load(); n == 0 || n >= records {
		t.Errorf("%d records of %d were acknowledged before the disk was full", n, records)
	}
	select {
	case err := <-sent:
		t.Fatalf("all was taken by a full disk: %v", err)
	case <-time.After(time.Second):
	}
	back.Store(true)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	arrived(t, 2*time.Minute, records, search)
	if mib := p.peak(t); mib > 50 {
		t.Errorf("%.1f MiB of memory", mib)
	}
	p.stop(t)
	arrived(t, 0, records, search)
}
