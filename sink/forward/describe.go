package forward

import (
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, _ time.Time) sink.Description {
	const service = "a router of the forward protocol"
	if d == config.FluentBit && o.UnixPath != "" {
		return sink.Description{Service: service, URL: "unix://" + o.UnixPath, SignIn: o.signIn(d)}
	}
	servers, tls := []Server{{Host: o.Host, Port: o.Port}}, o.TLS
	if d == config.Fluentd {
		servers, tls = o.Servers, o.Transport == "tls"
	}
	var list []sink.Server
	for _, s := range servers {
		list = append(list, sink.Server{Host: s.Host, Port: s.Port, TLS: tls, Verify: tls && o.Verified()})
	}
	out := sink.DescribePeer(service, list...)
	out.SignIn = o.signIn(d)
	if o.Tag != "" {
		out.Name = "tag " + o.Tag
	}
	return out
}

func (o *Options) signIn(d config.Dialect) string {
	switch {
	case d == config.FluentBit && (o.SharedKey != "" || o.EmptySharedKey), o.Security != nil:
	default:
		return ""
	}
	user := o.Username
	if len(o.Servers) > 0 {
		user = o.Servers[0].Username
	}
	if user != "" {
		return "shared key, user " + user + " and password"
	}
	return "shared key"
}
