package shell

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// healthPort listens as the tcp input that ECS configures does. received gets what each connection sent.
func healthPort(t *testing.T) (hostPort string, received <-chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(conn)
			conn.Close()
			lines <- string(b)
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return strings.ReplaceAll(ln.Addr().String(), ":", " "), lines
}

// adminServer answers where a router's HTTP server does, and says that the router is unhealthy.
func adminServer(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/uptime":
			_, _ = io.WriteString(w, "{}")
		case "/api/v1/health":
			http.Error(w, "error: es.0 has delivered nothing", http.StatusInternalServerError)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// sh runs a line and returns what it printed too.
func sh(line string) (status int, stdout, stderr string) {
	var out, errs strings.Builder
	s := Shell{Stdout: &out, Stderr: &errs, Firelane: func(stdout io.Writer, args []string) int {
		_, _ = io.WriteString(stdout, "firelane "+strings.Join(args, " "))
		if len(args) > 0 && args[0] == "healthcheck" {
			return 0
		}
		return 1
	}}
	status = s.Run("sh", []string{"-c", line})
	return status, out.String(), errs.String()
}

// closed is an address where nothing listens.
const closed = "127.0.0.1 1"

// The lines of real task definitions: AWS's examples and variants of them.
func TestHealthCheckLinesOfRealTaskDefinitionsWork(t *testing.T) {
	port, received := healthPort(t)
	admin := adminServer(t)
	for _, tt := range []struct {
		line string
		want int
		sent string // to the health port
	}{
		{`echo '{"health": "check"}' | nc ` + port + ` || exit 1`, 0, `{"health": "check"}` + "\n"},
		{`echo '{"health": "check"}' | nc ` + closed + ` || exit 1`, 1, ""},
		{`echo "{\"health\": \"check\"}" | /bin/nc -w 1 ` + port + `||exit 1`, 0, `{"health": "check"}` + "\n"},
		{`nc -z ` + port + ` || exit 1`, 0, ""},
		{`curl -f ` + admin + `/api/v1/uptime || exit 1`, 0, ""},
		{`curl -f ` + admin + `/api/v1/health || exit 1`, 1, ""},
		{`curl -f ` + admin + `/nothing || exit 1`, 1, ""},
		{`curl -f http://127.0.0.1:1/api/v1/uptime || exit 1`, 1, ""},
		{`curl -f ` + strings.TrimPrefix(admin, "http://") + `/api/v1/uptime || exit 1`, 0, ""},
		{`curl -sf ` + admin + `/api/v1/uptime > /dev/null 2>&1 || exit 1`, 0, ""},
		{`/usr/bin/curl --fail -m 2 ` + admin + `/api/v1/uptime&&exit 0||exit 1`, 0, ""},
		{`/firelane healthcheck || exit 1`, 0, ""},
		{`firelane no-command || exit 1`, 1, ""},
		{`exit 0`, 0, ""},
	} {
		status, _, stderr := sh(tt.line)
		if status != tt.want {
			t.Errorf("sh -c %q: got status %d, want %d; it printed %q", tt.line, status, tt.want, stderr)
		}
		if strings.Contains(tt.line, "nc ") && !strings.Contains(tt.line, closed) {
			if got := <-received; got != tt.sent {
				t.Errorf("sh -c %q: got %q sent, want %q", tt.line, got, tt.sent)
			}
		}
	}
}

func TestLineFollowsTheShellsOperators(t *testing.T) {
	for line, want := range map[string]int{
		`true`:                      0,
		`false`:                     1,
		`false || exit 7`:           1,
		`true && false`:             1,
		`false && true || true`:     0,
		`true || exit 1 ; false`:    1,
		`false; true`:               0,
		``:                          0,
		`echo a 2>/dev/null >> b`:   0,
		`echo 'a || b' && echo "c"`: 0,
	} {
		if status, _, _ := sh(line); status != want {
			t.Errorf("sh -c %q: got status %d, want %d", line, status, want)
		}
	}
	if _, stdout, _ := sh(`echo 'a || b'  c\ d > x "e\"f"`); stdout != "a || b c d e\"f\n" {
		t.Errorf("got %q from echo, want its words without the quotes", stdout)
	}
}

func TestUnsupportedLineFailsAndSaysWhy(t *testing.T) {
	for line, want := range map[string]struct {
		status int
		stderr string
	}{
		`wget -q http://127.0.0.1:2020/`: {exitNotFound, `sh: this image has no "wget"`},
		`echo 'unclosed`:                 {exitUsage, "sh: unclosed quote"},
		`nc 127.0.0.1`:                   {exitUsage, "nc: want HOST PORT"},
		`curl ://`:                       {exitUsage, "curl: "},
	} {
		if status, _, stderr := sh(line); status != want.status || !strings.HasPrefix(stderr, want.stderr) {
			t.Errorf("sh -c %q: got status %d and %q, want %d and %q", line, status, stderr, want.status, want.stderr)
		}
	}
	var errs strings.Builder
	if status := (Shell{Stderr: &errs}).Run("sh", nil); status != exitUsage || !strings.Contains(errs.String(), "no shell") {
		t.Errorf("got status %d and %q from an interactive shell, want %d and that there is none", status, errs.String(), exitUsage)
	}
}

func TestStandInsRunWithoutAShell(t *testing.T) {
	port, received := healthPort(t)
	s := Shell{Stdout: io.Discard, Stderr: io.Discard}
	if status := s.Run("nc", append([]string{"-z"}, strings.Fields(port)...)); status != 0 {
		t.Errorf("got status %d from nc, want 0", status)
	}
	<-received
	if status := s.Run("curl", []string{"-f", adminServer(t) + "/api/v1/uptime"}); status != 0 {
		t.Errorf("got status %d from curl, want 0", status)
	}
	if Has("wget") || s.Run("wget", nil) != exitNotFound {
		t.Error("got a stand-in for wget, want none")
	}
}
