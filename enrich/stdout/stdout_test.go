package stdout

import (
	"bytes"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/format"
)

func body(t *testing.T, js string) []byte {
	t.Helper()
	b, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStdoutWritesEveryRecordAndLetsItGoOn(t *testing.T) {
	for d, want := range map[config.Dialect]string{
		config.FluentBit: `[0] app.x: [1795717989.000000007, {}, {"log"=>"a"b", "n"=>nil, "m"=>{"l"=>[1, true]}}]` + "\n",
		config.Fluentd:   time.Unix(1795717989, 7).Format("2006-01-02 15:04:05.000000000 -0700") + ` app.x: {"log":"a\"b","n":null,"m":{"l":[1,true]}}` + "\n",
	} {
		var out bytes.Buffer
		step, err := newStdout(&Options{}, d, enrich.Env{Log: zerolog.Nop()}, &out)
		if err != nil {
			t.Fatal(err)
		}
		ev := record.Event{Tag: "app.x", Time: record.Time{Sec: 1795717989, Nsec: 7}, Body: body(t, `{"log":"a\"b","n":null,"m":{"l":[1,true]}}`)}
		before := ev.Body
		if !step.Apply(&ev, &enrich.Scratch{}) || !bytes.Equal(ev.Body, before) {
			t.Errorf("%v: the record changed", d)
		}
		step.(enrich.Closer).Close()
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
		step, err := newStdout(&Options{}, config.FluentBit, enrich.Env{Log: zerolog.Nop()}, pipe)
		if err != nil {
			t.Fatal(err)
		}
		in, begin := body(t, `{"log":"`+strings.Repeat("x", 1000)+`"}`), time.Now()
		for range 10_000 {
			step.Apply(&record.Event{Body: in}, &enrich.Scratch{})
		}
		step.(enrich.Closer).Close()
		if took := time.Since(begin); took != 2*stdoutTime {
			t.Errorf("10,000 records and the stop took %v, want %v", took, 2*stdoutTime)
		}
		if got := len(step.(*stdout).buf); got > maxPrinted+2000 {
			t.Errorf("got %d bytes that wait, want at most %d", got, maxPrinted)
		}
		close(pipe.free)
		synctest.Wait()
		step.Apply(&record.Event{Body: in}, &enrich.Scratch{})
		step.(enrich.Closer).Close()
		if got := pipe.n.Load(); got < 1000 || got > 2*maxPrinted/1000 {
			t.Errorf("got %d lines once somebody reads, want about those that had waited", got)
		}
	})
}

// csv without fields is refused at the start, and a record that a format can't write goes on.
func TestFormatAndInjectAreForWhatIsPrintedAlone(t *testing.T) {
	var out bytes.Buffer
	o := &Options{Format: &format.Options{Type: "ltsv"}, Inject: &format.InjectOptions{TagKey: "tag", HostnameKey: "host"}}
	step, err := newStdout(o, config.Fluentd, enrich.Env{Log: zerolog.Nop(), Hostname: "web-1"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	ev := record.Event{Tag: "app", Body: body(t, `{"log":"x"}`)}
	before := bytes.Clone(ev.Body)
	if !step.Apply(&ev, &enrich.Scratch{}) || !bytes.Equal(ev.Body, before) {
		t.Error("the record changed")
	}
	step.(enrich.Closer).Close()
	if got, want := out.String(), "log:x\thost:web-1\ttag:app\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := (&Options{OldFormat: "csv"}).Check(config.Fluentd); err == nil {
		t.Error("csv without fields was accepted")
	}
}

func TestTheStepKeepsTheContract(t *testing.T) {
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		steptest.Run(t, func() enrich.Stage {
			step, err := newStdout(&Options{}, d, enrich.Env{Log: zerolog.Nop()}, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			return step
		})
	}
}
