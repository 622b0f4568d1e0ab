package router

import (
	"net"
	"strconv"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/forward"
)

// A Listener is an address that a plan's input takes connections on, as a client on the same host would dial it.
type Listener struct {
	Input            string
	Network, Address string
	Health           bool // it takes the line that ECS's health check sends
}

// Listeners is where a router with this plan is to be found.
func Listeners(plan *config.Plan) []Listener {
	var all []Listener
	for _, in := range plan.Inputs {
		l := Listener{Input: in.ID, Network: "tcp"}
		switch o := in.Options.(type) {
		case *forward.Options:
			l.Address = local(o.Listen, o.Port)
			if o.UnixPath != "" {
				l.Network, l.Address = "unix", o.UnixPath
			}
		case *forward.UnixOptions:
			l.Network, l.Address = "unix", o.Path
		case *forward.TCPOptions:
			l.Address, l.Health = local(o.Listen, o.Port), true
		}
		all = append(all, l)
	}
	return all
}

// local is the address to dial for one that is bound.
func local(host string, port int) string {
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
