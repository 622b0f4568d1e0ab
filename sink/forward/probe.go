package forward

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/probe"
)

var _ probe.Prober = (*Options)(nil)

// Targets implements probe.Prober.
func (o *Options) Targets(_ context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	nodes, err := o.nodes(d, env.Log)
	if err != nil {
		return nil, err
	}
	s := o.settings(d)
	var all []probe.Target
	for i, n := range nodes {
		var t probe.Target
		if n.network == "unix" {
			t = probe.Target{Name: "unix://" + n.addr, Network: "unix", Host: n.addr, Net: &o.NetOptions}
		} else {
			host, port, _ := net.SplitHostPort(n.addr)
			number, _ := strconv.Atoi(port)
			var secure *dial.TLSOptions
			if n.tls != nil {
				secure = &o.TLSOptions
			}
			t = probe.Server("forward", host, number, &o.NetOptions, secure, n.handshake != nil)
			if d == config.Fluentd && net.ParseIP(host) != nil {
				t.Verify = o.Servers[i].Name
			}
		}
		if n.handshake != nil {
			t.Ask = func(ctx context.Context, say func(probe.Fact)) { say(n.signIn(ctx, &s)) }
		}
		all = append(all, t)
	}
	return all, nil
}

// signIn does the handshake, and sends nothing after it.
func (n *node) signIn(ctx context.Context, s *settings) probe.Fact {
	l, err := n.open(ctx, s)
	if err != nil {
		return probe.Fact{
			Step: "sign-in", Level: probe.Error, Text: fmt.Sprint(err),
			Fix: "compare the shared key, the user and the password with the server's; a server without a shared key sends no handshake, and a client must have none either",
		}
	}
	_ = l.Close()
	return probe.Fact{Step: "sign-in", Text: "the server accepts the shared key"}
}
