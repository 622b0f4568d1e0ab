package router

import (
	"slices"
	"testing"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

const (
	constant = "[FILTER]\n    Name record_modifier\n    Match *\n    Record a b\n"
	noTwo    = "[FILTER]\n    Name grep\n    Match *\n    Exclude log two\n"
)

func wantFiltered(t *testing.T, r *Router, want ...FilterAccount) {
	t.Helper()
	if got := r.Status().Filters; !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Filters that set constant fields are one filter on the path, and a Step is a path of its own: each counts what it gets.
func TestEachFilterCountsWhatReachesIt(t *testing.T) {
	other := "[FILTER]\n    Name grep\n    Match other\n    Regex log x\n"
	r := opened(t, constant+constant+noTwo+constant+placeholder+other+noTwo+nullOutputs("app", "*"), nil, nil, nil, nil, newSplitter(t))
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one\nthree\n", "two\n", "four\n") // 11, 5 and 6 bytes
	flush(t, i)
	size := int64(len(logBody("one\nthree\n")) + len(logBody("two\n")) + len(logBody("four\n")))
	got := r.Status().Filters
	for _, n := range []int{0, 1, 2} {
		if f := got[n]; f.Records != 3 || f.Bytes != size {
			t.Errorf("got %+v, want 3 records of %d bytes", f, size)
		}
	}
	for n, want := range []FilterAccount{
		{"record_modifier.0", 3, 0, 0, 0, 3}, {"record_modifier.1", 3, 0, 0, 0, 3}, {"grep.0", 3, 0, 0, 1, 2}, {"record_modifier.2", 2, 0, 0, 0, 2}, {"grep.1", 2, 0, 1, 0, 3},
		{"grep.2", 0, 0, 0, 0, 0}, {"grep.3", 3, 0, 0, 0, 3},
	} {
		if got[n].Bytes = 0; got[n] != want {
			t.Errorf("got %+v, want %+v", got[n], want)
		}
	}
}

// What a scrape sees never goes down, which Prometheus would take for a restart, and is complete after a Flush.
func TestCountsOfFiltersOnlyGrow(t *testing.T) {
	r := opened(t, noTwo+constant+nullOutputs("*"))
	i := r.newIntake(r.inputs[0])
	var last []FilterAccount
	for range 50 {
		i.addLogs("app", "one", "two", "two")
		i.addLogs("web", "one", "two")
		now := r.Status().Filters
		for n := range last {
			if now[n].Records < last[n].Records || now[n].Dropped < last[n].Dropped || now[n].Dropped > now[n].Records {
				t.Fatalf("got %+v after %+v", now[n], last[n])
			}
		}
		last = now
	}
	flush(t, i)
	size := int64(50 * 5 * len(logBody("one")))
	wantFiltered(t, r, FilterAccount{"grep.0", 250, size, 0, 150, 100}, FilterAccount{"record_modifier.0", 100, size * 2 / 5, 0, 0, 100})
}

// panicsAtTwo is a filter that panics at "two".
type panicsAtTwo struct{}

func (panicsAtTwo) Apply(ev *record.Event, _ *enrich.Scratch) bool {
	if string(ev.Body) == string(logBody("two")) {
		panic("two")
	}
	return true
}

func TestAPanicIsCountedAtItsFilter(t *testing.T) {
	r := opened(t, noThree+placeholder+constant+nullOutputs("*"), nil, panicsAtTwo{})
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one", "two", "three")
	flush(t, i)
	wantFiltered(t, r, FilterAccount{"grep.0", 3, 29, 0, 1, 2}, FilterAccount{"grep.1", 2, 18, 0, 1, 1}, FilterAccount{"record_modifier.0", 1, 9, 0, 0, 1})
}

const noThree = "[FILTER]\n    Name grep\n    Match *\n    Exclude log three\n"

func TestCountsOfFiltersGoOnAfterAReload(t *testing.T) {
	dir := t.TempDir()
	tr := start(t, dir, forwardInput+noTwo+nullOutputs("*"))
	tr.send("app", "one", "two")
	count := func() FilterAccount { f := tr.Status().Filters; return f[len(f)-1] }
	eventually(t, "the records to be counted", func() bool { return count().Records == 2 })
	tr.mustReload(dir, forwardInput+noTwo+nullOutputs("*", "other"))
	tr.send("app", "three")
	eventually(t, "the third record", func() bool { return count().Records == 3 && count().Dropped == 1 })
	tr.wait()
}

// The usual path on ECS, on which the only filter sets constant fields for a destination that reads tails, has a shortcut.
func TestConstantsForADestinationThatReadsTailsAreCounted(t *testing.T) {
	r := opened(t, constant+constant+"[OUTPUT]\n    Name es\n    Match *\n")
	i := r.newIntake(r.inputs[0])
	i.addLogs("app", "one", "two")
	if i.route.constants == nil {
		t.Error("the route has no shortcut, want one")
	}
	flush(t, i)
	size := int64(2 * len(logBody("one")))
	wantFiltered(t, r, FilterAccount{"record_modifier.0", 2, size, 0, 0, 2}, FilterAccount{"record_modifier.1", 2, size, 0, 0, 2})
}
