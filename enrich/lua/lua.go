// Package lua is Fluent Bit's filter lua: it passes every record to a script as a table, and the script
// keeps, changes, splits or drops it. Package vm runs the script.
package lua

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/lua/vm"
	"github.com/firelane/firelane/record"
)

// Limits of a script, besides those of package vm.
const (
	maxOutput   = 4 << 20          // bytes of a record that a call returns
	maxSplit    = 2 << 20          // bytes of all records of a call that returns several: they are in memory at the same time
	maxRecords  = 10_000           // records that a call returns
	maxFailures = 3                // calls in a row that exceed a limit; then the script isn't called for pauseTime
	pauseTime   = 10 * time.Second // after maxFailures
	minMemory   = 1 << 20          // bytes that a script may always keep, even if the budget has none left
)

// Options are those of the filter.
type Options struct {
	Script      string `fluentbit:"script" help:"file of the script, beside the configuration or in the working directory"`
	Code        string `fluentbit:"code" help:"the script itself, instead of a file"`
	Call        string `fluentbit:"call" required:"true" help:"the script's function: cb(tag, timestamp, record) returns a code (-1 drops the record, 0 leaves it as it is, 1 takes the returned timestamp and record, 2 the record only), a timestamp, and a record or an array of records"`
	IntKeys     string `fluentbit:"type_int_key" help:"fields whose numbers become integers, with blanks between them; whole numbers do in any case"`
	ArrayKeys   string `fluentbit:"type_array_key" help:"fields whose tables become arrays even if they are empty, with blanks between them"`
	Protected   bool   `fluentbit:"protected_mode" default:"true" help:"accepted: an error of the script never ends the router"`
	TimeAsTable bool   `fluentbit:"time_as_table" default:"false" help:"the timestamp is a table with sec and nsec, and not a number"`
	FlbNull     bool   `fluentbit:"enable_flb_null" default:"false" help:"null is flb_null, and not nil, which removes a field"`
}

// Check implements config's check after binding.
func (o *Options) Check(config.Dialect) error {
	if o.Script == "" && o.Code == "" {
		return &config.OptionError{Option: "script", Reason: "is missing; want the file of a script, or the script itself as code"}
	}
	return nil
}

// step is the filter's enrich.Step. All connections share one Lua state, since scripts keep data in global variables.
type step struct {
	opts   *Options
	log    zerolog.Logger
	share  *budget.Share // nil: none
	env    map[string]string
	output io.Writer
	files  bool   // the script may open files and run commands
	name   string // of the script
	source string
	types  types

	mu       sync.Mutex
	st       *vm.State // nil after it was discarded; the next call makes a new one
	call     *vm.Function
	params   int
	tag      string // of the last record, copied
	failures int    // calls in a row that exceeded a limit
	paused   time.Time
	args     []vm.Value
	results  results
	take     func([]vm.Value) error // results.take; made once, to save an allocation per call
}

// New makes the step. It returns an error if the script can't be read, doesn't compile, fails or exceeds a limit when it is loaded,
// or has no function o.Call.
func New(o *Options, d config.Dialect, env enrich.Env) (enrich.Step, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	s := &step{opts: o, log: env.Log, share: env.Share, name: "fluentbit.lua", source: o.Code, output: os.Stdout, files: env.AllowScriptIO, env: map[string]string{}}
	for k, v := range env.Variables {
		s.env[k] = v
	}
	s.env["HOSTNAME"] = cmp.Or(s.env["HOSTNAME"], env.Hostname)
	if o.Code == "" {
		if env.ReadFile == nil {
			return nil, &config.OptionError{Option: "script", Reason: "can't be read here"}
		}
		text, path, err := env.ReadFile(o.Script)
		if err != nil {
			return nil, &config.OptionError{Option: "script", Reason: err.Error()}
		}
		s.source, s.name = text, path
	}
	s.take = s.results.take
	if env.Dry {
		s.output = io.Discard
	}
	if env.Dry && env.AllowScriptIO {
		return unrun{}, nil
	}
	s.types = types{ints: set(o.IntKeys), arrays: set(o.ArrayKeys)}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

// An unrun is a script that may do anything, and isn't run where a configuration is only inspected. Records pass unchanged.
type unrun struct{}

// Live implements the interface enrich.Live.
func (unrun) Live() string {
	return "runs a script that may reach files and processes (allow_script_io)"
}

// Apply implements enrich.Step.
func (unrun) Apply(ev *record.Event, out *enrich.Out) { out.Next(ev) }

func set(names string) map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(names) {
		m[n] = true
	}
	return m
}

// start makes a new state and loads the script.
func (s *step) start() error {
	st := vm.New(vm.Config{Getenv: os.LookupEnv, Now: time.Now, Output: s.output, Charge: s.charge, Files: s.files, Dir: filepath.Dir(s.name)})
	env := &vm.Table{}
	for k, v := range s.env {
		env.Set(vm.String(k), vm.String(v))
	}
	st.SetGlobal("FLB_ENV", vm.TableValue(env))
	if s.opts.FlbNull {
		st.SetGlobal("flb_null", vm.Null)
	}
	main, err := st.Load(s.name, s.source)
	if err != nil {
		return fmt.Errorf("the script doesn't compile: %w", err)
	}
	if err := st.Call(main, nil); err != nil {
		return fmt.Errorf("the script failed when it was loaded: %w", err)
	}
	f := st.Global(s.opts.Call)
	if f == nil {
		return &config.OptionError{Option: "call", Reason: fmt.Sprintf("the script %s has no global function %s", s.name, s.opts.Call)}
	}
	s.params = 3
	if n := f.Params(); n == 5 {
		s.params = n
	} else if n > 5 {
		return &config.OptionError{Option: "call", Reason: fmt.Sprintf("%s has %d parameters; want (tag, timestamp, record), or (tag, timestamp, group, metadata, record)", s.opts.Call, n)}
	}
	s.st, s.call = st, f
	return nil
}

// charge charges the n bytes that the script keeps to the budget, and reports whether it may keep them.
func (s *step) charge(n int) bool {
	if s.share == nil {
		return true
	}
	more := n - s.share.Held()
	if n <= minMemory || more <= 0 {
		s.share.Set(n)
		return true
	}
	return s.share.Take(more)
}

// Apply implements enrich.Step. It emits events only after it has unlocked the state, since the steps after it may block.
func (s *step) Apply(ev *record.Event, out *enrich.Out) {
	r := s.run(ev, out)
	if !r.changed {
		out.Next(ev)
		return
	}
	ev.Time = r.time
	if r.first != nil {
		ev.Body = r.first
		out.Next(ev)
	}
	for _, b := range r.more {
		ev.Body = b
		out.Next(ev)
	}
}

// run calls the script. The caller emits the results without holding the lock.
func (s *step) run(ev *record.Event, out *enrich.Out) (result results) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready() {
		return result
	}
	if ev.Tag != s.tag {
		s.tag = strings.Clone(ev.Tag)
	}
	s.results = results{s: s, out: out, time: ev.Time, was: ev.Time}
	body := vm.TableValue(vm.NewPending(s, string(ev.Body), mapOrigin))
	args := append(s.args[:0], vm.String(s.tag), s.timestamp(ev.Time))
	if s.params == 5 { // group and metadata, which records don't have here
		for range 2 {
			args = append(args, vm.TableValue(vm.NewPending(s, "\x80", mapOrigin)))
		}
	}
	s.args = append(args, body)
	err := s.st.Call(s.call, s.take, s.args...)
	clear(s.args)
	result, s.results = s.results, results{}
	if err != nil {
		s.failed(err)
		return results{}
	}
	s.failures = 0
	return result
}

// timestamp returns the time in the form that the script gets.
func (s *step) timestamp(t record.Time) vm.Value {
	if !s.opts.TimeAsTable {
		return vm.Number(float64(t.Sec) + float64(t.Nsec)/1e9)
	}
	table := &vm.Table{}
	table.Reserve(2, 0)
	table.Set(vm.String("sec"), vm.Number(float64(t.Sec)))
	table.Set(vm.String("nsec"), vm.Number(float64(t.Nsec)))
	return vm.TableValue(table)
}

// ready reports whether the script may be called. It makes a new state if the last one was discarded.
func (s *step) ready() bool {
	if !s.paused.IsZero() {
		if time.Now().Before(s.paused) {
			return false
		}
		s.paused, s.failures = time.Time{}, 0
	}
	if s.st == nil {
		if err := s.start(); err != nil {
			s.log.Error().Err(err).Str("script", s.name).Msg("the script can't be reloaded: records pass unchanged until the next attempt")
			s.pause()
			return false
		}
	}
	return true
}

func (s *step) pause() { s.paused = time.Now().Add(pauseTime) }

// failed logs why a call failed. A script that keeps too much memory is restarted.
func (s *step) failed(err error) {
	e, ok := err.(*vm.Error)
	if !ok || e.Limit == "" {
		s.failures = 0
		s.log.Warn().Str("script", s.name).Str("function", s.opts.Call).Err(err).Msg("the script failed: the record passes unchanged")
		return
	}
	s.log.Error().Str("script", s.name).Str("function", s.opts.Call).Str("reason", string(e.Limit)).
		Msg("the script was stopped: the record passes unchanged; see the limits in docs/filters/lua.md")
	if e.Limit == vm.LimitMemory && s.st.Measure() > vm.MaxMemory/2 {
		s.st.Close()
		s.st = nil
		if s.share != nil {
			s.share.Set(0)
		}
		s.log.Error().Str("script", s.name).Msg("the script's global variables took too much memory: the script was restarted, and its variables are lost")
	}
	if s.failures++; s.failures >= maxFailures {
		s.failures = 0
		s.pause()
		s.log.Error().Str("script", s.name).Float64("pause_s", pauseTime.Seconds()).
			Msg("the script exceeded its limits in several calls in a row: it is paused, and records pass unchanged")
	}
}
