package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/firelane/firelane/internal/freeport"
)

// TestAKilledRouterThatStartsWithItsOutputsInAnotherOrderMixesNothingUp: ECS's agent writes outputs in any order.
func TestAKilledRouterThatStartsWithItsOutputsInAnotherOrderMixesNothingUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	service := fmt.Sprintf("[SERVICE]\n  storage.path %s/queue\n", dir)
	addr, output := map[string]string{}, map[string]string{}
	for _, tag := range []string{"a", "b"} {
		port, err := freeport.Next()
		if err != nil {
			t.Fatal(err)
		}
		addr[tag] = fmt.Sprintf("127.0.0.1:%d", port)
		service += fmt.Sprintf("[INPUT]\n  Name tcp\n  Tag %s\n  Listen 127.0.0.1\n  Port %d\n", tag, port)
		output[tag] = fmt.Sprintf("[OUTPUT]\n  Name file\n  Match %s*\n  Path %s/%s\n  File out\n", tag, dir, tag) // no such folder yet
	}
	first := runProcess(t, service+output["a"]+output["b"])
	for _, tag := range []string{"a", "b"} {
		first.addr = addr[tag]
		first.send("from " + tag).Close()
	}
	eventually(t, "both records in the queues", func() bool {
		return strings.Count(first.log.String(), "1 record waits") == 2
	})
	first.signal(syscall.SIGKILL)
	first.wait()

	for _, tag := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, tag), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	second := runProcess(t, service+output["b"]+output["a"])
	for _, tag := range []string{"a", "b"} {
		var got string
		eventually(t, "the backlog of "+tag, func() bool {
			text, _ := os.ReadFile(filepath.Join(dir, tag, "out"))
			got = string(text)
			return strings.HasSuffix(got, "\n")
		})
		if strings.Count(got, "from") != 1 || !strings.Contains(got, "from "+tag) {
			t.Errorf("got %q at the destination of %s, want its own record; the log:\n%s", got, tag, &second.log)
		}
	}
}
