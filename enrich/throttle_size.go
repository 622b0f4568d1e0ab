package enrich

import (
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/record"
)

// ThrottleSizeOptions are those of Fluent Bit's throttle_size.
type ThrottleSizeOptions struct {
	Rate        config.Size `fluentbit:"rate" default:"1M" help:"bytes that pass in an interval, on average, for each value of name_field"`
	Window      int         `fluentbit:"window" default:"5" help:"number of intervals that the average is of; 1 or less is 5"`
	Interval    string      `fluentbit:"interval" default:"1" help:"length of an interval, in seconds or as 10s, 5m, 1h, 1d"`
	PrintStatus bool        `fluentbit:"print_status" default:"false" help:"log the number of bytes of each value of name_field, at the first record of an interval"`
	LogField    string      `fluentbit:"log_field" help:"field whose size counts, a nested one as a|b; default: the whole record. Records without it pass"`
	NameField   string      `fluentbit:"name_field" help:"field whose values have a rate each, a nested one as a|b; default: one rate for all. Records without it pass"`
	Duration    string      `fluentbit:"window_time_duration" default:"60s" help:"how long a value of name_field is remembered after its last record"`
	TableSize   int         `fluentbit:"hash_table_size" help:"accepted"`
}

// Limits of the values of name_field. Values beyond them share one rate.
const (
	maxThrottleBytes = 2 << 20 // memory for all values, in bytes
	maxThrottleName  = 1 << 10 // length of a value in bytes
	windowCost       = 192     // approximate overhead of a value, besides its text and its panes, in bytes
)

// Check implements config's check after binding.
func (o *ThrottleSizeOptions) Check(config.Dialect) error { return checkWindow(o.Window) }

// Warnings implements config's warnings after binding.
func (o *ThrottleSizeOptions) Warnings() []string {
	list := windowWarnings(o.Window, "interval", o.Interval)
	if o.Rate <= 0 {
		list = append(list, "rate: anything but a number above 0 counts as 1M, as in Fluent Bit")
	}
	return append(list, windowWarnings(2, "window_time_duration", o.Duration)...)
}

// throttleSize is the filter.
type throttleSize struct {
	allowed  int64 // bytes in a window
	panes    int
	interval time.Duration
	keep     int64 // intervals after which a window without records is forgotten
	begin    time.Time
	log      zerolog.Logger
	print    bool

	size field.Accessor // nil: the whole record
	name field.Accessor // nil: one window for all

	mu      sync.Mutex
	now     int64
	windows map[string]*sizeWindow
	bytes   int         // of memory for windows
	rest    *sizeWindow // of names that exceed the limits, or of all records without name_field in the configuration
}

type sizeWindow struct {
	window
	used int64 // the interval of the last record
}

// NewThrottleSize makes the step of a throttle_size.
func NewThrottleSize(o *ThrottleSizeOptions, d config.Dialect, env Env) (Filter, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	rate := int64(o.Rate)
	if rate <= 0 {
		rate = 1 << 20
	}
	t := &throttleSize{
		panes: panesOf(o.Window), interval: secondsOr(o.Interval, time.Second), begin: time.Now(), log: env.Log, print: o.PrintStatus,
		windows: make(map[string]*sizeWindow),
	}
	t.allowed = min(rate, 1<<40) * int64(t.panes)
	t.keep = max(int64(secondsOr(o.Duration, time.Minute)/t.interval), int64(t.panes))
	t.rest = t.newWindow()
	var err error
	if t.size, err = pipedPath("log_field", o.LogField); err != nil {
		return nil, err
	}
	t.name, err = pipedPath("name_field", o.NameField)
	return t, err
}

// pipedPath parses a path that is written as a|b|c, nil for none.
func pipedPath(option, text string) (field.Accessor, error) {
	var b strings.Builder
	for name := range strings.SplitSeq(text, "|") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if strings.ContainsAny(name, `'\`) {
			return nil, &config.OptionError{Option: option, Reason: "a name with a quote or a backslash can't be used"}
		}
		if b.Len() == 0 {
			b.WriteByte('$')
		}
		b.WriteString("['" + name + "']")
	}
	if b.Len() == 0 {
		return nil, nil
	}
	at, err := field.ParseAccessor(b.String(), config.FluentBit)
	if err != nil {
		return nil, &config.OptionError{Option: option, Reason: err.Error()}
	}
	return at, nil
}

func (t *throttleSize) newWindow() *sizeWindow {
	w := &sizeWindow{window: newWindow(t.panes), used: t.now}
	w.now = t.now
	return w
}

// Apply implements Filter.
func (t *throttleSize) Apply(ev *record.Event, _ *Scratch) bool {
	var name []byte
	if t.name != nil {
		value, ok := t.name.Get(ev.Body)
		if !ok {
			return true
		}
		if name, ok = record.Text(value); !ok {
			return true
		}
	}
	counted := ev.Body
	if t.size != nil {
		value, ok := t.size.Get(ev.Body)
		if !ok {
			return true
		}
		counted = value
	}
	size, _ := textSize(counted)
	now := int64(time.Since(t.begin) / t.interval)
	t.mu.Lock()
	defer t.mu.Unlock()
	if now > t.now {
		t.moveTo(now)
	}
	w := t.windowOf(name)
	w.moveTo(t.now)
	if w.total+size > t.allowed {
		return false
	}
	w.add(size)
	w.used = t.now
	return true
}

// moveTo begins an interval. It forgets windows that have had no records for t.keep intervals.
func (t *throttleSize) moveTo(now int64) {
	t.now = now
	for name, w := range t.windows {
		if t.print {
			w.window.moveTo(now)
			t.log.Info().Str("name", name).Int64("bytes", w.total).Int64("limit_bytes", t.allowed).Msg("bytes in the window of throttle_size")
		}
		if now-w.used > t.keep {
			t.bytes -= t.costOf(len(name))
			delete(t.windows, name)
		}
	}
	if t.print && t.name == nil {
		t.rest.moveTo(now)
		t.log.Info().Str("name", "*").Int64("bytes", t.rest.total).Int64("limit_bytes", t.allowed).Msg("bytes in the window of throttle_size")
	}
}

// windowOf returns the window of a name.
func (t *throttleSize) windowOf(name []byte) *sizeWindow {
	if t.name == nil {
		return t.rest
	}
	if w := t.windows[string(name)]; w != nil {
		return w
	}
	cost := t.costOf(len(name))
	if t.bytes+cost > maxThrottleBytes || len(name) > maxThrottleName {
		t.log.Warn().Int("names", len(t.windows)).Msg("throttle_size: name_field has too many values, or one longer than 1 KiB: such values share one rate; a shorter window_time_duration forgets values sooner")
		return t.rest
	}
	w := t.newWindow()
	t.windows[string(name)] = w
	t.bytes += cost
	return w
}

// costOf returns approximately how many bytes the window of a name takes; name is its length.
func (t *throttleSize) costOf(name int) int { return windowCost + name + 8*t.panes }

// textSize returns the length in bytes of all strings in the first value of b, including the names of members, as Fluent Bit counts.
// rest is what follows the value.
func textSize(b []byte) (size int64, rest []byte) {
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	var err error
	switch record.KindOf(b[0]) {
	case record.KindStr, record.KindBin:
		s, rest, err := record.Str(b)
		if err != nil {
			return 0, nil
		}
		return int64(len(s)), rest
	case record.KindMap:
		n, rest, err = record.MapHeader(b)
		n *= 2
	case record.KindArray:
		n, rest, err = record.ArrayHeader(b)
	default:
		rest, err = record.Skip(b)
	}
	for ; err == nil && n > 0 && len(rest) > 0; n-- {
		var more int64
		more, rest = textSize(rest)
		size += more
	}
	return size, rest
}
