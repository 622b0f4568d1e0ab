package enrich

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// ThrottleOptions are those of Fluent Bit's throttle.
type ThrottleOptions struct {
	Rate        float64 `fluentbit:"rate" default:"1" help:"records that pass in an interval, on average; 1 or less is 1"`
	Window      int     `fluentbit:"window" default:"5" help:"number of intervals that the average is of; 1 or less is 5"`
	Interval    string  `fluentbit:"interval" default:"1" help:"length of an interval, in seconds or as 10s, 5m, 1h, 1d"`
	PrintStatus bool    `fluentbit:"print_status" default:"false" help:"log the limit and the current rate at the first record of an interval"`
}

// Limits of throttle.
const (
	// maxPanes is how many intervals a window of throttle or throttle_size may have.
	maxPanes = 100_000
	// maxInterval is the longest interval.
	maxInterval = 366 * 24 * time.Hour
)

// Check implements config's check after binding.
func (o *ThrottleOptions) Check(config.Dialect) error { return checkWindow(o.Window) }

func checkWindow(panes int) error {
	if panes > maxPanes {
		return &config.OptionError{Option: "window", Reason: fmt.Sprintf("%d intervals are too many; want at most %d", panes, maxPanes)}
	}
	return nil
}

// Warnings implements config's warnings after binding.
func (o *ThrottleOptions) Warnings() (list []string) {
	if o.Rate <= 1 && o.Rate != 1 {
		list = append(list, "rate: less than 1 counts as 1, as in Fluent Bit; make interval longer instead")
	}
	return append(list, windowWarnings(o.Window, "interval", o.Interval)...)
}

// windowWarnings warns of values that Fluent Bit replaces by its defaults.
func windowWarnings(panes int, option, interval string) (list []string) {
	if panes <= 1 {
		list = append(list, fmt.Sprintf("window: %d counts as 5, as in Fluent Bit; want at least 2", panes))
	}
	if _, ok := parseSeconds(interval); !ok {
		list = append(list, fmt.Sprintf("%s: %q is not a duration and counts as the default; want, for example, 10s, 5m, 1h or 1d", option, interval))
	}
	return list
}

// parseSeconds parses a number with the unit s, m, h or d; without a unit it is in seconds. Less than a second counts as a second.
func parseSeconds(text string) (time.Duration, bool) {
	unit := time.Second
	number := text
	if n := len(text) - 1; n >= 0 {
		switch text[n] {
		case 's':
			number = text[:n]
		case 'm':
			unit, number = time.Minute, text[:n]
		case 'h':
			unit, number = time.Hour, text[:n]
		case 'd':
			unit, number = 24*time.Hour, text[:n]
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f > 0) {
		return 0, false
	}
	return max(time.Second, time.Duration(min(f*float64(unit), float64(maxInterval)))).Truncate(time.Second), true
}

// secondsOr is parseSeconds with a default.
func secondsOr(text string, fallback time.Duration) time.Duration {
	if d, ok := parseSeconds(text); ok {
		return d
	}
	return fallback
}

// throttle is the filter. Its window slides by whole intervals.
type throttle struct {
	rate     float64
	interval time.Duration
	begin    time.Time
	log      zerolog.Logger
	print    bool

	mu     sync.Mutex
	window window
}

// NewThrottle makes the step of a throttle.
func NewThrottle(o *ThrottleOptions, d config.Dialect, env Env) (Filter, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	return &throttle{
		rate: max(o.Rate, 1), interval: secondsOr(o.Interval, time.Second), begin: time.Now(), log: env.Log, print: o.PrintStatus,
		window: newWindow(panesOf(o.Window)),
	}, nil
}

// panesOf returns the number of intervals of a window. 1 and less become Fluent Bit's default, 5.
func panesOf(n int) int {
	if n <= 1 {
		return 5
	}
	return n
}

// Apply implements Filter.
func (t *throttle) Apply(*record.Event, *Scratch) bool {
	now := int64(time.Since(t.begin) / t.interval)
	t.mu.Lock()
	moved := t.window.moveTo(now)
	total := t.window.total
	passes := float64(total)/float64(len(t.window.panes)) < t.rate
	if passes {
		t.window.add(1)
	}
	t.mu.Unlock()
	if moved && t.print {
		t.log.Info().Float64("rate", t.rate).Stringer("interval", t.interval).Int("window", len(t.window.panes)).
			Int64("current_rate", total/int64(len(t.window.panes))).Msg("throttle: records per interval, averaged over the window: rate is the limit, current_rate the present value")
	}
	return passes
}

// A window counts what passed in the last intervals, in one pane each.
type window struct {
	panes []int64
	now   int64 // the interval of the latest pane, which is panes[now % len(panes)]
	total int64 // of all panes
}

func newWindow(panes int) window { return window{panes: make([]int64, panes)} }

// moveTo slides the window forward to an interval, and reports whether it moved. It never moves back.
func (w *window) moveTo(interval int64) bool {
	if interval <= w.now {
		return false
	}
	size := int64(len(w.panes))
	for n := max(w.now+1, interval-size+1); n <= interval; n++ {
		w.total -= w.panes[n%size]
		w.panes[n%size] = 0
	}
	w.now = interval
	return true
}

// add adds n to the latest pane.
func (w *window) add(n int64) {
	w.panes[w.now%int64(len(w.panes))] += n
	w.total += n
}
