package enrich

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
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
	if !strings.Contains(why, "key_val_eq $log y") || !strings.Contains(log.String(), "key_val_eq $log y") || log.Len() > 2*maxShown+1000 {
		t.Errorf("got %q and log %q, want the rule, and at most %d bytes of the record", why, &log, maxShown)
	}
	quiet := expectOf(t, ExpectOptions{Exists: ordered(0, "$x"), Action: "exit"}, testEnv()) // no router, as in a check
	apply(t, quiet, "app", `{}`)
}

func TestStdoutWritesEveryRecordAndLetsItGoOn(t *testing.T) {
	for d, want := range map[config.Dialect]string{
		config.FluentBit: `[0] app.x: [1795717989.000000007, {}, {"log"=>"a"b", "n"=>nil, "m"=>{"l"=>[1, true]}}]` + "\n",
		config.Fluentd:   time.Unix(1795717989, 7).Format("2006-01-02 15:04:05.000000000 -0700") + ` app.x: {"log":"a\"b","n":null,"m":{"l":[1,true]}}` + "\n",
	} {
		var out bytes.Buffer
		step, err := newStdout(d, testEnv(), &out)
		if err != nil {
			t.Fatal(err)
		}
		ev := record.Event{Tag: "app.x", Time: record.Time{Sec: 1795717989, Nsec: 7}, Body: body(t, `{"log":"a\"b","n":null,"m":{"l":[1,true]}}`)}
		before := ev.Body
		if !step.Apply(&ev, &Scratch{}) || !bytes.Equal(ev.Body, before) {
			t.Errorf("%v: the record changed", d)
		}
		step.(Closer).Close()
		if out.String() != want {
			t.Errorf("%v: got %q, want %q", d, &out, want)
		}
	}
}

// blocked is a pipe that nobody reads until free is closed.
type blocked struct {
	free chan struct{}
	n    atomic.Int64
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.free
	b.n.Add(int64(bytes.Count(p, []byte{'\n'})))
	return len(p), nil
}

func TestStdoutThatNobodyReadsStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := &blocked{free: make(chan struct{})}
		step, err := newStdout(config.FluentBit, testEnv(), pipe)
		if err != nil {
			t.Fatal(err)
		}
		in, begin := body(t, `{"log":"`+strings.Repeat("x", 1000)+`"}`), time.Now()
		for range 10_000 {
			step.Apply(&record.Event{Body: in}, &Scratch{})
		}
		step.(Closer).Close()
		if took := time.Since(begin); took != 2*stdoutTime {
			t.Errorf("10,000 records and the stop took %v, want %v", took, 2*stdoutTime)
		}
		if got := len(step.(*stdout).buf); got > maxPrinted+2000 {
			t.Errorf("got %d bytes that wait, want at most %d", got, maxPrinted)
		}
		close(pipe.free)
		synctest.Wait()
		step.Apply(&record.Event{Body: in}, &Scratch{})
		step.(Closer).Close()
		if got := pipe.n.Load(); got < 1000 || got > 2*maxPrinted/1000 {
			t.Errorf("got %d lines once somebody reads, want about those that had waited", got)
		}
	})
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
