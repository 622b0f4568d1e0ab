package enrich

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
)

func expectOf(t testing.TB, o ExpectOptions, env Env) Filter {
	t.Helper()
	step, err := NewExpect(&o, config.FluentBit, env)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

func TestExpectSaysWhetherItsRulesHold(t *testing.T) {
	in := `{"s":"text","n":null,"i":1,"m":{"k":[true]}}`
	for _, c := range []struct {
		o     ExpectOptions
		holds string
	}{
		{ExpectOptions{Exists: ordered(0, "$s", "m", "$m['k'][0]", "$n")}, "true"},
		{ExpectOptions{Exists: ordered(0, "$x")}, "false"},
		{ExpectOptions{NotExists: ordered(0, "$x")}, "true"},
		{ExpectOptions{NotExists: ordered(0, "$s")}, "false"},
		{ExpectOptions{Null: ordered(0, "$n")}, "true"},
		{ExpectOptions{Null: ordered(0, "$s")}, "false"},
		{ExpectOptions{Null: ordered(0, "$x")}, "false"},
		{ExpectOptions{NotNull: ordered(0, "$s")}, "true"},
		{ExpectOptions{NotNull: ordered(0, "$n")}, "false"},
		{ExpectOptions{NotNull: ordered(0, "$x")}, "false"},
		{ExpectOptions{Equal: ordered(0, "$s text")}, "true"},
		{ExpectOptions{Equal: ordered(0, "$s tex")}, "false"},
		{ExpectOptions{Equal: ordered(0, "$x text")}, "false"},
		{ExpectOptions{Equal: ordered(0, "$i 2")}, "true"}, // only texts are compared, as in Fluent Bit
		{ExpectOptions{Exists: ordered(0, "$s"), Equal: ordered(1, "$s no")}, "false"},
	} {
		c.o.Action, c.o.ResultKey = "result_key", "s"
		want := `{"s":` + c.holds + `,"n":null,"i":1,"m":{"k":[true]}}`
		if got := apply(t, expectOf(t, c.o, testEnv()), "app", in); got != want {
			t.Errorf("%+v: got %s, want %s", c.o, got, want)
		}
	}
}

func TestExpectWarnsOrAsksTheRouterToStopAndLetsTheRecordGoOn(t *testing.T) {
	var log bytes.Buffer
	var why string
	status := 0
	env := Env{Log: zerolog.New(&log), Exit: func(s int, w string) { status, why = s, w }}
	in := `{"log":"` + strings.Repeat("x", 3000) + `"}`
	for _, action := range []string{"warn", "exit"} {
		step := expectOf(t, ExpectOptions{Equal: ordered(1, "$log y"), Exists: ordered(0, "$log"), Action: action}, env)
		if got := apply(t, step, "app", in); got != in {
			t.Errorf("%s: got %s, want the record as it was", action, got)
		}
		if (status == ExitStatus) != (action == "exit") {
			t.Errorf("%s: got status %d", action, status)
		}
	}
	if !strings.Contains(why, "key_val_eq $log y") || !strings.Contains(log.String(), "key_val_eq $log y") || log.Len() > 2*maxShownRecord+1000 {
		t.Errorf("got %q and log %q, want the rule, and at most %d bytes of the record", why, &log, maxShownRecord)
	}
	quiet := expectOf(t, ExpectOptions{Exists: ordered(0, "$x"), Action: "exit"}, testEnv()) // no router, as in a check
	apply(t, quiet, "app", `{}`)
}

func TestSysinfoAddsWhatTheSystemSays(t *testing.T) {
	step, err := NewSysinfo(&SysinfoOptions{Version: "v", OS: "os", Hostname: "host", Release: "build", Kernel: "kernel"}, config.FluentBit, Env{Hostname: "h", Version: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	got := apply(t, step, "app", `{"host":"old","log":"x"}`)
	if !strings.HasPrefix(got, `{"log":"x","v":"1.2","os":"`+runtime.GOOS+`","host":"h","build":"`) ||
		!strings.HasSuffix(got, `"kernel":"`+strings.TrimSpace(string(kernel))+`"}`) {
		t.Errorf("got %s", got)
	}
	if step, _ = NewSysinfo(&SysinfoOptions{Kernel: "kernel"}, config.FluentBit, Env{}); !strings.HasPrefix(apply(t, step, "app", `{}`), `{"kernel":"`) {
		t.Error("a field without its option was added")
	}
}
