package router

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
)

// seen is what a viewer has seen, a line a record.
type seen []string

// look makes a viewer that takes the records of app.
func (s *seen) look(rate int, stages ...Stage) *Viewer {
	return &Viewer{Stages: stages, Records: rate, See: func(one *Shown) bool {
		if one.Event.Tag != "app" {
			return false
		}
		value, _ := record.Find(one.Event.Body, "log")
		text, _ := record.Text(value)
		line := fmt.Sprintf("%v %s %s", one.Stage, one.Part, text)
		if one.Dead != nil {
			line += ": " + one.Dead.Reason
		}
		*s = append(*s, line)
		return true
	}}
}

func (s seen) want(t *testing.T, lines ...string) {
	t.Helper()
	if got, want := strings.Join(s, "\n"), strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func tap(t *testing.T, r *Router, v *Viewer) (end func()) {
	t.Helper()
	end, err := r.Tap(v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return end
}

func TestAViewerSeesRecordsAtItsStagesUntilItsEnd(t *testing.T) {
	r := opened(t, "[FILTER]\n    Name record_modifier\n    Match *\n    Record added x\n"+nullOutputs("*", "other"), nil)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "before")
	flush(t, i)
	var in, all seen
	endIn := tap(t, r, in.look(100, StageIn))
	end := tap(t, r, all.look(100, StageIn, StageOut, StageRefused))
	i.addLogs("app", "seen")
	i.addLogs("other", "not taken")
	flush(t, i)
	refused := &dead.Record{Output: "null.0", Reason: "no", Record: &sink.Record{Event: record.Event{Tag: "app", Body: logBody("bad")}}}
	r.outputs[0].dead.Put(refused)
	endIn()
	endIn()
	i.addLogs("app", "later")
	flush(t, i)
	end()
	i.addLogs("app", "after")
	flush(t, i)
	r.outputs[0].dead.Put(refused)
	in.want(t, "in forward.0 seen")
	all.want(t, "in forward.0 seen", "out null.0 seen", "refused null.0 bad: no", "in forward.0 later", "out null.0 later")
}

func TestAViewerGetsWhatItsRateAllowsAndCountsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		i := r.newIntake(r.inputs[0])
		for _, stage := range []Stage{StageIn, StageOut} {
			var s seen
			v := s.look(10, stage)
			end := tap(t, r, v)
			for range 50 {
				i.addLogs("app", "x", "y")
				flush(t, i)
			}
			if len(s) != 20 || v.Missed() != 80 {
				t.Errorf("%v: got %d records and %d missed, want 20, those of two seconds, and 80", stage, len(s), v.Missed())
			}
			time.Sleep(500 * time.Millisecond)
			for range 50 {
				i.addLogs("app", "x")
				flush(t, i)
			}
			if len(s) != 25 || v.Missed() != 125 {
				t.Errorf("%v: got %d records and %d missed half a second later, want 25 and 125", stage, len(s), v.Missed())
			}
			end()
		}
	})
}

// Records that it doesn't take leave room for those that it does.
func TestAViewerExaminesMoreRecordsThanItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		i := r.newIntake(r.inputs[0])
		var s seen
		v := s.look(1, StageOut)
		tap(t, r, v)
		for range 2 * maxExamined / 100 {
			for range 100 {
				i.addLogs("other", "x")
			}
			flush(t, i)
		}
		i.addLogs("app", "beyond what is examined")
		flush(t, i)
		time.Sleep(time.Second)
		i.addLogs("app", "found")
		flush(t, i)
		s.want(t, "out null.0 found")
		if v.Missed() != 1 {
			t.Errorf("got %d missed, want 1", v.Missed())
		}
	})
}

func TestViewersSeeOutputsOfTheNextConfiguration(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	next, diags := build(r.plan, r.env, r.process)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if next.outputs[0].taps != r.outputs[0].taps {
		t.Error("got another list of viewers after a reload, want the process's")
	}
}

func TestTheNumberOfViewersIsLimited(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	var s seen
	var ends []func()
	for range maxViewers {
		ends = append(ends, tap(t, r, s.look(1, StageOut)))
	}
	if _, err := r.Tap(s.look(1, StageIn)); !errors.Is(err, ErrViewers) {
		t.Errorf("got %v for one more viewer, want %v", err, ErrViewers)
	}
	ends[0]()
	ends[0]()
	tap(t, r, s.look(1, StageIn))
	if _, err := r.Tap(s.look(1, StageIn)); !errors.Is(err, ErrViewers) {
		t.Errorf("got %v after one has gone and another has come, want %v", err, ErrViewers)
	}
}

func TestWithoutAViewerNothingIsAllocated(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "x")
	p := i.pending[0]
	body := logBody("x")
	if n := testing.AllocsPerRun(100, func() {
		r.taps.offer("null.0", &p.batch.Batch)
		i.viewers = &i.unknown
		i.Add([]byte("app"), record.Time{Sec: 1}, body)
		p.batch.Reset()
	}); n > 0 {
		t.Errorf("got %v allocations for a record, want 0", n)
	}
}

func TestTheNewestRefusedRecordsAreKept(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	if got := r.Refusals(); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
	long := strings.Repeat("x", 10*maxRefusalValue)
	for n := range maxRefusals + 3 {
		r.outputs[0].dead.Put(&dead.Record{Output: "null.0", Target: "index", Status: 400, Type: "parsing", Reason: fmt.Sprint(n, long),
			Record: &sink.Record{Event: record.Event{Tag: "app", Body: logBody(long)}}})
	}
	got := r.Refusals()
	if len(got) != maxRefusals || !strings.HasPrefix(got[0].Reason, fmt.Sprint(maxRefusals+2, "x")) || !strings.HasPrefix(got[maxRefusals-1].Reason, "3x") {
		t.Fatalf("got %d, from %.20s, want the last %d, the newest first", len(got), got[0].Reason, maxRefusals)
	}
	if one := got[0]; len(one.Reason) > maxRefusalReason+3 || len(one.Record) > 2*maxRefusalValue || one.Tag != "app" || one.Target != "index" || one.Status != 400 || one.Type != "parsing" {
		t.Errorf("got %+v, want all of it, with the reason and the record cut", one)
	}
}

// Here a fault empties a batch that holds two records which have been counted.
func TestARecordThatAFaultDropsIsUnaccounted(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "counted", "dropped by a fault")
	i.pending[0].batch.Reset()
	i.addLogs("app", "counted, too")
	flush(t, i)
	if a := r.Status().Outputs[0].Account; a.Received != 3 || a.Buffered != 1 || a.Unaccounted != 2 {
		t.Errorf("got %+v, want 2 unaccounted", a)
	}
}
