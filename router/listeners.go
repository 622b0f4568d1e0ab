package router

import (
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
)

// A Listener is an address that a plan's input takes connections on, as a client on the same host would dial it.
type Listener struct {
	Input            string
	Network, Address string
	Health           bool // it takes the line that ECS's health check sends
}

// Listeners is where a router with this plan listens.
func Listeners(plan *config.Plan) []Listener {
	var all []Listener
	for _, in := range plan.Inputs {
		l, ok := in.Options.(input.Listener)
		if !ok {
			continue // it has no clients
		}
		for _, a := range l.Listens(plan.Dialect) {
			all = append(all, Listener{in.ID, a.Network, a.Address, a.Health})
		}
	}
	return all
}
