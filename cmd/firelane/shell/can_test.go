package shell

import (
	"bytes"
	"strings"
	"testing"
)

func TestALineThatTheImageCanNotRunIsToldWithoutRunningIt(t *testing.T) {
	program := func(name string) bool { return name == "firelane" }
	for _, c := range []struct{ line, want string }{
		{`echo '{"health": "check"}' | nc 127.0.0.1 8877 || exit 1`, ""},
		{`curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1`, ""},
		{`/firelane healthcheck`, ""},
		{`X=1 sh -c "curl -s http://127.0.0.1:2020" && true`, ""},
		{`wget -q http://127.0.0.1:2020 || exit 1`, `no "wget"`},
		{`pgrep fluent-bit`, `no "pgrep"`},
		{`curl -f http://x || (exit 1)`, `no "(exit"`},
		{`if curl -f http://x; then exit 0; fi`, "if is not supported"},
		{`test $(ps | wc -l) -gt 1`, "not supported"},
		{`echo "x`, "unclosed quote"},
		{`sh -c 'sh -c "ps aux"'`, `no "ps"`},
		{`nc -l 8877`, "listen"},
	} {
		err := CanRun(c.line, program)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.line, err, c.want)
		}
	}
}

// What CanRun takes for a command is one.
func TestTheOwnCommandsAreThoseOfTheShell(t *testing.T) {
	for _, name := range own {
		switch name {
		case "exit", "exec", "nc", "curl", "sh", "bash", "ash", "source", ".", "sleep":
			continue // not found would be their argument's
		}
		var stderr bytes.Buffer
		s := Shell{Stdout: new(bytes.Buffer), Stderr: &stderr}
		if status, _ := s.command([]string{name}, ""); status == exitNotFound {
			t.Errorf("%s: %s", name, &stderr)
		}
	}
}
