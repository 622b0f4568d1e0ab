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
	"time"
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

// testShell is a shell with three programs, which print their names and arguments.
func testShell(stdin *os.File, out, errs io.Writer) Shell {
	return Shell{Stdin: stdin, Stdout: out, Stderr: errs, Program: func(p Program) (int, bool) {
		name := filepath.Base(p.Path)
		if name != "firelane" && name != "fluent-bit" && name != "invoke_fluent_bit.sh" && name != "env" {
			return 0, false
		}
		if name == "env" {
			_, _ = io.WriteString(p.Stdout, strings.Join(p.Environ, "\n")+"\n")
			return 0, true
		}
		_, _ = io.WriteString(p.Stdout, name+" "+strings.Join(p.Args, " "))
		if len(p.Args) > 0 && p.Args[0] == "healthcheck" {
			return 0, true
		}
		return 1, true
	}, BuiltIn: func(name string) (string, bool) {
		return "1.2.3", name == "/VERSION"
	}, Environ: func() []string {
		return []string{"CONF=[SERVICE]\n    Flush 1", "OPTIONS=-v  -q", "EMPTY="}
	}}
}

// sh runs a line and returns what it printed too.
func sh(line string) (status int, stdout, stderr string) {
	var out, errs strings.Builder
	status = testShell(nil, &out, &errs).Run("sh", []string{"-c", line})
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
		{`wget -qO- ` + admin + `/api/v1/uptime || exit 1`, 0, ""},
		{`wget -q -O /dev/null -T 2 ` + admin + `/api/v1/health || exit 1`, 1, ""},
		{`wget --spider --quiet --tries=1 ` + admin + `/api/v1/uptime`, 0, ""},
		{`curl -sS --header='A: b' -H 'B: c' -HD:e -XGET -m2 ` + admin + `/api/v1/uptime`, 0, ""},
		{`curl -s ` + admin + `/api/v1/health`, 0, ""}, // only -f minds the status
		{`/bin/sh -c 'curl -s -o /dev/null -w "%{http_code}" ` + admin + `/api/v1/uptime | grep -q 200 || exit 1'`, 0, ""},
		{`[ "$(curl -s -o /dev/null -w '%{http_code}' ` + admin + `/api/v1/health)" = "200" ] || exit 1`, 1, ""},
		{`if curl -sf ` + admin + `/api/v1/uptime > /dev/null 2>&1; then exit 0; else exit 1; fi`, 0, ""},
		{`timeout 3 bash -c '</dev/tcp/` + strings.ReplaceAll(port, " ", "/") + `' || exit 1`, 0, ""},
		{`: > /dev/tcp/` + strings.ReplaceAll(closed, " ", "/") + ` || exit 1`, 1, ""},
		{`test -S /no/such.sock || exit 1`, 1, ""},
		{`for i in 1 2; do nc -z ` + closed + ` && exit 0; done; exit 1`, 1, ""},
		{`exit 0`, 0, ""},
	} {
		status, _, stderr := sh(tt.line)
		if status != tt.want {
			t.Errorf("sh -c %q: got status %d, want %d; it printed %q", tt.line, status, tt.want, stderr)
		}
		if strings.Contains(tt.line, "nc ") && !strings.Contains(tt.line, closed) || strings.Contains(tt.line, "timeout") {
			if got := <-received; got != tt.sent {
				t.Errorf("sh -c %q: got %q sent, want %q", tt.line, got, tt.sent)
			}
		}
	}
}

func TestLineFollowsTheShellsOperators(t *testing.T) {
	for line, want := range map[string]int{
		`true`:                          0,
		`false`:                         1,
		`false || exit 7`:               7,
		`true && false`:                 1,
		`false && true || true`:         0,
		`true || exit 1 ; false`:        1,
		`false; true`:                   0,
		``:                              0,
		`echo a 2>/dev/null >/dev/null`: 0,
		`! false`:                       0,
		`(exit 3) || exit $?`:           3,
		`umask 022 && ulimit -n 1024`:   0,
		`f() { return 4; }; f`:          4,
		`[[ a == a* && 2 -gt 1 ]]`:      0,
		`echo 'a || b' && echo "c"`:     0,
	} {
		if status, _, _ := sh(line); status != want {
			t.Errorf("sh -c %q: got status %d, want %d", line, status, want)
		}
	}
	if _, stdout, _ := sh(`echo 'a || b'  c\ d "e\"f"`); stdout != "a || b c d e\"f\n" {
		t.Errorf("got %q from echo, want its words without the quotes", stdout)
	}
}

func TestALineThatCanNotRunFailsAndSaysWhy(t *testing.T) {
	for line, want := range map[string]struct {
		status int
		stderr string
	}{
		`nosuch -q http://127.0.0.1:2020/`: {exitNotFound, `sh: this image has no "nosuch"`},
		`echo 'unclosed`:                   {exitUsage, "sh: 1:6: reached EOF without closing quote"},
		`nc 127.0.0.1`:                     {exitUsage, "nc: want HOST PORT"},
		`curl ://`:                         {exitURL, "curl: "},
		`curl --proxy x http://a`:          {exitUsage, "curl: option --proxy is not supported"},
		`grep '['`:                         {exitUsage, "grep: the pattern: "},
		`sleep 3600`:                       {exitUsage, "sleep: want a time up to 10m0s"},
	} {
		if status, _, stderr := sh(line); status != want.status || !strings.HasPrefix(stderr, want.stderr) {
			t.Errorf("sh -c %q: got status %d and %q, want %d and %q", line, status, stderr, want.status, want.stderr)
		}
	}
}

func TestTextToolsDoWhatScriptsExpect(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("one\ntwo (2)\nthree\nfour\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		`tail -n 2 ` + file:                           "three\nfour\n",
		`tail -1 ` + file:                             "four\n",
		`tail -c 3 ` + file:                           "ur\n",
		`head -2 ` + file:                             "one\ntwo (2)\n",
		`head -c 3 ` + file:                           "one",
		`grep -v o ` + file:                           "three\n",
		`grep -c 'o' ` + file:                         "3\n",
		`grep 'two (2)' ` + file:                      "two (2)\n",
		`grep -E 'one|four' ` + file:                  "one\nfour\n",
		`grep 'one\|four' ` + file:                    "one\nfour\n",
		`grep -nix 'THREE' ` + file:                   "3:three\n",
		`grep -o 'tw.' < ` + file:                     "two\n",
		`cat ` + file + ` | wc -l`:                    "4\n",
		`wc -c < ` + file:                             "23\n",
		`ls ` + dir:                                   "f\n",
		`ls -l ` + dir + ` | grep -c -- '-rw-------'`: "1\n",
		`cat /VERSION`:                                "1.2.3",
		`echo -ne 'a\tb\n'`:                           "a\tb\n",
		`echo '$EMPTY${CONF}x' | envsubst`:            "[SERVICE]\n    Flush 1x\n",
		`cd ` + dir + ` && ls *; pwd`:                 "f\n" + dir + "\n",
		`X=1; export Y=2; unset EMPTY; env | grep -E '^(X|Y|E)'`:    "Y=2\n",
		`printf '%s-%03d\n' a 7`:                                    "a-007\n",
		`x=$(head -1 ` + file + `); echo "${x^^}" $((1 + 2))`:       "ONE 3\n",
		`case $(cat /VERSION) in 1.*) echo one;; *) echo no;; esac`: "one\n",
		`/bin/test -f ` + file + ` && /usr/bin/printf ok`:           "ok",
	} {
		if _, stdout, stderr := sh(line); stdout != want {
			t.Errorf("sh -c %q: got %q (%s), want %q", line, stdout, stderr, want)
		}
	}
}

func TestProgramsRunWithoutAShell(t *testing.T) {
	port, received := healthPort(t)
	s := Shell{Stdout: io.Discard, Stderr: io.Discard}
	if status := s.Run("nc", append([]string{"-z"}, strings.Fields(port)...)); status != 0 {
		t.Errorf("got status %d from nc, want 0", status)
	}
	<-received
	if status := s.Run("curl", []string{"-f", adminServer(t) + "/api/v1/uptime"}); status != 0 {
		t.Errorf("got status %d from curl, want 0", status)
	}
	for _, args := range [][]string{{"test", "-d", "/"}, {"[", "a", "=", "a", "]"}, {"true"}, {"ls", "/"}} {
		if status := s.Run(args[0], args[1:]); status != 0 {
			t.Errorf("%q: got status %d, want 0", args, status)
		}
	}
	if Has("nosuch") || s.Run("nosuch", nil) != exitNotFound {
		t.Error("got a program nosuch, want none")
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
		{"functions", "wait_for() {\n  for i in 1 2 3; do\n    [ $i = 2 ] && return 0\n  done\n}\nif wait_for; then exec fluent-bit -c $(echo /x.conf); fi\n", "fluent-bit -c /x.conf"},
		{"tests", "[ -z \"$EMPTY\" ] && echo empty || echo no\n[ -n \"$CONF\" ] && test ! -f /no && [ a != b ] && echo yes\n[ -z $CONF2 ] && echo unset", "empty\nyes\nunset\n"},
		{"fails", "set -e\nfalse || echo goes on\ncat /no/such\necho never\n", "goes on\n"},
		{"added to a built-in file", "cat >> " + filepath.Join(dir, "VERSION2") + " <<EOF\nmore\nEOF\n", ""},
	} {
		if _, stdout, stderr := sh(`"` + write(tt.name, tt.text) + `" "a b" c`); stdout != tt.want {
			t.Errorf("%s: got %q (%s), want %q", tt.name, stdout, stderr, tt.want)
		}
	}
	if status, stdout, stderr := sh("fluent-bit\nif true; then"); status != exitUsage || stdout != "" {
		t.Errorf("got status %d, %q and %q, want that nothing of a script with a mistake is run", status, stdout, stderr)
	}
	write("self", "echo x; "+dir+"/self")
	if _, stdout, stderr := sh(dir + "/self"); strings.Count(stdout, "x") != maxDepth-1 || !strings.Contains(stderr, "more than 10 deep") {
		t.Errorf("got %q and %q from a script that runs itself", stdout, stderr)
	}
	file := write("mode", "")
	if status, _, stderr := sh("chmod 0700 " + file + " && chmod +x " + file); status != 0 {
		t.Error(stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("got the mode %v (%v), want 0711", info.Mode(), err)
	}
}

// As by SIGPIPE, the left side of a pipe ends when nobody reads it, and the script goes on.
func TestALoopEndsWhenNobodyReadsIt(t *testing.T) {
	for _, line := range []string{"while :; do echo x; done | head -n 1; echo next", "while :; do printf '%s\\n' x; done | head -n 1; echo next"} {
		var out, errs strings.Builder
		done := make(chan int, 1)
		go func() { done <- testShell(nil, &out, &errs).Run("sh", []string{"-c", line}) }()
		select {
		case status := <-done:
			if status != exitOK || out.String() != "x\nnext\n" {
				t.Errorf("%s: got status %d, %q and %q, want x and next", line, status, out.String(), errs.String())
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: it still runs", line)
		}
	}
}

// A script may run the router beside a health check that ends before it.
func TestAShellsTimeStandsStillWhileAnyProgramRuns(t *testing.T) {
	ended := make(chan struct{})
	clock := time.AfterFunc(time.Hour, func() {})
	defer clock.Stop()
	release := map[string]chan struct{}{"healthcheck": make(chan struct{}), "router": make(chan struct{})}
	begun := make(chan struct{})
	s := Shell{programs: &programs{clock: clock}, Program: func(p Program) (int, bool) {
		begun <- struct{}{}
		<-release[p.Path]
		return 0, true
	}}
	c := &call{shell: &s}
	for _, name := range []string{"healthcheck", "router"} {
		go func() {
			c.program(name, nil)
			ended <- struct{}{}
		}()
		<-begun
	}
	close(release["healthcheck"])
	<-ended
	if clock.Stop() {
		t.Error("got the shell's time running beside the router")
	}
	close(release["router"])
	<-ended
	if !clock.Stop() {
		t.Error("got the shell's time stopped after the last program")
	}
}

// A file may be empty, or its last line unfinished; "tail -n 0 -f" shows only what is new.
func TestTailAndHeadPrintAsManyLinesAsTheyAreAskedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(command, want string) {
		t.Helper()
		if status, stdout, stderr := sh(command + " " + file); stdout != want || status != exitOK {
			t.Errorf("%s: got status %d, %.200q and %q, want %.200q", command, status, stdout, stderr, want)
		}
	}
	write("")
	check("tail -n 0", "")
	check("tail -n 2", "")
	write("a\nb\nc")
	check("tail -n 0", "")
	check("tail -c 0", "")
	check("tail -n 1", "c")
	check("tail -n -2", "b\nc")
	check("tail -n 9", "a\nb\nc")
	check("tail -n +2", "b\nc")
	check("tail -n +9", "")
	check("tail -c +5", "c")
	many := strings.Repeat("line\n", 1<<20)
	write(many)
	check("tail -n 1000000", many[:5*1_000_000])
	if status, stdout, stderr := sh("head -n -2 " + file); status != exitUsage || stdout != "" {
		t.Errorf("head -n -2: got status %d, %.200q and %q, want that it isn't supported", status, stdout, stderr)
	}
}

func TestEachValueOfAnOptionThatIsGivenTwiceCounts(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Header.Get("A") + " " + r.Header.Get("B") + " " + string(body)
	}))
	defer srv.Close()
	for line, want := range map[string]string{
		"curl -sfH 'A: 1' -H 'B: 2' " + srv.URL:                "1 2 ",
		"curl -s -d x=1 --data y=2 --header=A:1 " + srv.URL:    "1  x=1&y=2",
		"wget -q -O - --header 'A: 1' --header=B:2 " + srv.URL: "1 2 ",
	} {
		if status, _, stderr := sh(line); status != exitOK || got != want {
			t.Errorf("%s: got %q, status %d and %q, want %q", line, got, status, stderr, want)
		}
	}
	if _, stdout, stderr := sh(`printf 'a\nb\nc+\n' | grep -e a -e 'c+'`); stdout != "a\nc+\n" {
		t.Errorf("got %q and %q, want the lines of both patterns", stdout, stderr)
	}
}

func TestGrepNamesTheFilesThatMatch(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "x\nx\n", "b": "y\n", "c": "x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{"grep -l x a": "a\n", "grep -l x a b c": "a\nc\n", "grep -hl x c": "c\n", "grep -l x < a": "(standard input)\n", "grep -lq x a": ""} {
		if _, stdout, stderr := sh("cd " + dir + "; " + line); stdout != want {
			t.Errorf("%s: got %q and %q, want %q", line, stdout, stderr, want)
		}
	}
}

// As by SIGPIPE: a program ends without a word.
func TestAProgramEndsSilentlyWhenNobodyReadsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte(strings.Repeat("line\n", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, stdout, stderr := sh("cat " + file + " | head -n 1"); status != exitOK || stdout != "line\n" || stderr != "" {
		t.Errorf("got status %d, %q and %q, want one line and no error", status, stdout, stderr)
	}
}

func TestWhatIsTooLargeToBeReadAsAWholeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, make([]byte, maxEncoded+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"base64 " + file, "envsubst < " + file, "curl -d @" + file + " 127.0.0.1:1"} {
		if status, stdout, stderr := sh(line); status == exitOK || stdout != "" || !strings.Contains(stderr, "MiB") {
			t.Errorf("%s: got status %d, %d bytes and %q, want an error, and not a part", line, status, len(stdout), stderr)
		}
	}
}
