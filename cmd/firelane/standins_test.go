package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// healthPort answers like the tcp input that ECS configures, and hands over what it was sent.
func healthPort(t *testing.T) (addr string, got <-chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	lines := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b, _ := io.ReadAll(conn)
		lines <- string(b)
	}()
	return strings.ReplaceAll(ln.Addr().String(), ":", " "), lines
}

func TestHealthCheckLinesOfRealTaskDefinitionsWork(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/uptime" {
			http.NotFound(w, r)
		}
	}))
	defer up.Close()
	addr, got := healthPort(t)

	for line, want := range map[string]int{
		`echo '{"health": "check"}' | nc ` + addr + ` || exit 1`:                 0,
		`echo '{"health": "check"}' | nc 127.0.0.1 1 || exit 1`:                  1,
		`curl -f ` + up.URL + `/api/v1/uptime || exit 1`:                         0,
		`curl -f ` + up.URL + `/nothing || exit 1`:                               1,
		`curl -sf ` + up.URL + `/api/v1/uptime > /dev/null 2>&1 || exit 1`:       0,
		`/usr/bin/curl --fail -m 2 ` + up.URL + `/api/v1/uptime&&exit 0||exit 1`: 0,
		`exit 0`:          0,
		`false || exit 7`: 1,
		`wget -q http://127.0.0.1:2020/ || exit 1`: 1,
		`echo 'unclosed`: exitUsage,
	} {
		c := &cli{stdout: io.Discard, stderr: io.Discard}
		if status := c.main("sh", []string{"-c", line}); status != want {
			t.Errorf("sh -c %q exits with %d, want %d", line, status, want)
		}
	}
	if sent := <-got; sent != "{\"health\": \"check\"}\n" {
		t.Errorf("the health port was sent %q", sent)
	}
}
