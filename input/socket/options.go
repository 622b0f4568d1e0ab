// Package socket is Fluentd's input tcp: messages in the format of a <parse>, on connections.
package socket

import (
	"fmt"
	"net/netip"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/parse"
)

// Common are the options that all such inputs have.
type Common struct {
	Tag         string      `fluentd:"tag" required:"true" help:"tag of every event"`
	Bind        string      `fluentd:"bind" default:"0.0.0.0" help:"address to listen on"`
	HostnameKey string      `fluentd:"source_hostname_key,source_host_key" help:"field that the sender's address is added as, too: names are not looked up"`
	AddressKey  string      `fluentd:"source_address_key" help:"field that the sender's address is added as"`
	Blocking    string      `fluentd:"blocking_timeout" help:"accepted"`
	Parse       *parse.Spec `fluentd:"<parse>" help:"format of the messages"`

	Extract *parse.ExtractOptions `fluentd:"<extract>" help:"fields that hold the tag and the time"`
}

// Check implements config's check after binding.
func (o *Common) Check(config.Dialect) error {
	if o.Parse == nil {
		return parse.ErrNoSpec
	}
	return nil
}

// TCPOptions are those of the input tcp.
type TCPOptions struct {
	Common
	Port      int              `fluentd:"port" default:"5170" help:"port to listen on"`
	Delimiter string           `fluentd:"delimiter" default:"\n" help:"what ends a message"`
	Limit     config.Size      `fluentd:"message_length_limit" default:"1m" help:"longest message; a longer one is skipped; at most 1 MiB"`
	Keepalive bool             `fluentd:"send_keepalive_packet" default:"false" help:"let TCP probe idle connections; it always does here"`
	Security  *Security        `fluentd:"<security>" help:"who may connect"`
	Transport *serve.Transport `fluentd:"<transport>" help:"tcp or tls"`
}

// Security is a <security> of tcp.
type Security struct {
	Clients []Client `fluentd:"<client>" help:"clients that may connect; all others are refused"`
}

// A Client is one client, or a network of clients.
type Client struct {
	Host    string `fluentd:"host" help:"address of a client"`
	Network string `fluentd:"network" help:"addresses of clients, such as 10.0.0.0/8"`
}

// prefix are the addresses of the clients.
func (c *Client) prefix() (netip.Prefix, error) {
	switch {
	case c.Host != "" && c.Network != "":
		return netip.Prefix{}, &config.OptionError{Option: "network", Reason: "excludes host; use one of them"}
	case c.Host != "":
		addr, err := netip.ParseAddr(c.Host)
		if c.Host == "localhost" {
			addr, err = netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
		}
		if err != nil {
			return netip.Prefix{}, &config.OptionError{Option: "host", Reason: fmt.Sprintf("%q is not an address; names are not looked up", c.Host)}
		}
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if addr, err := netip.ParseAddr(c.Network); err == nil { // as Fluentd takes it
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(c.Network)
	if err != nil {
		return p, &config.OptionError{Option: "network", Reason: fmt.Sprintf("%q is not a network; want, for example, 10.0.0.0/8", c.Network)}
	}
	return p, nil
}

// Check implements config's check after binding.
func (o *TCPOptions) Check(d config.Dialect) error {
	if err := o.Common.Check(d); err != nil {
		return err
	}
	if o.Delimiter == "" {
		return &config.OptionError{Option: "delimiter", Reason: `is empty; want, for example, "\n"`}
	}
	if _, err := o.allowed(); err != nil {
		return err
	}
	return o.Transport.Check()
}

// allowed are the addresses that may connect; nil: all.
func (o *TCPOptions) allowed() ([]netip.Prefix, error) {
	if o.Security == nil {
		return nil, nil
	}
	list := []netip.Prefix{}
	for i := range o.Security.Clients {
		p, err := o.Security.Clients[i].prefix()
		if err != nil {
			return nil, err
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// Listens implements input.Listener.
func (o *TCPOptions) Listens(config.Dialect) []input.Address {
	return []input.Address{input.TCP(o.Bind, o.Port)}
}
