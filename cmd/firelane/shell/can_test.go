package shell

import (
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
		{`wget -q http://127.0.0.1:2020 || exit 1`, ""},
		{`pgrep fluent-bit || (exit 1)`, ""},
		{`if curl -f http://x; then exit 0; fi`, ""},
		{`test $(ps | wc -l) -gt 1`, ""},
		{`f() { true; }; f && $COMMAND`, ""},
		{`kill -0 1 && [[ -S /var/run/fluent.sock ]]`, ""},
		{`timeout 2 bash -c '</dev/tcp/127.0.0.1/24224'`, ""},
		{`env A=1 timeout -s KILL 2 nosuch`, `no "nosuch"`},
		{`test "$(netstat -ltn | grep -c 24224)" = 1`, `no "netstat"`},
		{`if ss -l; then true; fi`, `no "ss"`},
		{`python3 -c 'import socket'`, `no "python3"`},
		{`echo "x`, "without closing quote"},
		{`sh -c 'sh -c "top -n 1"'`, `no "top"`},
		{`nc -l 8877`, "listen"},
		{`"n\o"s'u'ch\x`, `no "n\\osuchx"`},
		{`bash -c "sh -c \"echo \\\"a b\\\" | nosuch\""`, `no "nosuch"`},
		{`diff <(echo a) b`, `no "diff"`},
		{`fg || true`, `no "fg"`},
		{`exec 3<>/dev/tcp/127.0.0.1/24224`, "redirected"},
	} {
		err := CanRun(c.line, program)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.line, err, c.want)
		}
	}
}

func TestEachNameIsASmallProgram(t *testing.T) {
	for _, name := range Names() {
		if !Has(name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// A task definition may have anything there.
func FuzzCanRun(f *testing.F) {
	for _, line := range []string{`echo '{"a"}' | nc 1 2 || exit 1`, `A=$B ${C:-"x"} > /dev/null 2>&1`, "a\\\nb#c", `sh -c "$(x) $((1/0))"`, "a <<E\n$b\nE\nc", "cat <(x) $[1] ${x?} ${!y} ${z[@]}", "timeout -k", "env A=", "$'\\x'", "[[ a =~ ( ]]", "f() { f; }; f", "()0"} {
		f.Add(line)
	}
	f.Fuzz(func(_ *testing.T, line string) {
		_ = CanRun(line, func(string) bool { return false })
	})
}
