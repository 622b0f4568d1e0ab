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

// look makes a viewer of the records of app.
func (s *seen) look(rate int, stages ...Stage) *Viewer {
	return &Viewer{Stages: stages, Records: rate, Filter: onlyApp{}, See: s.see}
}

// onlyApp takes the records of app.
type onlyApp struct{}

func (onlyApp) MayTake(_, _ []byte) bool    { return true }
func (onlyApp) TakesTag(tag string) bool    { return tag == "app" }
func (onlyApp) Takes(ev *record.Event) bool { return ev.Tag == "app" }

// onlyLog takes records with a log line; all may have it.
type onlyLog string

func (onlyLog) MayTake(_, _ []byte) bool { return true }
func (onlyLog) TakesTag(string) bool     { return true }

func (f onlyLog) Takes(ev *record.Event) bool {
	value, _ := record.Find(ev.Body, "log")
	text, _ := record.Text(value)
	return string(text) == string(f)
}

func (s *seen) see(one *Shown) {
	value, _ := record.Find(one.Event.Body, "log")
	text, _ := record.Text(value)
	line := fmt.Sprintf("%v %s %s", one.Stage, one.Part, text)
	if one.Dead != nil {
		line += ": " + one.Dead.Reason
	}
	*s = append(*s, line)
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

func TestAViewerGetsWhatItsRateAllowsAndTheRestIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		i := r.newIntake(r.inputs[0])
		for _, stage := range []Stage{StageIn, StageOut} {
			for _, filtered := range []bool{false, true} {
				var s seen
				v := s.look(10, stage)
				if !filtered {
					v.Filter = nil
				}
				end := tap(t, r, v)
				i.addLogs("app", strings.Split("0123456789", "")...)
				flush(t, i)
				if len(s) != 10 || v.Missed() != (Missed{}) {
					t.Errorf("%v: got %d records of a burst of 10, and %+v, want all", stage, len(s), v.Missed())
				}
				passed := 10
				for range 10 {
					for range 100 {
						i.addLogs("app", "x", "y")
						flush(t, i)
						passed += 2
						time.Sleep(10 * time.Millisecond)
					}
				}
				m := v.Missed()
				if n := len(s); n < 80 || n > 130+burst || n+int(m.Taken+m.Unexamined) > passed || n+int(m.Taken+m.Unexamined) < passed-maxUnclocked {
					t.Errorf("%v: got %d records in 10 s and %+v, want about 100 of %d, and the others", stage, n, m, passed)
				}
				if filtered != (m.Unexamined > 0) {
					t.Errorf("%v: got %d records that were not examined, want some where a filter takes too many", stage, m.Unexamined)
				}
				end()
			}
		}
	})
}

// Connections whose records come one after another have the same part of the sample.
func TestASampleIsEven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		names := []string{"web", "db", "job"}
		var all []*intake
		for range names {
			all = append(all, r.newIntake(r.inputs[0]))
		}
		count := map[string]int{}
		v := &Viewer{Stages: []Stage{StageOut}, Records: 200, See: func(one *Shown) { count[one.Event.Tag]++ }}
		tap(t, r, v)
		for range 2000 {
			for n, i := range all {
				i.addLogs(names[n], "x", "y", "z")
				flush(t, i)
			}
			time.Sleep(5 * time.Millisecond)
		}
		total := count["web"] + count["db"] + count["job"]
		for name, n := range count {
			if share := float64(n) / float64(total); share < 0.26 || share > 0.41 {
				t.Errorf("got %.2f of the sample of %d for %s, want a third", share, total, name)
			}
		}
		if total < 1600 || total > 2600 {
			t.Errorf("got %d records in 10 s, want about 2,000", total)
		}
	})
}

// Records that its filter doesn't take leave room for those that it does.
func TestAViewerExaminesMoreRecordsThanItSees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		i := r.newIntake(r.inputs[0])
		var s seen
		v := s.look(1, StageOut)
		v.Filter = onlyLog("found")
		tap(t, r, v)
		for range 1000 { // 10,000 a second
			i.addLogs("other", strings.Split("0123456789", "")...)
			flush(t, i)
			time.Sleep(time.Millisecond)
		}
		i.addLogs("app", "found")
		flush(t, i)
		s.want(t, "out null.0 found")
		for range 100_000 / 100 {
			for range 10 {
				i.addLogs("other", strings.Split("0123456789", "")...)
			}
			flush(t, i)
		}
		if n := v.Missed().Unexamined; n < 100_000-2*maxExamined-1 {
			t.Errorf("got %d unexamined of 100,000 at once, want all but %d", n, 2*maxExamined)
		}
	})
}

// Where a filter takes much more than can be shown, few records are examined; when it doesn't any more, all are, soon.
func TestAViewerExaminesNoMoreThanItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := opened(t, nullOutputs("*"), nil)
		i := r.newIntake(r.inputs[0])
		var s seen
		v := s.look(20, StageOut)
		v.Filter = onlyLog("found")
		tap(t, r, v)
		flood := func(line string, seconds int) {
			for range seconds * 1000 { // 10,000 a second
				for range 10 {
					i.addLogs("app", line)
				}
				flush(t, i)
				time.Sleep(time.Millisecond)
			}
		}
		flood("found", 10)
		if n, m := len(s), v.Missed(); n < 150 || n > 300+burst || m.Unexamined < 90_000 {
			t.Errorf("got %d records and %+v after 10 s, want 20 a second, and most of 100,000 unexamined", n, m)
		}
		flood("other", 3)
		before, n := v.Missed(), len(s)
		flood("other", 5)
		i.addLogs("app", "found")
		flush(t, i)
		if m := v.Missed(); m != before || len(s) != n+1 {
			t.Errorf("got %d records and %+v, want one record, and no more than %+v missed", len(s)-n, m, before)
		}
	})
}

// After a flood a record is chosen although it is one of few: those that have passed are not counted against it for long.
func TestASamplerNoticesThatTheFloodIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sampler
		for range 5000 { // 500,000 a second
			s.choose(500, 20)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		chosen := 0
		for range 200 {
			chosen += s.choose(1, 20)
			time.Sleep(100 * time.Millisecond)
		}
		if want := 200 - maxUnclocked - 2; chosen < want {
			t.Errorf("got %d of 200 records after a flood, want %d at least", chosen, want)
		}
	})
}

// A record that breaks a viewer has been queued, and its connection goes on.
func TestAViewerThatPanicsEnds(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	i := r.newIntake(r.inputs[0])
	for _, stage := range []Stage{StageIn, StageOut} {
		calls := 0
		v := &Viewer{Stages: []Stage{stage}, Records: 10, See: func(*Shown) { calls++; panic("fault") }}
		tap(t, r, v)
		before := r.Status().Outputs[0].Account.Buffered
		for range 2 {
			i.addLogs("app", "x")
			flush(t, i)
		}
		if err := v.Err(); err == nil || !strings.Contains(err.Error(), "fault") || calls != 1 {
			t.Errorf("%v: got error %v after %d calls, want the panic of the only one", stage, err, calls)
		}
		if n := r.Status().Outputs[0].Account.Buffered - before; n != 2 {
			t.Errorf("%v: got %d records queued, want 2", stage, n)
		}
	}
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

// What viewers keep is memory that buffers have no more, until they end.
func TestViewersTakeMemoryOfTheBudget(t *testing.T) {
	r := opened(t, nullOutputs("*"), nil)
	before := r.memory.budget.Free()
	end := tap(t, r, &Viewer{Stages: []Stage{StageOut}, Records: 1, See: func(*Shown) {}, Memory: 1 << 20})
	if n := before - r.memory.budget.Free(); n != 1<<20 {
		t.Errorf("got %d bytes taken, want 1 MiB", n)
	}
	end()
	if n := r.memory.budget.Free(); n != before {
		t.Errorf("got %d bytes free after the end, want %d", n, before)
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
