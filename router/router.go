// Package router turns a Plan into running parts, starts, drains and stops them, and keeps the accounts.
package router

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/sink"
)

// Env is what the router is told about the process that it runs in.
type Env struct {
	Log      zerolog.Logger
	Version  string
	Hostname string        // what ${hostname} stands for; the system's own unless given
	Bound    func()        // called once when the sockets are bound, before anything is delivered; may be nil
	Early    *Early        // sockets that are bound already; nil: none
	OwnLog   *input.OwnLog // what Log writes; nil: inputs don't get it
	Dry      bool          // the plan is only inspected: scripts reach no files, no processes and no standard output

	// Tests don't wait as long: buffer.Options.StalledAfter, input.Env.FlushTime, enrich.JoinerConfig.FlushAfter. 0: as usual.
	stalledAfter, flushTime, joinTime time.Duration
}

// Router is a running configuration. Reload makes another one of another plan, which takes its place: the methods that are
// exported work on the one that is running now, so a caller needs the first one only.
type Router struct {
	*process

	plan    *config.Plan
	env     Env
	log     zerolog.Logger
	events  zerolog.Logger         // log for what single records cause, which doesn't repeat itself
	logs    map[string]*limitedLog // of all parts, by kind and ID
	stages  []stage                // by the plan's Filters
	shares  []*budget.Share        // of the memory of the stages
	inputs  []*source              // by the plan's Inputs
	outputs []*output              // by the plan's Outputs; after them those that deliver dead letters
	sockets *input.Sockets         // of the inputs
	common  sink.Common            // what destinations share

	routesMu sync.Mutex
	labels   []string // Fluentd: at which routes may begin
	routes   map[routeKey]*route
	// routeBytes is about how much memory routes and held take.
	routeBytes int
	routesAge  atomic.Uint64      // changes when intakes must forget the routes that they remember
	held       map[heldKey]*route // those that lead to Holders
	turns      map[*int]*turns    // of each roundrobin, by its order in the plan
	classes    []int              // of outputs that get the same records, by their place; 0: none yet
	lastClass  int
	metrics    enrich.Metrics // of filters
	onRoute    func(*route)   // called for each route that is made; nil except in a Trace
}

// source is an input of the plan, with what the router keeps for it.
type source struct {
	label    string // Fluentd: at which the paths of its events begin
	index    int    // in the plan's Inputs; of an input whose configuration has gone, the index of the one that goes on for it
	id       string
	input    input.Input
	joiner   *enrich.Joiner // nil where parts aren't joined
	holder   *holder        // the same
	accounts *inputCounters
	files    string // what its certificates were when it was made

	end  context.CancelFunc // of Run
	done chan struct{}      // closed when Run has returned

	isRetired bool // it ends when its clients hang up
	ownLog    bool // its events are the router's own log

	unqueued atomic.Int64    // events that Holders have released, and that its receivers couldn't queue in time
	unended  [2]atomic.Int64 // the calls of Holders in which they were released
}

// stageEnv is what the filter f gets.
func (r *Router) stageEnv(f config.Filter) enrich.Env {
	share := r.memory.budget.Share(0)
	r.shares = append(r.shares, share)
	return enrich.Env{
		Hostname: r.env.Hostname, Version: r.env.Version, Parsers: r.plan.Parsers, Multiline: r.plan.Multiline, Variables: r.plan.Variables,
		Share: share, Log: r.partLog("filter", f.ID, f.LogLevel), Metrics: &r.metrics, Exit: r.askToStop, Changed: r.renewRoutes,
		Errors:        r.plan.HasLabel(enrich.ErrorLabel),
		AllowScriptIO: r.plan.Service.AllowScriptIO, Dry: r.env.Dry,
		ReadFile: func(name string) (string, string, error) { return r.plan.ReadFile(name, f.Pos) },
	}
}

// New builds the parts of a plan: steps and destinations, but no socket, file or connection yet. The diagnostics
// are the mistakes that the parts themselves find in their options.
func New(plan *config.Plan, env Env) (*Router, []config.Diagnostic) {
	if env.Hostname == "" {
		env.Hostname, _ = os.Hostname()
	}
	r, diags := build(plan, env, newProcess())
	r.current.Store(r)
	return r, diags
}

// diagnostic is an error of a part. That of an option, or of a missing file that one names, is at the option, if the plan says where
// that is.
func diagnostic(in config.Instance, err error) config.Diagnostic {
	d := config.Diagnostic{Pos: in.Pos, Text: fmt.Sprintf("%s: %v", in.Name, err)}
	var option *config.OptionError
	if errors.As(err, &option) {
		d.Code = config.CodeValue
		if g, ok := in.Find(option.Option); ok {
			d.Pos = g.Pos
		}
		if strings.HasSuffix(option.Reason, "does not exist") {
			d.Code = config.CodeFile
		}
		return d
	}
	var file *fs.PathError
	if !errors.As(err, &file) {
		return d
	}
	d.Code = config.CodeFile
	for _, g := range in.Given {
		if g.Value == file.Path {
			d.Pos, d.Text = g.Pos, fmt.Sprintf("%s: %s: %v", in.Name, g.Name, err)
		}
	}
	return d
}

// build is New for a configuration of a process.
func build(plan *config.Plan, env Env, p *process) (*Router, []config.Diagnostic) {
	r := &Router{
		process: p, plan: plan, env: env, log: env.Log, logs: make(map[string]*limitedLog), sockets: new(input.Sockets),
		routes: make(map[routeKey]*route), held: make(map[heldKey]*route), turns: make(map[*int]*turns), labels: plan.Labels(),
	}
	r.events = r.limited(eventsLog, r.log)
	var diags []config.Diagnostic
	fail := func(in config.Instance, err error) { diags = append(diags, diagnostic(in, err)) }
	for _, f := range plan.Filters {
		s, err := r.newFilter(f)
		s.label = f.Label
		if known := p.knownCounts(&f); known != nil {
			s.counts = known
		}
		if err != nil {
			fail(f.Instance, err)
		}
		r.stages = append(r.stages, s)
	}
	for _, o := range plan.Outputs {
		out, err := r.newOutput(o)
		if err != nil {
			fail(o.Instance, err)
		}
		r.outputs = append(r.outputs, out)
	}
	for n, o := range plan.Outputs {
		out := r.outputs[n]
		if out == nil || out.options.DeadLetter != "index" {
			continue
		}
		dead, err := r.newDeadOutput(o, out)
		if err != nil {
			fail(o.Instance, err)
		}
		out.deadTo = dead
		r.outputs = append(r.outputs, dead)
	}
	if len(diags) == 0 {
		nameQueues(r.outputs)
	}
	r.addSources()
	return r, diags
}

// addSources makes the sources of the plan's inputs.
func (r *Router) addSources() {
	for n, in := range r.plan.Inputs {
		part := &source{index: n, id: in.ID, label: r.plan.Start(n), accounts: new(inputCounters)}
		if r.plan.Service.JoinPartial {
			part.joiner = enrich.NewJoiner(enrich.JoinerConfig{FlushAfter: r.env.joinTime, Share: r.memory.budget.Share(0), Reserve: &r.memory.joiners})
			part.holder = &holder{Holder: part.joiner, in: part, wake: r.wake, ackHeld: true}
		}
		r.inputs = append(r.inputs, part)
	}
}

// newFilter builds a filter of the plan.
func (r *Router) newFilter(f config.Filter) (stage, error) {
	env := r.stageEnv(f)
	if f.Select {
		made, err := enrich.NewSelection(f.When, r.plan.Dialect, env)
		return stage{filter: made, counts: new(sectionCounts)}, err
	}
	made, err := construct[enrich.Stage](f.Instance, r.plan.Dialect, env)
	if err == nil && f.When != nil {
		made, err = enrich.When(f.When, made, r.plan.Dialect, env)
	}
	if err != nil {
		return stage{}, err
	}
	return newStage(made, r.wake)
}

// bind makes every input's socket. It is the first thing that a starting router does: Docker drops what it logs
// while nobody listens.
func (r *Router) bind() error {
	for n := range r.plan.Inputs {
		if err := r.bindInput(r.inputs[n], n); err != nil {
			r.closeInputs()
			return err
		}
	}
	return nil
}

// bindInput makes the n-th input of the plan.
func (r *Router) bindInput(s *source, n int) error {
	in, p := &r.plan.Inputs[n], r.process // of an input that may outlive r
	env := input.Env{
		Log: r.partLog("input", in.ID, in.LogLevel), ID: in.ID, Tag: r.plan.DefaultTag(n), Memory: r.memory.inputs, FlushTime: r.env.flushTime,
		Parsers: r.plan.Parsers, Multiline: r.plan.Multiline, StateDir: r.stateDir(),
		AllowExec: r.plan.Service.AllowExec, Sockets: r.sockets,
		Internal: func(see func(*metric.Sample)) { p.current.Load().Metrics(see) },
		OwnLog:   r.env.OwnLog, Feeds: r.fedByLog.has, Monitor: monitor{p}, FilterMetrics: p.filterMetrics,
	}
	bound, err := construct[input.Input](in.Instance, r.plan.Dialect, env)
	if err != nil {
		return fmt.Errorf("%s:%d: %w", in.Pos.File, in.Pos.Line, err)
	}
	s.input, s.files = bound, filesOf(in.Options)
	if l, ok := bound.(input.LogSource); ok && l.ReadsOwnLog() && !s.ownLog { // others may read it when a failed reload binds again
		s.ownLog = true
	}
	return nil
}

// stateDir is the folder of the first queue that is on disk, and whose lock says that no other router uses it.
func (r *Router) stateDir() string {
	for _, o := range r.outputs {
		if o.lock != nil || o.queue != nil && o.queue.Stats().Durable {
			return r.queueDir(o)
		}
	}
	return ""
}

func (r *Router) closeInputs() {
	for _, in := range r.inputs {
		if in.input != nil {
			_ = in.input.Close()
		}
	}
}
