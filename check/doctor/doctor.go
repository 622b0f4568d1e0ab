// Package doctor checks, from where it runs and with the network, whether a configuration can work: names, connections, TLS,
// credentials, rights, indices, space, the queues' folders and the inputs' sockets. Each result is a fact and, where something is
// wrong, what to do.
//
// It writes nothing, unless Options.Write asks for a test document. It prints no secret, and what a server answers is
// escaped. Each wait has a limit: a server that hangs costs seconds.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/probe"
)

// Limits of a check.
const (
	maxAtOnce    = 4                // servers that are checked at once
	maxServers   = 16               // servers of one output that are checked
	maxAddresses = 8                // addresses of one name that are tried
	maxFacts     = 64               // of one server
	maxAnswer    = 1 << 20          // bytes of an answer that are read
	maxText      = 600              // characters of a fact
	stepTimeout  = 5 * time.Second  // for one step: a look-up, a connection, a handshake, a request
	fetchTimeout = 15 * time.Second // for fetching AWS credentials and asking whose they are
	totalTimeout = 40 * time.Second // for all steps of one server
)

// Options say what to check.
type Options struct {
	Plan  *config.Plan
	Write bool // store a test document in each cluster of OpenSearch or Elasticsearch, and delete it
	// Secrets are texts that must not be shown, besides the options that are secret.
	Secrets []string

	now    func() time.Time // nil: time.Now
	limits limits           // the zero value: the constants
}

// limits are how long steps may take.
type limits struct{ step, fetch, total time.Duration }

// A Report is what was found.
type Report struct {
	Parts    []Part `json:"parts"`
	Errors   int    `json:"errors"`
	Warnings int    `json:"warnings"`
}

// A Part is what was found about one server of an output, a queue's folder or an input's socket.
type Part struct {
	Kind   string       `json:"kind"` // output, queue or input
	ID     string       `json:"id"`
	Plugin string       `json:"plugin,omitempty"`
	Place  string       `json:"place,omitempty"`  // file:line
	Server string       `json:"server,omitempty"` // of an output; "" for none
	Facts  []probe.Fact `json:"facts"`
}

var errSlow = errors.New("no answer in time")

// limited is ctx with a limit, whose end has a cause that says so.
func limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w (%s)", errSlow, limit))
}

// Run checks everything. It returns soon after ctx ends.
func Run(ctx context.Context, o Options) *Report {
	if o.now == nil {
		o.now = time.Now
	}
	if o.limits == (limits{}) {
		o.limits = limits{stepTimeout, fetchTimeout, totalTimeout}
	}
	r := &Report{Parts: []Part{}}
	all := newMask(o.Secrets)
	for _, out := range o.Plan.Outputs {
		all.addOptions(out.Options)
	}
	r.Parts = append(r.Parts, outputs(ctx, &o, all)...)
	r.Parts = append(r.Parts, queues(&o, all)...)
	r.Parts = append(r.Parts, inputs(ctx, &o, all)...)
	for _, p := range r.Parts {
		for _, f := range p.Facts {
			switch f.Level {
			case probe.Error:
				r.Errors++
			case probe.Warning:
				r.Warnings++
			}
		}
	}
	return r
}

// A job is one part that is found out in the background.
type job struct {
	part   Part
	target *probe.Target // nil: the facts are complete
	needs  []sink.IAMGrant
}

// outputs checks the servers of all outputs, maxAtOnce at a time.
func outputs(ctx context.Context, o *Options, m *mask) []Part {
	host, _ := os.Hostname()
	env := sink.Env{Log: zerolog.Nop(), Hostname: host, Common: new(sink.Common)}
	var jobs []*job
	for _, out := range o.Plan.Outputs {
		jobs = append(jobs, jobsOf(ctx, o, out, env, m)...)
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, maxAtOnce)
	for _, j := range jobs {
		if j.target == nil {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			e := &exam{Target: j.target, dialect: o.Plan.Dialect, mask: m, write: o.Write, now: o.now, limits: o.limits, needs: j.needs}
			e.run(ctx)
			if e.Dashboards {
				e.soften()
			}
			j.part.Facts = append(j.part.Facts, e.facts...)
		})
	}
	running.Wait()
	spread(jobs)
	parts := make([]Part, len(jobs))
	for i, j := range jobs {
		parts[i] = j.part
	}
	return parts
}

// spread makes warnings of the errors of a server where another one of the same output has none: the router skips servers that
// fail.
func spread(jobs []*job) {
	works := map[string]bool{}
	for _, j := range jobs {
		if j.target != nil && j.target.Dashboards {
			continue
		}
		works[j.part.ID] = works[j.part.ID] || !slices.ContainsFunc(j.part.Facts, isError)
	}
	for _, j := range jobs {
		for i := range j.part.Facts {
			if f := &j.part.Facts[i]; works[j.part.ID] && isError(*f) {
				f.Level = probe.Warning
				f.Text += "; another server of this output works"
			}
		}
	}
}

func isError(f probe.Fact) bool { return f.Level == probe.Error }

// jobsOf returns one job for each server of an output, and one for an output that has none.
func jobsOf(ctx context.Context, o *Options, out config.Output, env sink.Env, m *mask) []*job {
	part := Part{Kind: "output", ID: out.ID, Plugin: out.Name, Place: fmt.Sprintf("%s:%d", out.Pos.File, out.Pos.Line), Facts: []probe.Fact{}}
	only := func(f probe.Fact) []*job {
		part.Facts = append(part.Facts, m.clean(f))
		return []*job{{part: part}}
	}
	p, ok := out.Options.(probe.Prober)
	if !ok {
		return only(probe.Fact{Step: "network", Text: "this output uses no server"})
	}
	ctx, cancel := limited(ctx, o.limits.step)
	defer cancel()
	targets, err := p.Targets(ctx, o.Plan.Dialect, env)
	switch {
	case err != nil:
		return only(probe.Fact{Step: "options", Level: probe.Error, Text: err.Error(), Fix: "correct the option, or the file or variable that it depends on; the router would not deliver"})
	case len(targets) == 0:
		return only(probe.Fact{Step: "network", Level: probe.Note, Text: "not known: the server depends on the record"})
	}
	var needs []sink.IAMGrant
	if d, ok := out.Options.(sink.Describer); ok {
		needs = d.Describe(o.Plan.Dialect, o.now()).Actions
	}
	var jobs []*job
	for i := range targets[:min(len(targets), maxServers)] {
		part.Server = targets[i].Name
		m.addHeaders(&targets[i])
		jobs = append(jobs, &job{part: part, target: &targets[i], needs: needs})
	}
	if n := len(targets) - maxServers; n > 0 {
		last := &jobs[maxServers-1].part
		last.Facts = append(last.Facts, probe.Fact{Step: "servers", Level: probe.Note, Text: fmt.Sprintf("%d more servers of this output are not checked", n)})
	}
	return jobs
}

// An exam is the check of one server.
type exam struct {
	*probe.Target
	dialect config.Dialect
	mask    *mask
	write   bool
	now     func() time.Time
	limits
	needs []sink.IAMGrant // what the task's role must allow

	facts []probe.Fact
	seen  bool // the difference of the clocks has been said
}

// say adds a fact.
func (e *exam) say(f probe.Fact) {
	if len(e.facts) < maxFacts {
		e.facts = append(e.facts, e.mask.clean(f))
	}
}

func (e *exam) ok(step, format string, args ...any) {
	e.say(probe.Fact{Step: step, Text: fmt.Sprintf(format, args...)})
}

func (e *exam) note(step, format string, args ...any) {
	e.say(probe.Fact{Step: step, Level: probe.Note, Text: fmt.Sprintf(format, args...)})
}

func (e *exam) warn(step, fix, format string, args ...any) {
	e.say(probe.Fact{Step: step, Level: probe.Warning, Text: fmt.Sprintf(format, args...), Fix: fix})
}

func (e *exam) fail(step, fix, format string, args ...any) {
	e.say(probe.Fact{Step: step, Level: probe.Error, Text: fmt.Sprintf(format, args...), Fix: fix})
}

// failed reports whether an error was found.
func (e *exam) failed() bool { return slices.ContainsFunc(e.facts, isError) }

// run checks each step in order. What a step needs that failed is not checked.
func (e *exam) run(ctx context.Context) {
	ctx, cancel := limited(ctx, e.total)
	defer cancel()
	if e.reach(ctx) {
		e.account(ctx)
		if !e.failed() {
			e.questions(ctx)
		}
	} else {
		e.account(ctx) // credentials come from elsewhere
	}
	if ctx.Err() != nil && !e.failed() {
		e.fail("time", "", "the check was ended: %v", context.Cause(ctx))
	}
}

// questions asks the server what only it knows.
func (e *exam) questions(ctx context.Context) {
	switch {
	case e.Search != nil:
		e.search(ctx)
	case e.Dashboards:
		e.dashboards(ctx)
	case e.Health != "":
		e.health(ctx)
	case e.Ask == nil && e.HTTP != nil:
		e.greet(ctx)
	}
	if e.Ask != nil {
		ctx, cancel := limited(ctx, e.step)
		defer cancel()
		e.Ask(ctx, e.say)
	}
}
