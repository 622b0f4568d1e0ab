package router

import (
	"context"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/retain"
	"github.com/firelane/firelane/sink"
)

// keep installs the output's index templates and policies in the background, and waits for the first attempt where records must
// not come before it. The caller closes the Keeper, which may be nil.
func (o *output) keep(ctx context.Context) *retain.Keeper {
	if o.is.dead != "" {
		return nil
	}
	k := retain.Start(ctx, o.dest, o.log)
	k.AwaitFirst(ctx)
	return k
}

// A Retained is an output whose cluster gets index templates or policies.
type Retained struct {
	Output string
	sink.Retainer
}

// Retainers are the outputs of a plan whose clusters get index templates or policies. close ends their connections.
func Retainers(plan *config.Plan, env Env) (list []Retained, close func(), diags []config.Diagnostic) {
	r, diags := New(plan, env)
	if len(diags) > 0 {
		return nil, func() {}, diags
	}
	for _, o := range r.outputs {
		if of, ok := o.dest.(sink.Retainer); ok && o.is.dead == "" && of.Retention() != nil {
			list = append(list, Retained{o.id, of})
		}
	}
	return list, func() { closeDestinations(r.outputs) }, nil
}
