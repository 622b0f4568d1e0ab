package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// writeConf writes a configuration with a tcp input, the output file and an HTTP server.
func (p *process) writeConf(conf, service, more string) {
	p.t.Helper()
	host, port, _ := net.SplitHostPort(p.addr)
	dir := filepath.Dir(p.out)
	text := fmt.Sprintf("[SERVICE]\n  storage.path %s/queue\n  Grace 300\n%s[INPUT]\n  Name tcp\n  Tag t\n  Listen %s\n  Port %s\n"+
		"[OUTPUT]\n  Name file\n  Match *\n  Path %s\n  File out\n%s", dir, service, host, port, dir, more)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// startAt runs firelane with a configuration that a test changes.
func startAt(t *testing.T, service string, args ...string) (p *process, conf string) {
	t.Helper()
	dir := t.TempDir()
	host, port := unusedAddress()
	p = &process{t: t, addr: net.JoinHostPort(host, port), out: filepath.Join(dir, "out"), ended: make(chan error, 1)}
	conf = filepath.Join(dir, "f.conf")
	p.writeConf(conf, service, "")
	p.start(conf, nil, nil, args...)
	return p, conf
}

// request sends a request to the process's HTTP server.
func request(t *testing.T, method, addr string) string {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/api/v2/reload", nil)
	var answer string
	eventually(t, "an answer of "+addr, func() bool {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		answer = strings.TrimSpace(string(b))
		return err == nil
	})
	return answer
}

func httpService(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf("  HTTP_Server On\n  HTTP_Listen %s\n  HTTP_Port %s\n", host, port)
}

func TestReloadByHTTP(t *testing.T) {
	t.Parallel()
	one, two := net.JoinHostPort(unusedAddress()), net.JoinHostPort(unusedAddress())
	p, conf := startAt(t, httpService(one))
	p.deliver("first")
	if got := request(t, "POST", one); got != `{"reload":"done","status":0}` {
		t.Errorf("got %s, want done", got)
	}
	p.writeConf(conf, httpService(one), "[OUTPUT]\n  Name nosuch\n  Match *\n[FILTER]\n  Name alsonot\n  Match *\n")
	got := request(t, "PUT", one)
	if !strings.HasPrefix(got, `{"reload":"failed","status":-3,"error":"`+conf) {
		t.Errorf("got %s, want the place of the mistake", got)
	}
	eventually(t, "both mistakes in the log", func() bool { // which is written in the background
		log := p.log.String()
		return strings.Contains(log, "nosuch") && strings.Contains(log, "alsonot") && strings.Contains(log, `"mistakes":2`)
	})
	p.deliver("second")
	p.writeConf(conf, httpService(two), "")
	if got := request(t, "POST", one); got != `{"reload":"done","status":0}` { // answered though the server moves
		t.Errorf("got %s, want done", got)
	}
	if got := request(t, "GET", two); got != `{"hot_reload_count":2}` {
		t.Errorf("got %s, want 2", got)
	}
	p.deliver("third")
	p.writeConf(conf, httpService(two)+"  HTTP_Hosts other\n", "")
	if got := request(t, "POST", two); got != `{"reload":"done","status":0}` {
		t.Errorf("got %s, want done", got)
	}
	if got := request(t, "GET", two); got != `{"hot_reload_count":3}` {
		t.Errorf("got %s, want 3", got)
	}
	p.signal(syscall.SIGTERM)
	if got := p.wait(); got != "exit status 0" {
		t.Errorf("got %s, want exit status 0", got)
	}
}

// The two addresses can't be bound at the same time. Who closes a port to others must not have to restart for it.
func TestAReloadMovesTheHTTPServerToAnotherAddressWithTheSamePort(t *testing.T) {
	t.Parallel()
	host, port := unusedAddress()
	one, every := net.JoinHostPort(host, port), net.JoinHostPort("0.0.0.0", port)
	p, conf := startAt(t, httpService(every))
	for n, addr := range []string{one, every, one} {
		p.writeConf(conf, httpService(addr), "")
		if got := request(t, "POST", one); got != `{"reload":"done","status":0}` {
			t.Errorf("to %s: got %s, want done", addr, got)
		}
		if got, want := request(t, "GET", one), fmt.Sprintf(`{"hot_reload_count":%d}`, n+1); got != want {
			t.Errorf("at %s: got %s, want %s", addr, got, want)
		}
	}
	if log := p.log.String(); strings.Contains(log, "not served") {
		t.Errorf("got this log, want no error:\n%s", log)
	}
}

// TestAnHTTPServerThatCanNotListenLeavesAllAsItIs: the port is in use.
func TestAnHTTPServerThatCanNotListenLeavesAllAsItIs(t *testing.T) {
	t.Parallel()
	p, conf := startAt(t, "")
	p.deliver("first")
	p.writeConf(conf, httpService(p.addr), "")
	p.signal(syscall.SIGHUP)
	eventually(t, "the error", func() bool { return strings.Contains(p.log.String(), "the configuration was not reloaded") })
	p.deliver("second")
}

// A router that opens a large queue, or whose disk is slow, isn't stopping.
func TestAReloadThatTakesTooLongSaysSo(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "f.conf")
	if err := os.WriteFile(conf, []byte("[OUTPUT]\n  Name null\n  Match *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) (string, bool) { return "", false }
	c := &cli{environment: environment{lookup: none, environ: func() []string { return nil }}}
	plan, diags := c.plan(conf)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	r, diags := router.New(plan, router.Env{Log: zerolog.Nop()}) // which has not started yet
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	var log text
	stop, end := context.WithCancel(t.Context())
	l := newReloader(c, zerolog.New(&log), new(logLevel), conf, true, r, stop)
	l.plan.Store(plan)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Reload(over); err == nil || !strings.Contains(err.Error(), "took too long") || !strings.Contains(log.String(), "it took too long") {
		t.Errorf("got %v and the log %s, want that it took too long", err, &log)
	}
	end()
	if err := l.Reload(over); !errors.Is(err, router.ErrNotRunning) {
		t.Errorf("got %v, want %v", err, router.ErrNotRunning)
	}
}

func TestReloadIsOffOnlyIfItIsSwitchedOff(t *testing.T) {
	t.Parallel()
	addr := net.JoinHostPort(unusedAddress())
	p, _ := startAt(t, "  Hot_Reload Off\n"+httpService(addr))
	if got := request(t, "POST", addr); got != `{"reload":"not enabled","status":-1}` {
		t.Errorf("got %s, want not enabled", got)
	}
	p.signal(syscall.SIGHUP)
	eventually(t, "the line", func() bool { return strings.Contains(p.log.String(), "hot_reload is off") })
	p.deliver("first")

	always, _ := startAt(t, "  Hot_Reload Off\n", "-Y")
	always.deliver("first")
	always.signal(syscall.SIGHUP)
	eventually(t, "a reload", func() bool { return strings.Contains(always.log.String(), "the configuration was reloaded") })
}

// TestHangUpsAtAnyTimeDoNotEnd: at the start, many at once, and at a stop. A burst is one reload, and one more for those that came
// while it was in progress.
func TestHangUpsAtAnyTimeDoNotEnd(t *testing.T) {
	t.Parallel()
	p, _ := startAt(t, "  Daemon On\n")
	eventually(t, "the warning that comes before the start", func() bool { return strings.Contains(p.log.String(), "foreground") })
	for range 100 {
		p.signal(syscall.SIGHUP)
	}
	p.deliver("first")
	for range 100 {
		p.signal(syscall.SIGHUP)
	}
	p.deliver("second")
	c, err := net.Dial("tcp", p.addr) // a client that is silent: the stop takes some seconds
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.signal(syscall.SIGTERM)
	for range 20 {
		p.signal(syscall.SIGHUP)
	}
	if got := p.wait(); got != "exit status 0" {
		t.Errorf("got %s, want exit status 0; the log:\n%s", got, &p.log)
	}
	if n := strings.Count(p.log.String(), "the configuration was reloaded"); n == 0 || n > 200 {
		t.Errorf("got %d reloads, want one or more", n)
	}
}

// TestTheLevelOfTheLogIsReloaded: that of parts that go on, too.
func TestTheLevelOfTheLogIsReloaded(t *testing.T) {
	t.Parallel()
	p, conf := startAt(t, "")
	p.deliver("first")
	p.writeConf(conf, "  Log_Level error\n", "")
	p.signal(syscall.SIGHUP)
	eventually(t, "the reload", func() bool { return strings.Contains(p.log.String(), "the configuration was reloaded") })
	p.deliver("second")
	p.signal(syscall.SIGTERM)
	p.wait()
	if log := p.log.String(); strings.Contains(log, `"message":"stopped"`) {
		t.Errorf("got this log, want no line of the level info after the reload:\n%s", log)
	}
}

// TestAKillInAReloadLosesNothing: at any moment of it, while records wait in a queue that another output takes over.
func TestAKillInAReloadLosesNothing(t *testing.T) {
	t.Parallel()
	p, conf := startAt(t, "")
	addr := net.JoinHostPort(unusedAddress())
	server := bulktest.New(bulktest.Options{})
	p.deliver("first")
	n := 0
	for round := range 6 {
		host, port, _ := net.SplitHostPort(addr)
		es := fmt.Sprintf("[OUTPUT]\n  Name es\n  Host %s\n  Port %s\n  Match %s\n", host, port, []string{"*", "t", "t*"}[round%3])
		p.writeConf(conf, "", es)
		p.signal(syscall.SIGHUP)
		if round == 0 {
			eventually(t, "the reload", func() bool { return strings.Contains(p.log.String(), "the configuration was reloaded") })
		}
		time.Sleep(time.Duration(round) * 3 * time.Millisecond) // into the reload, at another moment each time
		p.signal(syscall.SIGKILL)
		p.wait()
		p.ended = make(chan error, 1)
		p.start(conf, nil, nil)
		for range 20 {
			p.deliver(fmt.Sprintf("record %d.", n)) // to the file: then it is in the other queue, too
			n++
		}
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = http.Serve(ln, server) }()
	defer ln.Close()
	eventually(t, "all records", func() bool { return len(server.Documents("*")) >= n })
	p.signal(syscall.SIGTERM)
	if got := p.wait(); got != "exit status 0" {
		t.Errorf("got %s, want exit status 0; the log:\n%s", got, &p.log)
	}
	count := make(map[string]int)
	for _, d := range server.Documents("*") {
		_, text, _ := strings.Cut(string(d.Source), "record ")
		text, _, _ = strings.Cut(text, ".")
		count[text]++
	}
	for i := range n {
		if k := count[fmt.Sprint(i)]; k != 1 {
			t.Errorf("got record %d %d times, want once", i, k)
		}
	}
	if log := p.log.String(); strings.Contains(log, "a queue has no output") {
		t.Errorf("got this log, want no queue left:\n%s", log)
	}
}
