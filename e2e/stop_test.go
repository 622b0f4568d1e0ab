package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firelane/firelane/sink/bulk/bulktest"
)

const (
	// stopWait is what docker stop and Compose give a container before they kill it.
	stopWait = 10 * time.Second
	// stopMost is what a stop takes at most while the destination works.
	stopMost = 8 * time.Second
)

// An application that logs once a second, before and during its own stop, of three seconds.
var everySecond = []string{"every", "1s", "3s"}

// lineCount finds how many lines the application wrote, which its last one says.
var lineCount = regexp.MustCompile(`the last of (\d+) lines`)

// written is how many lines the application wrote.
func written(t *testing.T, s *bulktest.Server) (n int) {
	t.Helper()
	eventually(t, time.Minute, func() (bool, string) {
		all := s.Documents("web-*")
		for _, d := range all {
			if m := lineCount.FindSubmatch(d.Source); m != nil {
				n, _ = strconv.Atoi(string(m[1]))
				return true, ""
			}
		}
		return false, fmt.Sprintf("the application's last line is not among %d documents", len(all))
	})
	return n
}

// fewDocuments waits until the application has logged.
func fewDocuments(t *testing.T, s *bulktest.Server) {
	t.Helper()
	eventually(t, time.Minute, func() (bool, string) {
		n := len(s.Documents("web-*"))
		return n >= 2, fmt.Sprintf("%d documents", n)
	})
}

// stoppedCleanly checks how a router that was stopped has ended.
func stoppedCleanly(t *testing.T, router string) {
	t.Helper()
	out, err := world.docker.Command("logs", router).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	log := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := log[len(log)-1]; !strings.Contains(last, `"stopped`) || !strings.Contains(last, `"buffered":0`) {
		t.Errorf("the last line of the log is %s, want that the router has stopped, with nothing buffered", last)
	}
	if code := docker(t, "inspect", "-f", "{{.State.ExitCode}}", router); code != "0" {
		t.Errorf("the exit code is %s, want 0", code)
	}
}

// Both are told to stop at the same time, as by "docker stop app router". The application logs on for three seconds.
func TestAStopWithTheApplicationConnectedLosesNothing(t *testing.T) {
	s := bulktest.New(bulktest.Options{})
	port := portOf(serve(t, "", httptest.NewServer(s)))
	task := taskDefinition{Type: "fluentbit", Command: everySecond, LogOptions: map[string]string{
		"Name": "es", "Host": "127.0.0.1", "Port": fmt.Sprint(port), "Logstash_Format": "On", "Logstash_Prefix": "web"}}.start(t)
	fewDocuments(t, s)
	var both sync.WaitGroup
	for _, container := range []string{task.app, task.router} {
		both.Go(func() {
			begin := time.Now()
			if out, err := world.docker.Run("stop", "-t", fmt.Sprint(int(stopWait.Seconds())), container); err != nil {
				t.Error(out, err)
			}
			if took := time.Since(begin); took > stopMost {
				t.Errorf("docker stop took %v", took)
			} else {
				t.Logf("docker stop took %v", took)
			}
		})
	}
	both.Wait()
	stoppedCleanly(t, task.router)
	arrived(t, 0, written(t, s), s)
}

// An application that doesn't stop keeps its connection and logs on: the router leaves before Docker kills it.
func TestAStopBesideAnApplicationThatLogsOn(t *testing.T) {
	s := bulktest.New(bulktest.Options{})
	port := portOf(serve(t, "", httptest.NewServer(s)))
	task := taskDefinition{Type: "fluentbit", Command: everySecond, LogOptions: map[string]string{
		"Name": "es", "Host": "127.0.0.1", "Port": fmt.Sprint(port), "Logstash_Format": "On", "Logstash_Prefix": "web"}}.start(t)
	fewDocuments(t, s)
	begin := time.Now()
	docker(t, "stop", "-t", fmt.Sprint(int(stopWait.Seconds())), task.router)
	if took := time.Since(begin); took > stopMost {
		t.Errorf("docker stop took %v", took)
	} else {
		t.Logf("docker stop took %v", took)
	}
	stoppedCleanly(t, task.router)
}

// composeFile has the application depend on the router, as deploy/compose does. %s: the router's configuration, the folder of the
// socket on the host, the log driver's address.
const composeFile = `services:
  router:
    image: firelane
    network_mode: host
    volumes: ["%[1]s:/fluent-bit/etc/fluent-bit.conf:ro", "%[2]s:/var/run/"]
  app:
    image: emitter
    entrypoint: ["/bin/emitter", "every", "1s", "3s"]
    network_mode: none
    depends_on: [router]
    logging:
      driver: fluentd
      options: { fluentd-address: "unix://%[2]s/fluent.sock", fluentd-async: "true", tag: app-firelens-x }
`

func TestComposeStopLosesNothing(t *testing.T) {
	s := bulktest.New(bulktest.Options{})
	port := portOf(serve(t, "", httptest.NewServer(s)))
	dir, err := os.MkdirTemp(world.dir, "s")
	if err != nil {
		t.Fatal(err)
	}
	conf, file := filepath.Join(dir, "conf"), filepath.Join(dir, "compose.yaml")
	text := fmt.Sprintf("[INPUT]\n  Name forward\n  unix_path /var/run/fluent.sock\n[OUTPUT]\n  Name es\n  Match *\n  Host 127.0.0.1\n  Port %d\n  Logstash_Format On\n  Logstash_Prefix web\n", port)
	for name, text := range map[string]string{conf: text, file: fmt.Sprintf(composeFile, conf, dir)} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compose := func(args ...string) string {
		t.Helper()
		cmd := world.docker.Command()
		cmd.Args, cmd.Err = append([]string{"docker-compose", "-p", "stoptest", "-f", file}, args...), nil
		if cmd.Path, err = exec.LookPath("docker-compose"); err != nil {
			t.Fatal(err)
		}
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("docker-compose %v: %v\n%s%s", args, err, out, errs.String())
		}
		return strings.TrimSpace(string(out))
	}
	compose("up", "-d")
	t.Cleanup(func() { compose("down", "-t", "1") })
	fewDocuments(t, s)
	begin := time.Now()
	compose("stop")
	t.Logf("docker-compose stop took %v", time.Since(begin))
	if took := time.Since(begin); took > 2*stopMost { // one after the other
		t.Errorf("docker-compose stop took %v", took)
	}
	stoppedCleanly(t, compose("ps", "-a", "-q", "router"))
	arrived(t, 0, written(t, s), s)
}
