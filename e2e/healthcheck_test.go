package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// healthChecks are those of real task definitions: AWS's examples, and what others have made of them.
var healthChecks = map[string]string{
	"aws":      `echo '{"health": "check"}' | nc 127.0.0.1 8877 || exit 1`,
	"uptime":   `curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1`,
	"health":   `curl -f -s http://localhost:2020/api/v1/health || exit 1`,
	"wget":     `wget -qO- http://127.0.0.1:2020/api/v1/uptime || exit 1`,
	"spider":   `wget --spider --quiet --tries=1 http://127.0.0.1:2020/api/v1/health || exit 1`,
	"nested":   `/bin/sh -c 'curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:2020/api/v1/health | grep -q 200 || exit 1'`,
	"test":     `[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:2020/)" = "200" ] || exit 1`,
	"if":       `if curl -sf http://127.0.0.1:2020/api/v1/uptime > /dev/null 2>&1; then exit 0; else exit 1; fi`,
	"sockets":  `test -S /var/run/fluent.sock && nc -z -w 2 127.0.0.1 24224 || exit 1`,
	"pgrep":    `pgrep -x fluent-bit > /dev/null || exit 1`,
	"ps":       `ps aux | grep -v grep | grep -q fluent-bit || exit 1`,
	"bash":     `timeout 3 bash -c '</dev/tcp/127.0.0.1/24224' || exit 1`,
	"firelane": `/firelane healthcheck`,
}

// healthConfig is a router whose destination is in its own network namespace. One of its records is refused for good.
const healthConfig = `[SERVICE]
    HTTP_Server On
    Health_Check On
[INPUT]
    Name forward
    unix_path /var/run/fluent.sock
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 24224
[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Listen 127.0.0.1
    Port 8877
[OUTPUT]
    Name null
    Match firelens-healthcheck
[INPUT]
    Name dummy
    Tag app-firelens-good
    Dummy {"log":"a line","order":1}
[INPUT]
    Name dummy
    Tag app-firelens-poison
    Dummy {"log":"a line","order":"A-1001"}
    Samples 1
[OUTPUT]
    Name es
    Match app-firelens-*
    Host 127.0.0.1
    Port 9200
    Logstash_Format On
    Logstash_Prefix web
`

// A checked is a router with one of the health checks.
type checked struct {
	name, id string
	pid      string
}

// startChecked starts a router for each health check, each in a network of its own. One failed check makes it unhealthy.
func startChecked(t *testing.T) (all []checked) {
	t.Helper()
	dir, err := os.MkdirTemp(world.dir, "h")
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte(healthConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, check := range healthChecks {
		id := docker(t, "run", "-d", "--network", "none", "--tmpfs", "/var/run", "-v", conf+":/fluent-bit/etc/fluent-bit.conf:ro",
			"--health-cmd", check, "--health-interval", "3s", "--health-timeout", "10s", "--health-retries", "1", "--health-start-period", "1s", routerImage)
		t.Cleanup(func() {
			if t.Failed() {
				probes, _ := world.docker.Run("inspect", "-f", "{{json .State.Health}}", id)
				t.Logf("%s: %s", name, probes)
			}
			world.docker.Run("rm", "-f", id)
		})
		all = append(all, checked{name, id, docker(t, "inspect", "-f", "{{.State.Pid}}", id)})
	}
	return all
}

// become waits until all routers have the status.
func become(t *testing.T, all []checked, status string) {
	t.Helper()
	eventually(t, 2*time.Minute, func() (bool, string) {
		var others []string
		for _, c := range all {
			if is := docker(t, "inspect", "-f", "{{.State.Health.Status}}", c.id); is != status {
				others = append(others, c.name+" is "+is)
			}
		}
		return len(others) == 0, strings.Join(others, ", ") + ", want " + status
	})
}

// listenIn listens in the network namespace of a process.
func listenIn(t *testing.T, pid, address string) net.Listener {
	t.Helper()
	type result struct {
		ln  net.Listener
		err error
	}
	done := make(chan result, 1)
	go func() {
		ln, err := inNamespace(pid, address)
		done <- result{ln, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.ln
}

// inNamespace is listenIn on a thread of its own. The thread goes back to its namespace and lives on: with the thread that started
// them the kernel would end the servers, too (Pdeathsig).
func inNamespace(pid, address string) (ln net.Listener, err error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer home.Close()
	ns, err := os.Open("/proc/" + pid + "/ns/net")
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err = lc.Listen(context.Background(), "tcp", address)
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return nil, errors.Join(err, back) // the thread stays locked, and ends
	}
	runtime.UnlockOSThread()
	return ln, err
}

// serveAll is the destination of all routers, until away.
func serveAll(t *testing.T, all []checked, s *bulktest.Server) (away func()) {
	t.Helper()
	server := &http.Server{Handler: s}
	for _, c := range all {
		ln := listenIn(t, c.pid, "127.0.0.1:9200")
		go server.Serve(ln)
	}
	t.Cleanup(func() { server.Close() })
	return func() { server.Close() }
}

// unhealthy are the lines of Docker's events since then that tell of a router that became unhealthy.
func unhealthy(t *testing.T, since time.Time) (lines string) {
	t.Helper()
	events := docker(t, "events", "--since", fmt.Sprint(since.Unix()), "--until", fmt.Sprint(time.Now().Unix()+1), "--filter", "event=health_status", "--format", "{{.Action}} {{.ID}}")
	for line := range strings.SplitSeq(events, "\n") {
		if strings.Contains(line, "unhealthy") {
			lines += line + "\n"
		}
	}
	return lines
}

// outageTime is how long the destination is away. FIRELANE_OUTAGE=10m is what a person tries once.
func outageTime(t *testing.T) time.Duration {
	text := os.Getenv("FIRELANE_OUTAGE")
	if text == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Docker's own HEALTHCHECK runs each of the health checks in the image. None fails while the destination is away, or for a record that
// it refuses; all fail while the router is stuck.
func TestHealthChecksOfRealTaskDefinitionsTellAStuckRouter(t *testing.T) {
	t.Parallel()
	all := startChecked(t)
	s := bulktest.New(bulktest.Options{Fields: map[string]string{"order": "long"}})
	away := serveAll(t, all, s)
	become(t, all, "healthy")
	since := time.Now()
	for _, c := range all {
		eventually(t, time.Minute, func() (bool, string) {
			out, err := world.docker.Run("exec", c.id, "/firelane", "dead", "list")
			return err == nil && strings.Contains(out, "A-1001"), fmt.Sprint(out, err)
		})
	}
	away()
	time.Sleep(outageTime(t)) // what must not happen in it has no event
	serveAll(t, all, s)
	before := len(s.Documents("web-*"))
	eventually(t, time.Minute, func() (bool, string) {
		n := len(s.Documents("web-*"))
		return n > before, fmt.Sprintf("%d documents, want more", n)
	})
	become(t, all, "healthy")
	if failed := unhealthy(t, since); failed != "" {
		t.Errorf("health checks failed while the destination was away:\n%s", failed)
	}
	for _, c := range all {
		docker(t, "kill", "-s", "STOP", c.id)
	}
	become(t, all, "unhealthy")
	if failed := unhealthy(t, since); strings.Count(failed, "\n") != len(all) {
		t.Errorf("Docker tells of %q, want each of the %d", failed, len(all))
	}
	for _, c := range all {
		docker(t, "kill", "-s", "CONT", c.id)
	}
	become(t, all, "healthy")
}
