// Package router turns a Plan into running parts, starts, drains and stops them, and keeps the accounts.
package router

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/sink"
)

// Env is what the router is told about the process that it runs in.
type Env struct {
	Log      zerolog.Logger
	Version  string
	Hostname string // what ${hostname} stands for; the system's own unless given
	Bound    func() // called once when the sockets are bound, before anything is delivered; may be nil
}

// Router is a running configuration.
type Router struct {
	plan    *config.Plan
	env     Env
	log     zerolog.Logger
	steps   []enrich.Step // by the plan's Filters
	inputs  []*source     // by the plan's Inputs
	outputs []*output     // by the plan's Outputs; after them those that deliver dead letters

	routesMu sync.Mutex
	routes   map[routeKey]*route

	buffers buffers
	common  sink.Common // what destinations share

	// appending ends when appends must no longer wait for room: at the end of the grace.
	appending context.Context
}

// source is an input of the plan, with what the router keeps for it.
type source struct {
	index    int
	id       string
	input    input.Input
	joiner   *enrich.Joiner // nil where parts aren't joined
	held     chan struct{}  // the joiner may hold something now
	accounts inputCounters
}

// New builds the parts of a plan: steps and destinations, but no socket, file or connection yet. The errors are
// everything that is wrong with the options as seen by the parts themselves.
func New(plan *config.Plan, env Env) (*Router, []config.Diagnostic) {
	if env.Hostname == "" {
		env.Hostname, _ = os.Hostname()
	}
	r := &Router{plan: plan, env: env, log: env.Log, routes: make(map[routeKey]*route), appending: context.Background()}
	var diags []config.Diagnostic
	fail := func(in config.Instance, err error) {
		diags = append(diags, config.Diagnostic{Pos: in.Pos, Text: fmt.Sprintf("%s: %v", in.Name, err)})
	}
	steps := enrich.Env{Hostname: env.Hostname, Parsers: plan.Parsers, Log: env.Log}
	for _, f := range plan.Filters {
		step, err := rowOf(f.Plugin).filter(f.Options, plan.Dialect, steps)
		if err != nil {
			fail(f.Instance, err)
		}
		r.steps = append(r.steps, step)
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
	for n, in := range plan.Inputs {
		part := &source{index: n, id: in.ID, held: make(chan struct{}, 1)}
		if plan.Service.JoinPartial {
			part.joiner = enrich.NewJoiner(enrich.JoinerConfig{})
		}
		r.inputs = append(r.inputs, part)
	}
	return r, diags
}

// bind makes every input's socket. It is the first thing that a starting router does: Docker drops what it logs
// while nobody listens.
func (r *Router) bind() error {
	memory := input.NewMemory()
	for n, in := range r.plan.Inputs {
		env := input.Env{Log: r.log.With().Str("input", in.ID).Logger(), ID: in.ID, Memory: memory}
		bound, err := rowOf(in.Plugin).input(in.Options, r.plan.Dialect, env)
		if err != nil {
			r.closeInputs()
			return fmt.Errorf("%s:%d: %w", in.Pos.File, in.Pos.Line, err)
		}
		r.inputs[n].input = bound
	}
	return nil
}

func (r *Router) closeInputs() {
	for _, in := range r.inputs {
		if in.input != nil {
			_ = in.input.Close()
		}
	}
}

// joinTick is how often lines whose last part doesn't come are looked for.
const joinTick = time.Second

// expireJoins gives out, for as long as ctx lasts, the lines whose last part doesn't come, and at the end all that are
// held. While nothing is held it sleeps: an idle router uses no CPU.
func (r *Router) expireJoins(ctx context.Context, in *source) {
	if in.joiner == nil {
		return
	}
	i := r.newIntake(in)
	var tick <-chan time.Time // nil while nothing is held
	for ctx.Err() == nil {
		if parts, _ := in.joiner.Held(); parts > 0 && tick == nil {
			tick = time.After(joinTick)
		}
		select {
		case now := <-tick:
			tick = nil
			in.joiner.Expire(now, i.work(), i.emit)
			r.flushLate(i)
		case <-in.held:
		case <-ctx.Done():
		}
	}
	in.joiner.Flush(i.work(), i.emit)
	r.flushLate(i)
}

// hold tells expireJoins that a part is held.
func (in *source) hold() {
	select {
	case in.held <- struct{}{}:
	default:
	}
}

func (r *Router) flushLate(i *intake) {
	if err := i.Flush(r.appending); err != nil {
		r.log.Error().Err(err).Msg("joined lines could not be queued")
	}
}
