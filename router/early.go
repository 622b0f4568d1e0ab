package router

import (
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// Early are sockets that are bound before the whole configuration is known: what clients send waits in the kernel.
type Early struct {
	inputs  []input.Input // which don't run
	sockets *input.Sockets
}

// BindEarly binds the sockets of a plan's inputs that clients connect to. What can't be bound is left to the router, which then
// says so.
func BindEarly(plan *config.Plan) *Early {
	e := &Early{sockets: new(input.Sockets)}
	for _, in := range plan.Inputs {
		if _, ok := in.Options.(input.Listener); !ok {
			continue
		}
		env := input.Env{Log: zerolog.Nop(), ID: in.ID, Parsers: plan.Parsers, Multiline: plan.Multiline, Sockets: e.sockets}
		if bound, err := construct[input.Input](in.Instance, plan.Dialect, env); err == nil {
			e.inputs = append(e.inputs, bound)
		}
	}
	return e
}

// Close closes the sockets that no router has taken over. It may be called more than once, also for nil.
func (e *Early) Close() {
	if e == nil {
		return
	}
	for _, in := range e.inputs {
		_ = in.Close()
	}
	e.inputs = nil
}

// bindAfter is bind where sockets are bound already: inputs that listen where one of them does take it over.
func (r *Router) bindAfter(e *Early) error {
	if e == nil {
		return r.bind()
	}
	defer e.Close()
	r.sockets = e.sockets.Next(func(string) bool { return false })
	if err := r.bind(); err != nil {
		return err
	}
	r.sockets.Spare(true)
	e.Close()
	r.sockets.TakeOver()
	return nil
}
