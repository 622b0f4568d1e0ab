// Package dial is the network and TLS of destinations: the options that they share, connections with these options, and
// certificates that are read again when their files change.
package dial

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/firelane/firelane/config"
)

// NetOptions are the network options. A destination's options struct embeds them.
type NetOptions struct {
	DNSMode          string        `fluentbit:"net.dns.mode" oneof:"udp,tcp" other:"udp" help:"protocol of name look-ups; the system's own resolver unless tcp"`
	DNSResolver      string        `fluentbit:"net.dns.resolver" oneof:"legacy,async" other:"async" help:"accepted"`
	PreferIPv4       bool          `fluentbit:"net.dns.prefer_ipv4" help:"try IPv4 addresses first"`
	PreferIPv6       bool          `fluentbit:"net.dns.prefer_ipv6,ipv6" help:"try IPv6 addresses first"`
	Keepalive        bool          `fluentbit:"net.keepalive" default:"true" help:"keep connections for the next request"`
	KeepaliveIdle    time.Duration `fluentbit:"net.keepalive_idle_timeout" default:"30s" help:"how long an idle connection is kept"`
	KeepaliveRecycle int           `fluentbit:"net.keepalive_max_recycle" default:"2000" help:"accepted; connections are closed when idle or broken"`
	TCPKeepalive     bool          `fluentbit:"net.tcp_keepalive" default:"true" help:"TCP keep-alive probes"`
	TCPKeepTime      int           `fluentbit:"net.tcp_keepalive_time" help:"seconds of silence before the first probe; 0 or less: 15"`
	TCPKeepInterval  int           `fluentbit:"net.tcp_keepalive_interval" help:"seconds between probes; 0 or less: 15"`
	TCPKeepProbes    int           `fluentbit:"net.tcp_keepalive_probes" help:"unanswered probes after which the connection is closed; 0 or less: 9"`
	ConnectTimeout   time.Duration `fluentbit:"net.connect_timeout" default:"10s" help:"limit of connecting, and of the TLS handshake"`
	ConnectTimeoutLg *bool         `fluentbit:"net.connect_timeout_log_error" help:"accepted"`
	IOTimeout        time.Duration `fluentbit:"net.io_timeout" help:"limit of each read and write; 0: only the request as a whole has a limit"`
	SourceAddress    string        `fluentbit:"net.source_address" help:"local address to connect from"`
	MaxConnections   int           `fluentbit:"net.max_worker_connections" help:"most connections open at once; 0: as many as there are workers"`
	ProxyEnvIgnore   bool          `fluentbit:"net.proxy_env_ignore" help:"don't use HTTP_PROXY, HTTPS_PROXY and NO_PROXY"`
}

// CheckNet reports mistakes that binding can't find.
func (o *NetOptions) CheckNet() error {
	if o.SourceAddress != "" && net.ParseIP(o.SourceAddress) == nil {
		return &config.OptionError{Option: "net.source_address", Reason: fmt.Sprintf("%q is not an IP address", o.SourceAddress), Instead: config.NotWritten}
	}
	if o.PreferIPv4 && o.PreferIPv6 {
		return &config.OptionError{Option: "net.dns.prefer_ipv6", Reason: "contradicts net.dns.prefer_ipv4; want only one of them on", Instead: config.NotWritten}
	}
	return nil
}

// defaultConnectTimeout is used in Fluentd's dialect, which doesn't set NetOptions.
const defaultConnectTimeout = 10 * time.Second

// Connect returns the limit of connecting.
func (o *NetOptions) Connect() time.Duration {
	if o.ConnectTimeout > 0 {
		return o.ConnectTimeout
	}
	return defaultConnectTimeout
}

// Dialer returns a Dialer with these options. It resolves the host name for each connection, so that it notices a changed
// address.
func (o *NetOptions) Dialer() *Dialer {
	d := &Dialer{io: o.IOTimeout}
	d.net = net.Dialer{Timeout: o.Connect(), KeepAliveConfig: net.KeepAliveConfig{
		Enable:   o.TCPKeepalive,
		Idle:     seconds(o.TCPKeepTime),
		Interval: seconds(o.TCPKeepInterval),
		Count:    max(o.TCPKeepProbes, 0),
	}}
	if ip := net.ParseIP(o.SourceAddress); ip != nil {
		d.net.LocalAddr = &net.TCPAddr{IP: ip}
	}
	d.net.Resolver = o.Resolver()
	switch {
	case o.PreferIPv4:
		d.first = "tcp4"
	case o.PreferIPv6:
		d.first = "tcp6"
	}
	return d
}

// Resolver returns the resolver of host names; nil is the system's.
func (o *NetOptions) Resolver() *net.Resolver {
	if o.DNSMode != "tcp" {
		return nil
	}
	var dns net.Dialer
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return dns.DialContext(ctx, "tcp", addr)
	}}
}

func seconds(n int) time.Duration { return time.Duration(max(n, 0)) * time.Second }

// A Dialer makes TCP connections. It is safe for concurrent use.
type Dialer struct {
	net   net.Dialer
	first string        // the network to try first, tcp4 or tcp6; "": none
	io    time.Duration // limit of each read and write; 0: none
}

// DialContext connects to addr. net.io_timeout limits each read and write of the connection.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if direct := direct(c, d.io); direct != nil {
		return direct, nil
	}
	return timed(c, d.io), nil
}

// timed returns nc with a limit on each read and write, or nc itself if limit is 0.
func timed(nc net.Conn, limit time.Duration) net.Conn {
	if limit <= 0 {
		return nc
	}
	return &timedConn{Conn: nc, limit: limit}
}

func (d *Dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.first != "" && network == "tcp" {
		if c, err := d.net.DialContext(ctx, d.first, addr); err == nil || ctx.Err() != nil {
			return c, err
		}
	}
	return d.net.DialContext(ctx, network, addr)
}

// A timedConn limits each read and each write.
type timedConn struct {
	net.Conn
	limit time.Duration
}

func (c *timedConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *timedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
