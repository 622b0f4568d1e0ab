// Package forward is the destination that is a client of the forward protocol. Its server is another firelane, a Fluentd or
// a Fluent Bit that collects records from many.
package forward

import (
	"cmp"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

// Options are the options of the output forward, in both dialects.
type Options struct {
	Host     string   `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port     int      `fluentbit:"port" default:"24224" identity:"true" help:"server's port"`
	Upstream string   `fluentbit:"upstream" help:"not supported; use host and port"`
	UnixPath string   `fluentbit:"unix_path" identity:"true" help:"server's socket file, instead of host and port"`
	Servers  []Server `fluentd:"<server>" help:"a server; several share the load, and replace one that fails"`

	SharedKey      config.Secret `fluentbit:"shared_key" help:"the server's shared key"`
	EmptySharedKey bool          `fluentbit:"empty_shared_key" help:"do the handshake with an empty key"`
	SelfHostname   string        `fluentbit:"self_hostname" default:"localhost" help:"name of this client in the handshake"`
	Username       string        `fluentbit:"username" identity:"true" help:"user to log in as"`
	Password       config.Secret `fluentbit:"password" help:"the user's password"`
	Security       *Security     `fluentd:"<security>" help:"shared key"`

	Tag            string        `fluentbit:"tag" identity:"true" help:"tag to send instead of the event's own"`
	TimeAsInteger  bool          `fluentbit:"time_as_integer" fluentd:"time_as_integer" help:"send whole seconds, for Fluentd before 0.14"`
	SendOptions    bool          `fluentbit:"send_options" help:"send the number of events with them"`
	RetainMetadata bool          `fluentbit:"retain_metadata_in_forward_mode" default:"true" help:"accepted; events have no metadata here"`
	AddOption      []config.Pair `fluentbit:"add_option" help:"key and value of an additional protocol option; may be repeated"`
	RequireAck     bool          `fluentbit:"require_ack_response" fluentd:"require_ack_response" help:"wait until the server acknowledges the events"`
	AckTimeout     time.Duration `fluentd:"ack_response_timeout" default:"190s" help:"how long to wait for the ack"`
	SendTimeout    time.Duration `fluentd:"send_timeout" default:"60s" help:"limit of a write"`
	ConnectLimit   time.Duration `fluentd:"connect_timeout" help:"limit of connecting; default 10s"`
	RecoverWait    time.Duration `fluentd:"recover_wait" default:"10s" help:"how long a server that failed is not used, if there are others"`
	Compress       string        `fluentbit:"compress" fluentd:"compress" oneof:"text,gzip,zstd" default:"text" help:"how events are compressed"`
	Transport      string        `fluentd:"transport" oneof:"tcp,tls" default:"tcp" help:"tcp or tls"`
	KeepConnection bool          `fluentd:"keepalive" help:"keep connections for the next request"`
	KeepTime       time.Duration `fluentd:"keepalive_timeout" help:"how long an idle connection is kept; default 30s"`

	FluentdIgnored
	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// FluentdIgnored are Fluentd's options without effect here. Heartbeats are not needed: a server that fails a request is not
// used for a while.
type FluentdIgnored struct {
	HeartbeatType   string  `fluentd:"heartbeat_type" oneof:"transport,tcp,udp,none" help:"accepted; no heartbeats are sent"`
	HeartbeatEvery  string  `fluentd:"heartbeat_interval" help:"accepted"`
	HardTimeout     string  `fluentd:"hard_timeout" help:"accepted"`
	PhiThreshold    float64 `fluentd:"phi_threshold" help:"accepted"`
	PhiDetector     *bool   `fluentd:"phi_failure_detector" help:"accepted"`
	ReadInterval    int     `fluentd:"read_interval_msec" help:"accepted"`
	ReadLength      string  `fluentd:"read_length" help:"accepted"`
	ExpireDNS       string  `fluentd:"expire_dns_cache" help:"accepted; names are resolved for each connection"`
	RoundRobin      *bool   `fluentd:"dns_round_robin" help:"accepted"`
	IgnoreErrors    *bool   `fluentd:"ignore_network_errors_at_startup" help:"accepted; the start needs no network"`
	VerifyAtStart   *bool   `fluentd:"verify_connection_at_startup" help:"accepted; the start needs no network"`
	KeepalivePacket *bool   `fluentd:"send_keepalive_packet" help:"accepted; TCP always probes idle connections"`
}

// Server is Fluentd's <server>.
type Server struct {
	Host      string        `fluentd:"host" required:"true" identity:"true" help:"name or address"`
	Name      string        `fluentd:"name" help:"name in its certificate, if host is an address"`
	Port      int           `fluentd:"port" default:"24224" identity:"true" help:"port"`
	SharedKey config.Secret `fluentd:"shared_key" help:"this server's shared key; default: the one in <security>"`
	Username  string        `fluentd:"username" identity:"true" help:"user to log in as"`
	Password  config.Secret `fluentd:"password" help:"the user's password"`
	Standby   bool          `fluentd:"standby" help:"use it only if no other one works"`
	Weight    int           `fluentd:"weight" default:"60" help:"its share of the load; 0: use it after the others"`
}

// Security is Fluentd's <security>.
type Security struct {
	SelfHostname string        `fluentd:"self_hostname" required:"true" help:"name of this client in the handshake"`
	SharedKey    config.Secret `fluentd:"shared_key" required:"true" help:"the servers' shared key"`
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if err := o.CheckOutput(d); err != nil {
		return err
	}
	if err := o.CheckTLS(d); err != nil {
		return err
	}
	if d == config.Fluentd {
		if len(o.Servers) == 0 {
			return &config.OptionError{Option: "<server>", Reason: "is missing; want at least one"}
		}
		for _, s := range o.Servers {
			if o.Security == nil && (s.SharedKey != "" || s.Username != "") {
				return &config.OptionError{Option: "<server>", Reason: "has shared_key or username, which need a <security>"}
			}
		}
		return nil
	}
	if o.SharedKey == "" && !o.EmptySharedKey && (o.Username != "" || o.Password != "") {
		return &config.OptionError{Option: "username", Reason: "needs shared_key, or empty_shared_key on"}
	}
	if o.Upstream != "" {
		return &config.OptionError{Option: "upstream", Reason: "is not supported; use host and port of one server"}
	}
	if strings.Contains(o.Tag, "$") {
		return &config.OptionError{Option: "tag", Reason: "is made of the record's fields, which is not supported; use fixed text"}
	}
	if o.Compress == "zstd" {
		return &config.OptionError{Option: "compress", Reason: "zstd is not supported in this dialect; want gzip or text"}
	}
	if err := dial.CheckPort(o.Port); err != nil && o.UnixPath == "" {
		return err
	}
	return o.CheckNet()
}

// Defaults of the time limits.
const (
	ackTimeout     = 190 * time.Second // as Fluentd
	sendTimeout    = 60 * time.Second
	connectTimeout = 10 * time.Second
	idleTimeout    = 30 * time.Second
	recoverWait    = 10 * time.Second
)

// settings are the options in a form that doesn't depend on the dialect.
type settings struct {
	tag                          string // "": the event's own
	integerTime                  bool
	options                      bool
	extra                        []config.Pair
	ack                          bool
	compress                     string // gzip, zstd or ""
	keep                         bool
	ackWait, send, connect, idle time.Duration
	recoverWait                  time.Duration // how long a server that failed is not used
}

func (o *Options) settings(d config.Dialect) settings {
	s := settings{
		tag: o.Tag, integerTime: o.TimeAsInteger, extra: o.AddOption, ack: o.RequireAck,
		keep: o.Keepalive, idle: cmp.Or(o.KeepaliveIdle, idleTimeout),
		ackWait: cmp.Or(o.AckTimeout, ackTimeout), send: cmp.Or(o.SendTimeout, o.IOTimeout, sendTimeout),
		connect:     cmp.Or(o.ConnectLimit, o.ConnectTimeout, connectTimeout),
		recoverWait: cmp.Or(o.RecoverWait, recoverWait),
	}
	if o.Compress != "text" {
		s.compress = o.Compress
	}
	s.options = o.SendOptions || s.ack || s.compress != "" || len(s.extra) > 0
	if d == config.Fluentd {
		s.options, s.keep, s.idle = true, o.KeepConnection, cmp.Or(o.KeepTime, idleTimeout)
	}
	return s
}
