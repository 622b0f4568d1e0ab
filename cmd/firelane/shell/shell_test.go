package shell

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	set := map[string]string{"CONF": "[SERVICE]\n    Flush 1", "OPTIONS": "-v  -q", "EMPTY": ""}
	s := Shell{Stdout: &out, Stderr: &errs, Program: func(stdout io.Writer, path string, args []string) (int, bool) {
		name := filepath.Base(path)
		if name != "firelane" && name != "fluent-bit" && name != "invoke_fluent_bit.sh" {
			return 0, false
		}
		_, _ = io.WriteString(stdout, name+" "+strings.Join(args, " "))
		if len(args) > 0 && args[0] == "healthcheck" {
			return 0, true
		}
		return 1, true
	}, BuiltIn: func(name string) (string, bool) {
		return "1.2.3", name == "/VERSION"
	}, Lookup: func(name string) (string, bool) {
		v, ok := set[name]
		return v, ok
	}, Setenv: func(name, value string) error {
		set[name] = value
		return nil
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

// Images that are made of AWS's start the router by a line of a shell.
func TestLinesThatStartTheRouterWork(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.conf")
	for _, tt := range []struct{ line, want string }{
		{`echo -n "image " && cat /VERSION && echo "" && exec /fluent-bit/bin/fluent-bit -e /a.so -c /x.conf`, "image 1.2.3\nfluent-bit -e /a.so -c /x.conf"},
		{"set -e\necho a # not this\nexec fluent-bit -c '/x y.conf' 2>&1\necho never", "a\nfluent-bit -c /x y.conf"},
		{`fluent-bit $OPTIONS "$OPTIONS" $NONE ${EMPTY:-x} a${OPTIONS}b`, "fluent-bit -v -q -v  -q x a-v -qb"},
		{`A=1 B="2 3"; export C=$A; fluent-bit $A$C "$B" '$A' \$A $ $1`, "fluent-bit 11 2 3 $A $A $"},
		{`printf '%s\n%%' "$CONF" > ` + file + ` && cat ` + file + `; fluent-bit`, "[SERVICE]\n    Flush 1\n%fluent-bit "},
		{`echo "$CONF" | base64 | base64 -d >` + file + `; echo x >> ` + file + `; cat "` + file + `"`, "[SERVICE]\n    Flush 1\nx\n"},
		{`echo -e "a\nb" | cat`, "a\nb\n"},
		{`./init/process; . /init/invoke_fluent_bit.sh`, "invoke_fluent_bit.sh "},
		{`sh -c "fluent-bit -c x"`, "fluent-bit -c x"},
		{`mkdir -p ` + filepath.Dir(file) + `/a/b && echo 1 > ` + filepath.Dir(file) + `/a/b/c && cat ` + filepath.Dir(file) + `/a/b/c`, "1\n"},
	} {
		if _, stdout, stderr := sh(tt.line); stdout != tt.want {
			t.Errorf("sh -c %q: got %q (%s), want %q", tt.line, stdout, stderr, tt.want)
		}
	}
	if status, _, stderr := sh("cat /no/such/file"); status != exitFailed || !strings.Contains(stderr, "/no/such/file") {
		t.Errorf("got status %d and %q, want %d and the name", status, stderr, exitFailed)
	}
	if _, err := os.Stat("b"); err == nil {
		t.Error("a relative file was written")
	}
}

// Entry points of images are scripts, too.
func TestScriptsThatStartTheRouterWork(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	conf := filepath.Join(dir, "new", "x.conf")
	for _, tt := range []struct{ name, text, want string }{
		{"arguments", "#!/bin/sh\nset -eu\n\nexec /fluent-bit/bin/fluent-bit \"$@\" $1 $#\n", "fluent-bit a b c a b 2"},
		{"each argument", "printf '<%s>' \"$@\" $@ \"$*\"", "<a b><c><a><b><c><a b c>"},
		{"default", "FILE=${FILE:-'/x.conf'}\nexec fluent-bit -c ${FILE}\n", "fluent-bit -c /x.conf"},
		{"document", "cat > " + conf + " <<EOF\n[A]\n  B \"$CONF\" \\$x\n\nEOF\ncat " + conf + "\nfluent-bit\n", "[A]\n  B \"[SERVICE]\n    Flush 1\" $x\n\nfluent-bit "},
		{"as it is", "cat <<-'EOF' | base64 | base64 -d\n\t$CONF `x`\n\tEOF\nexit 0", "$CONF `x`\n"},
		{"template", "printf 'a ${CONF} $EMPTY $ ${x-y}\n' > " + conf + "\nenvsubst < " + conf + "\n", "a [SERVICE]\n    Flush 1  $ ${x-y}\n"},
		{"tests", "[ -z \"$EMPTY\" ] && echo empty || echo no\n[ -n \"$CONF\" ] && test ! -f /no && [ a != b ] && echo yes\n[ -z $CONF2 ] && echo unset", "empty\nyes\nunset\n"},
		{"fails", "set -e\nfalse || echo goes on\ncat /no/such\necho never\n", "goes on\n"},
		{"added to a built-in file", "cat >> " + filepath.Join(dir, "VERSION2") + " <<EOF\nmore\nEOF\n", ""},
	} {
		if _, stdout, stderr := sh(`"` + write(tt.name, tt.text) + `" "a b" c`); stdout != tt.want {
			t.Errorf("%s: got %q (%s), want %q", tt.name, stdout, stderr, tt.want)
		}
	}
	for text, want := range map[string]string{
		"fluent-bit\nif true; then echo a; fi": "sh: if is not supported",
		"A=$(curl x)\nfluent-bit":              "sh: the output of a command",
		"echo `date`":                          "sh: the output of a command",
		"cat <<EOF\nx":                         "sh: << without its lines",
		write("self", "echo x; "+dir+"/self"):  "",
	} {
		status, stdout, stderr := sh(text)
		if status == 0 || !strings.HasPrefix(stderr, want) || strings.Contains(stdout, "fluent-bit") {
			t.Errorf("%q: got status %d, %q and %q, want %q before anything is run", text, status, stdout, stderr, want)
		}
	}
	if _, stdout, stderr := sh(dir + "/self"); strings.Count(stdout, "x") != maxDepth || !strings.Contains(stderr, "more than 10 deep") {
		t.Errorf("got %q and %q from a script that runs itself", stdout, stderr)
	}
	file := write("mode", "")
	if status, _, stderr := sh("chmod 0700 " + file + " && chmod +x " + file); status != 0 {
		t.Error(stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("got the mode %v (%v), want 0755", info.Mode(), err)
	}
}

func FuzzLine(f *testing.F) {
	for _, line := range []string{`echo '{"a"}' | nc 1 2 || exit 1`, `A=$B ${C:-"x"} > /dev/null 2>&1`, "a\\\nb#c", `"$`, `${`, `1>`, `>>`, `$'`, "x >", "a <<E\n$b\nE\nc", "<<-'E'\n\tx\n\tE", "$@ $1 ${x:-'y'}"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitLine(line)
		if err != nil {
			return
		}
		for _, w := range words {
			w.assigns()
			w.expand(environment{func(string) (string, bool) { return " v w ", true }, []string{"a b", "c"}})
		}
	})
}
