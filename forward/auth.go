package forward

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// auth is what a server checks in the handshake.
type auth struct {
	hostname  string
	key       string
	users     []user // empty: no user name is required
	anonymous bool   // clients that match none of clients may connect
	clients   []client
	keepalive bool
}

type user struct{ name, password string }

// client is Fluentd's <client>: what a client with such an address must know.
type client struct {
	host    string       // a name or address, or
	network netip.Prefix // a network
	key     string
	users   []string // none: all
}

// auth is nil if no handshake is required.
func (o *Options) auth(d config.Dialect) *auth {
	if d == config.FluentBit {
		if o.SharedKey == "" && !o.EmptySharedKey {
			return nil
		}
		a := &auth{hostname: o.SelfHostname, key: string(o.SharedKey), anonymous: true, keepalive: true}
		if o.EmptySharedKey {
			a.key = ""
		}
		for _, u := range o.Users {
			a.users = append(a.users, user{u.Key, u.Value})
		}
		return a
	}
	sec := o.Security
	if sec == nil {
		return nil
	}
	a := &auth{
		hostname: sec.SelfHostname, key: string(sec.SharedKey),
		anonymous: sec.AllowAnonymous, keepalive: !o.DenyKeepalive,
	}
	for _, u := range sec.Users {
		if sec.UserAuth {
			a.users = append(a.users, user{u.Username, string(u.Password)})
		}
	}
	for _, c := range sec.Clients {
		n, _ := network(c.Network) // Check has validated it; empty where a host is given
		a.clients = append(a.clients, client{
			host: c.Host, network: n, users: c.Users, key: string(cmp.Or(c.SharedKey, sec.SharedKey)),
		})
	}
	return a
}

// authenticate does the server's part of the handshake.
func (c *conn) authenticate() error {
	c.inMessage = true
	h := helo{nonce: c.s.salt(), keepalive: c.s.auth.keepalive}
	if len(c.s.auth.users) > 0 {
		h.auth = c.s.salt()
	}
	if err := c.write(h.append(nil)); err != nil {
		return err
	}
	msg, err := c.readPing()
	if err != nil {
		return err
	}
	c.recv = c.newReceiver()
	var p ping
	if err := p.read(msg); err != nil {
		return &fault{reason: "handshake", message: "the client's answer to HELO is not a PING; use the shared key on both sides", err: err}
	}
	key, reason := c.s.auth.check(c.s.flushing, &h, &p, c.nc.RemoteAddr())
	if reason != "" {
		f := &fault{reason: reason, message: "the handshake of a client was refused", hostname: string(p.hostname)}
		q := pong{reason: []byte(reason)}
		return errors.Join(f, c.write(q.append(nil)))
	}
	q := pong{ok: true, hostname: []byte(c.s.auth.hostname)}
	q.digest = digest(p.salt, q.hostname, h.nonce, []byte(key))
	c.in.r += len(msg)
	c.inMessage = false
	return c.write(q.append(nil))
}

// readPing reads the client's first message, and leaves it in the window.
func (c *conn) readPing() ([]byte, error) {
	for {
		b := c.in.unused()
		n, err := record.Check(b)
		switch {
		case err == nil:
			return b[:n], nil
		case !errors.Is(err, record.ErrShort):
			return nil, broken(err)
		case len(b) > maxHandshake:
			return nil, &fault{reason: "handshake", message: "the PING of a client is too long", limit: maxHandshake}
		}
		err = c.in.fill()
		if isEnd(err) && len(c.in.unused()) == 0 { // a heartbeat
			c.inMessage = false
		}
		if err != nil {
			return nil, err
		}
	}
}

// check returns the key that the client has proved to know, or the reason for which it may not connect.
func (a *auth) check(ctx context.Context, h *helo, p *ping, from net.Addr) (key, reason string) {
	cl, known := a.client(ctx, from)
	if !known && !a.anonymous {
		return "", "anonymous source denied"
	}
	if !known {
		cl = client{key: a.key}
	}
	want := digest(p.salt, p.hostname, h.nonce, []byte(cl.key))
	if subtle.ConstantTimeCompare(want, p.digest) != 1 {
		return "", "shared_key mismatch"
	}
	if len(a.users) == 0 {
		return cl.key, ""
	}
	for _, u := range a.users {
		if u.name != string(p.user) || len(cl.users) > 0 && !slices.Contains(cl.users, u.name) {
			continue
		}
		want := digest(h.auth, p.user, []byte(u.password))
		if subtle.ConstantTimeCompare(want, p.password) == 1 {
			return cl.key, ""
		}
	}
	return "", "username/password mismatch"
}

// client finds the first of the clients that matches the address from.
func (a *auth) client(ctx context.Context, from net.Addr) (client, bool) {
	if len(a.clients) == 0 {
		return client{}, false
	}
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return client{}, false
	}
	addr := tcp.AddrPort().Addr().Unmap()
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	for _, c := range a.clients {
		if c.host == "" {
			if c.network.Contains(addr) {
				return c, true
			}
			continue
		}
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", c.host) // an unknown name matches nobody
		for _, f := range found {
			if f.Unmap() == addr {
				return c, true
			}
		}
	}
	return client{}, false
}
