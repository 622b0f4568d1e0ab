// Package router turns a Plan into running parts, starts, drains and stops them, and keeps the accounts.
package router

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/deliver"
)

// Env is what the router is told about the process that it runs in.
type Env struct {
	Log      zerolog.Logger
	Version  string
	Hostname string         // what ${hostname} stands for; the system's own unless given
	Bound    func()         // called once when the sockets are bound, before anything is delivered; may be nil
	Sockets  *input.Sockets // of BindEarly; nil for none. Those that no input takes are closed

	// Tests don't wait as long: buffer.Options.StalledAfter, input.Env.FlushTime, enrich.JoinerConfig.FlushAfter. 0: as usual.
	stalledAfter, flushTime, joinTime time.Duration
}

// Router is a running configuration.
type Router struct {
	plan    *config.Plan
	env     Env
	begun   time.Time
	log     zerolog.Logger
	events  zerolog.Logger // log for what single records cause, which doesn't repeat itself
	logs    []limitedLog   // of all parts
	stages  []stage        // by the plan's Filters
	inputs  []*source      // by the plan's Inputs
	outputs []*output      // by the plan's Outputs; after them those that deliver dead letters

	orphansMu sync.Mutex
	orphans   []Orphan // queues without an output, found at the start

	routesMu sync.Mutex
	routes   map[routeKey]*route
	// routeBytes is about how much memory routes and held take.
	routeBytes int
	held       map[heldKey]*route // those that lead to Holders

	holding atomic.Int64  // events that Holders got and that are not in the queues yet
	wake    chan struct{} // to releaseHeld: a Holder holds something

	memory  *memory
	tapped  atomic.Int32 // how many taps are open
	buffers buffers
	common  sink.Common // what destinations share
	turn    deliver.Turn

	// appending ends when appends must no longer wait for room: at the end of the grace period.
	appending context.Context
}

// source is an input of the plan, with what the router keeps for it.
type source struct {
	index    int
	id       string
	input    input.Input
	joiner   *enrich.Joiner // nil where parts aren't joined
	holder   *holder        // the same
	accounts inputCounters
}

// stageEnv is what the filter f gets.
func (r *Router) stageEnv(f config.Filter) enrich.Env {
	return enrich.Env{
		Hostname: r.env.Hostname, Parsers: r.plan.Parsers, Multiline: r.plan.Multiline, Variables: r.plan.Variables,
		Share: r.memory.budget.Share(0), Log: r.partLog("filter", f.ID),
		ReadFile: func(name string) (string, string, error) { return r.plan.ReadFile(name, f.Pos) },
	}
}

// New builds the parts of a plan: steps and destinations, but no socket, file or connection yet. The diagnostics
// are the mistakes that the parts themselves find in their options.
func New(plan *config.Plan, env Env) (*Router, []config.Diagnostic) {
	if env.Hostname == "" {
		env.Hostname, _ = os.Hostname()
	}
	r := &Router{
		plan: plan, env: env, begun: time.Now(), log: env.Log, appending: context.Background(), memory: newMemory(),
		routes: make(map[routeKey]*route), held: make(map[heldKey]*route), wake: make(chan struct{}, 1),
		turn: deliver.NewTurn(),
	}
	r.events = r.limited(r.log)
	var diags []config.Diagnostic
	fail := func(in config.Instance, err error) {
		diags = append(diags, config.Diagnostic{Pos: in.Pos, Text: fmt.Sprintf("%s: %v", in.Name, err)})
	}
	for _, f := range plan.Filters {
		s, err := r.newFilter(f)
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
	for n, in := range plan.Inputs {
		part := &source{index: n, id: in.ID}
		if plan.Service.JoinPartial {
			part.joiner = enrich.NewJoiner(enrich.JoinerConfig{FlushAfter: r.env.joinTime, Share: r.memory.budget.Share(0), Reserve: &r.memory.joiners})
			part.holder = &holder{Holder: part.joiner, in: part, wake: r.wake, ackHeld: true}
		}
		r.inputs = append(r.inputs, part)
	}
	return r, diags
}

// newFilter builds a filter of the plan.
func (r *Router) newFilter(f config.Filter) (stage, error) {
	env := r.stageEnv(f)
	if f.Select {
		made, err := enrich.NewSelection(f.When, r.plan.Dialect, env)
		return stage{filter: made}, err
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
	defer r.env.Sockets.Close()
	for n, in := range r.plan.Inputs {
		env := input.Env{
			Log: r.partLog("input", in.ID), ID: in.ID, Memory: r.memory.inputs, FlushTime: r.env.flushTime,
			Parsers: r.plan.Parsers, Multiline: r.plan.Multiline, StateDir: r.stateDir(),
			AllowExec: r.plan.Service.AllowExec, Sockets: r.env.Sockets, Internal: r.Metrics,
		}
		if r.plan.Dialect == config.FluentBit { // its inputs are counted together, and an alias doesn't matter
			env.Tag = fmt.Sprintf("%s.%d", in.Plugin.FluentBit[0], n)
		}
		bound, err := construct[input.Input](in.Instance, r.plan.Dialect, env)
		if err != nil {
			r.closeInputs()
			return fmt.Errorf("%s:%d: %w", in.Pos.File, in.Pos.Line, err)
		}
		r.inputs[n].input = bound
	}
	return nil
}

// stateDir is the folder of the first queue that is on disk, and whose lock says that no other router uses it.
func (r *Router) stateDir() string {
	for _, o := range r.outputs {
		if o.lock != nil {
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
