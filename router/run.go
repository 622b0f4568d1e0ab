package router

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/input"
)

// deliveryShare is the part of the grace period that is kept for delivering when clients don't hang up.
const deliveryShare = 0.4

// Limits of waiting for clients at a stop.
const (
	// silenceTime is how long clients must send nothing, with everything delivered, before a stop no longer waits for them
	// to hang up. It is counted from the stop: an application that is stopped at the same time still logs.
	silenceTime = 3 * time.Second
	silencePoll = 100 * time.Millisecond
)

// Run works until stop ends, then drains: inputs go on until every client has hung up or is silent, what is queued is
// delivered, and Run returns as soon as nothing is left or when the grace period is over. When now ends, it returns at once.
// What is left stays in the queue. The error says why the router could not start; a stop isn't an error.
func (r *Router) Run(stop, now context.Context) error {
	begin := time.Now()
	if err := r.lock(); err != nil { // before any socket: another router may be running in this folder
		return err
	}
	defer r.unlock()
	if err := r.bindAfter(r.env.Early); err != nil {
		return err
	}
	defer func() { r.current.Load().closeInputs() }()
	bound := time.Since(begin)
	if r.env.Bound != nil {
		r.env.Bound()
	}
	if err := r.open(); err != nil {
		return err
	}
	defer func() { r.closeQueues(r.current.Load().allOutputs()) }()
	r.startStages()
	running := r.serve(stop, now)
	defer running.end()
	defer func() { r.current.Load().closeStages() }()
	r.logStarted(bound)
	var exit *ExitError
	select {
	case <-stop.Done():
	case <-now.Done():
	case exit = <-r.exit:
		r.log.Error().Int("status", exit.Status).Msg("a filter stops the router: " + exit.Why)
	}
	r.endReloads()
	last := r.current.Load()
	last.drain(now, running)
	last.logStopped()
	if exit != nil {
		return exit
	}
	return nil
}

// startStages starts what the filters do before the first event.
func (r *Router) startStages() {
	for n := range r.stages {
		if s, ok := enrich.Find[enrich.Starter](r.stages[n].part()); ok {
			s.Start()
		}
	}
}

// closeStages ends what the filters have begun.
func (r *Router) closeStages() {
	for n := range r.stages {
		r.stages[n].close()
	}
}

// An ExitError means that a filter stopped the router in an orderly way: what was queued has been delivered, as at any stop.
type ExitError struct {
	Status int // with which the process ends
	Why    string
}

func (e *ExitError) Error() string { return e.Why }

// askToStop makes Run stop. The first call counts.
func (r *Router) askToStop(status int, why string) {
	select {
	case r.exit <- &ExitError{status, why}:
	default:
	}
}

// lock locks the folder of every output's queue. It takes a few system calls.
func (r *Router) lock() error {
	for _, o := range r.outputs {
		if err := r.lockQueue(o); err != nil {
			r.unlock()
			return err
		}
	}
	return nil
}

// unlock releases the locks that no queue has taken over.
func (r *Router) unlock() {
	for _, o := range r.outputs {
		o.unlockQueue()
	}
}

// open gives queues without an output to the outputs that take their place, and opens every output's queue.
func (r *Router) open() error {
	r.adopt(nil)
	for n := len(r.outputs) - 1; n >= 0; n-- { // an output's dead letters need their queue before it
		if err := r.openQueue(r.outputs[n]); err != nil {
			r.closeQueues(r.outputs[n+1:])
			return err
		}
	}
	return nil
}

// running is what works between serve and the end of drain.
type running struct {
	inputs, holders, outputs, deadOutputs, reloads sync.WaitGroup

	stop                      context.Context // ends when a stop begins
	receiving, delivering     context.Context
	endReceiving, endDelivery context.CancelFunc
	holding                   *holding
}

func (u *running) end() {
	u.endReceiving()
	u.endDelivery()
}

// holding is the goroutine that calls Expire of a configuration's Holders.
type holding struct {
	all              []expiry
	end, pause, done chan struct{}
}

// serve starts everything.
func (r *Router) serve(stop, now context.Context) *running {
	u := &running{stop: stop}
	u.receiving, u.endReceiving = context.WithCancel(now)
	u.delivering, u.endDelivery = context.WithCancel(now)
	r.appending = u.delivering
	for _, o := range r.outputs {
		u.startOutput(o)
	}
	r.hold(u, r.expiries())
	for _, in := range r.inputs {
		r.startInput(u, in)
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	r.running = u
	close(r.started)
	return u
}

// startOutput runs the output's loop.
func (u *running) startOutput(o *output) {
	loops := &u.outputs
	if o.is.dead != "" {
		loops = &u.deadOutputs
	}
	var ctx context.Context
	ctx, o.end = context.WithCancel(u.delivering)
	loop, done := o.loop, make(chan struct{})
	o.done = done
	loops.Go(func() {
		defer close(done)
		keeper := o.keep(ctx)
		defer keeper.Close()
		loop.Run(ctx)
	})
}

// startInput runs an input.
func (r *Router) startInput(u *running, in *source) {
	var ctx context.Context
	ctx, in.end = context.WithCancel(u.receiving)
	done := make(chan struct{})
	in.done = done
	p, log := r.process, r.log // of an input that may outlive r
	u.inputs.Go(func() {
		defer close(done)
		p.runInput(ctx, in, log)
	})
}

// hold runs the goroutine that calls Expire of Holders.
func (r *Router) hold(u *running, all []expiry) {
	h := &holding{all: all, end: make(chan struct{}), pause: make(chan struct{}), done: make(chan struct{})}
	u.holding = h
	u.holders.Go(func() {
		defer close(h.done)
		r.releaseUntil(&h.all, u.receiving.Done(), h.end, h.pause)
	})
}

// drain stops everything in the order in which records flow, within the grace period.
func (r *Router) drain(now context.Context, u *running) {
	grace := r.plan.Service.Grace
	over := time.AfterFunc(grace, u.endDelivery)
	defer over.Stop()
	r.log.Info().Float64("grace_s", grace.Seconds()).Msg("stopping")
	all := r.allOutputs()
	for _, o := range all {
		o.loop.Hurry()
	}
	r.awaitClients(now, time.Duration(float64(grace)*(1-deliveryShare)))
	u.endReceiving()
	u.inputs.Wait()
	close(u.holding.end)
	u.holders.Wait()
	for _, o := range all {
		if o.is.dead == "" {
			o.loop.Drain()
		}
	}
	u.outputs.Wait()
	for _, o := range all {
		o.loop.Drain()
	}
	u.deadOutputs.Wait()
	for _, o := range all {
		o.loseMemory()
	}
}

// runInput runs one input. An input that fails ends by itself; the others, and delivery, go on.
func (p *process) runInput(ctx context.Context, in *source, log zerolog.Logger) {
	err := in.input.Run(ctx, func() input.Receiver { return p.current.Load().newIntake(in) })
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		log.Error().Err(err).Str("input", in.id).Msg("an input failed: it takes no more records; the other inputs and delivery go on")
	}
}

// awaitClients waits until every client has hung up, or all are silent and everything is delivered, or the time is over.
func (r *Router) awaitClients(now context.Context, atMost time.Duration) {
	ctx, cancel := context.WithTimeout(now, atMost)
	defer cancel()
	silence := make(chan bool, 1)
	go func() {
		silence <- r.awaitSilence(ctx)
		cancel()
	}()
	var connected []string
	for _, in := range r.allInputs() {
		if err := in.input.WaitIdle(ctx); err != nil {
			connected = append(connected, in.id)
		}
	}
	cancel()
	silent := <-silence
	for _, id := range connected {
		if silent {
			r.log.Info().Str("input", id).Msg("clients are still connected, but silent: nothing is left to wait for")
		} else {
			r.log.Warn().Str("input", id).Msg("clients are still connected: what they send from now on is not taken")
		}
	}
}

// awaitSilence waits until clients have sent nothing for silenceTime and every queue is empty; false if ctx ends first.
func (r *Router) awaitSilence(ctx context.Context) bool {
	poll := time.NewTicker(silencePoll)
	defer poll.Stop()
	last, since := r.activity(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-poll.C:
		}
		if a := r.activity(); a != last {
			last, since = a, time.Now()
		}
		if time.Since(since) >= silenceTime && r.queued() == 0 {
			return true
		}
	}
}

// activity returns a number that changes when clients send something.
func (r *Router) activity() (n int64) {
	for _, in := range r.allInputs() {
		if c, ok := in.input.(input.ReadCounter); ok {
			n += c.Reads()
			continue
		}
		n += in.accounts.sum()
		if in.joiner != nil {
			n += int64(in.joiner.Held())
		}
	}
	return n
}

// queued returns how many records are in the queues or being delivered.
func (r *Router) queued() (n int64) {
	for _, o := range r.allOutputs() {
		n += o.queue.Stats().Records
	}
	return n
}

func (r *Router) closeQueues(outputs []*output) {
	for _, o := range outputs {
		if err := o.queue.Close(); err != nil {
			r.log.Error().Err(err).Str("output", o.id).Msg("closing the queue failed")
		}
		if err := o.dead.Close(); err != nil {
			r.log.Error().Err(err).Str("output", o.id).Msg("closing the dead letter failed")
		}
	}
}

func (r *Router) logStarted(bound time.Duration) {
	names := zerolog.Arr()
	for _, o := range r.outputs {
		names = names.Str(o.id)
	}
	var waiting int64
	durable := true
	for _, o := range r.outputs {
		s := o.queue.Stats()
		waiting += s.Recovered + o.stats().DeferredQueue.Recovered
		durable = durable && s.Durable
	}
	r.log.Info().Str("version", r.env.Version).Strs("configuration", r.plan.Files).Stringer("dialect", r.plan.Dialect).
		Int("inputs", len(r.inputs)).Array("outputs", names).Bool("queue_on_disk", durable).Int64("recovered", waiting).
		Dur("bound_ms", bound).Msg("firelane is running")
}

// logStopped writes the last lines of the log: where every record is.
func (r *Router) logStopped() {
	for _, l := range r.logs {
		l.limiter.Flush(l.log)
	}
	ins, outs := r.Accounts()
	for _, in := range ins {
		r.logInput(in)
	}
	for i := range outs {
		r.logOutput(&outs[i])
	}
}

func (r *Router) logInput(in InputAccount) {
	line := r.log.Info().Str("input", in.Input).Int64("received", in.Received).Int64("unrouted", in.Unrouted)
	if len(in.Rejected) > 0 {
		line.Interface("rejected", in.Rejected)
	}
	line.Msg("stopped taking records")
}

func (r *Router) logOutput(a *Account) {
	level, text := zerolog.InfoLevel, "stopped"
	switch {
	case a.Unaccounted != 0:
		level, text = zerolog.ErrorLevel, "stopped; the accounts don't add up: a fault in the router, please report it"
	case a.Dropped[inMemory] > 0:
		level, text = zerolog.ErrorLevel, "stopped; the queue was in memory, and what it held is lost"
	case a.Buffered > 0:
		level, text = zerolog.WarnLevel, "stopped; what is buffered stays in the queue on disk"
	}
	r.log.WithLevel(level).Str("output", a.Output).Int64("received", a.Received).Int64("delivered", a.Delivered).
		Int64("filtered", a.Filtered).Interface("dropped", a.Dropped).Int64("dead_lettered", a.Dead).Int64("buffered", a.Buffered).
		Int64("deferred", a.Deferred).
		Int64("added", a.Added).Int64("merged", a.Merged).Int64("held", a.Held).Int64("unaccounted", a.Unaccounted).
		Msg(text)
}
