package enrich

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

func throttleOf(t testing.TB, o ThrottleOptions) Filter {
	t.Helper()
	step, err := NewThrottle(&o, config.FluentBit, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// passed returns how many of n events a filter keeps.
func passed(t testing.TB, step Filter, n int, js string) (kept int) {
	t.Helper()
	in := body(t, js)
	for range n {
		ev := record.Event{Body: in}
		if step.Apply(&ev, &Scratch{}) {
			kept++
		}
	}
	return kept
}

// The numbers are Fluent Bit's: rate times window in all panes together, even in one burst.
func TestThrottleLimitsTheAverageOverItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := throttleOf(t, ThrottleOptions{Rate: 10, Window: 3, Interval: "1s"})
		for second, want := range []int{30, 0, 0, 30, 0} { // a burst uses up the whole window
			if got := passed(t, step, 100, `{}`); got != want {
				t.Errorf("second %d: got %d records, want %d", second, got, want)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		if got := passed(t, step, 25, `{}`); got != 25 {
			t.Errorf("after an hour: got %d records, want 25", got)
		}
		time.Sleep(time.Second)
		if got := passed(t, step, 25, `{}`); got != 5 {
			t.Errorf("after 25 in the second before: got %d records, want 5", got)
		}
	})
}

func TestThrottlesIntervalMayBeMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := throttleOf(t, ThrottleOptions{Rate: 2, Window: 2, Interval: "1.5m"})
		for _, want := range []int{4, 0, 0, 0, 4} {
			if got := passed(t, step, 9, `{}`); got != want {
				t.Errorf("got %d records at %v, want %d", got, time.Now(), want)
			}
			time.Sleep(45 * time.Second)
		}
	})
}

func TestThrottleTakesTheDefaultsOfFluentBitForValuesThatMeanNothing(t *testing.T) {
	o := ThrottleOptions{Rate: 0.5, Window: 1, Interval: "5x"}
	step := throttleOf(t, o)
	if got := passed(t, step, 99, `{}`); got != 5 {
		t.Errorf("got %d records, want 5: rate 1, window 5", got)
	}
	if w := o.Warnings(); len(w) != 3 {
		t.Errorf("got %d warnings, want 3: %q", len(w), w)
	}
	if w := (&ThrottleOptions{Rate: 1, Window: 5, Interval: "1"}).Warnings(); len(w) != 0 {
		t.Errorf("got %q for the defaults, want no warning", w)
	}
	if w := (&ThrottleSizeOptions{Rate: config.Unlimited, Window: 5, Interval: "1", Duration: "60s"}).Warnings(); len(w) != 1 { // "1 M"
		t.Errorf("got %q for a size that is none, want the warning that it counts as 1M", w)
	}
	if err := (&ThrottleOptions{Window: maxPanes + 1}).Check(config.FluentBit); err == nil || !strings.HasPrefix(err.Error(), "window: ") {
		t.Errorf("got %v for a window that is too long, want an error", err)
	}
}

func throttleSizeOf(t testing.TB, o ThrottleSizeOptions) *throttleSize {
	t.Helper()
	step, err := NewThrottleSize(&o, config.FluentBit, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return step.(*throttleSize)
}

func TestThrottleSizeLimitsTheBytesOfEachName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := throttleSizeOf(t, ThrottleSizeOptions{Rate: 10, Window: 2, Interval: "1s", LogField: "log", NameField: "k8s|name", Duration: "60s"})
		a, b := `{"log":"12345","k8s":{"name":"a"},"other":"long text"}`, `{"log":["1234",{"5":7}],"k8s":{"name":"b"}}`
		for second, want := range []int{4, 0, 4, 0} {
			if got := passed(t, step, 9, a); got != want {
				t.Errorf("second %d: got %d records of a, want %d", second, got, want)
			}
			if got := passed(t, step, 3, b); second == 0 && got != 3 {
				t.Errorf("got %d records of b, want 3: each name has a rate of its own", got)
			}
			time.Sleep(time.Second)
		}
		for _, free := range []string{`{"log":"12345"}`, `{"k8s":{"name":"a"}}`, `{"log":"1","k8s":{"name":1}}`, `{"log":"1","k8s":"a"}`} {
			if got := passed(t, step, 99, free); got != 99 {
				t.Errorf("got %d of 99 records %s, want all: a field is missing", got, free)
			}
		}
	})
}

func TestThrottleSizeCountsTheWholeRecordWithoutALogField(t *testing.T) {
	step := throttleSizeOf(t, ThrottleSizeOptions{Rate: 10, Window: 2, Interval: "1s", Duration: "60s"})
	if got := passed(t, step, 9, `{"ab":"cde","f":1}`); got != 3 { // 6 bytes each, of 20
		t.Errorf("got %d records, want 3", got)
	}
}

func TestThrottleSizeForgetsNamesAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := throttleSizeOf(t, ThrottleSizeOptions{Rate: 10, Window: 1000, Interval: "1s", NameField: "n", Duration: "1s"})
		for n := range 300 {
			passed(t, step, 1, fmt.Sprintf(`{"n":"%d"}`, n))
		}
		passed(t, step, 1, `{"n":"`+strings.Repeat("x", maxThrottleName+1)+`"}`)
		if got := len(step.windows) * 1000 * 8; got > maxThrottleBytes || got < maxThrottleBytes/2 {
			t.Errorf("got %d bytes of panes, want at most %d", got, maxThrottleBytes)
		}
		if step.rest.total == 0 {
			t.Error("records of names beyond the limit were not counted")
		}
		time.Sleep(1001 * time.Second)
		passed(t, step, 1, `{"n":"new"}`)
		if got := len(step.windows); got != 1 || step.bytes != step.costOf(3) {
			t.Errorf("got %d names, %d bytes, want the others to be forgotten", got, step.bytes)
		}
	})
}
