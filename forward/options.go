package forward

import (
	"net/netip"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
)

// Options are those of the input forward, in both dialects.
type Options struct {
	Listen   string `fluentbit:"listen" fluentd:"bind" default:"0.0.0.0" help:"address to listen on"`
	Host     string `fluentbit:"host" ignored:"Fluent Bit ignores it, too; the address to listen on is listen" help:"accepted, without effect"`
	Port     int    `fluentbit:"port" fluentd:"port" default:"24224" help:"port to listen on"`
	UnixPath string `fluentbit:"unix_path" help:"socket file to listen on, instead of an address and port"`
	UnixPerm string `fluentbit:"unix_perm" help:"permissions of the socket file, octal: 0644"`

	Tag       string `fluentbit:"tag" fluentd:"tag" help:"tag of every event, instead of the one that it comes with"`
	TagPrefix string `fluentbit:"tag_prefix" help:"put before every tag as it is, without a dot"`
	AddPrefix string `fluentd:"add_tag_prefix" help:"put before every tag, with a dot"`

	BufferChunkSize config.Size `fluentbit:"buffer_chunk_size" default:"1024000" help:"accepted; buffers grow as they must"`
	BufferMaxSize   config.Size `fluentbit:"buffer_max_size" default:"6144000" help:"largest message, in bytes, also after decompression; over it the connection is closed"`
	ChunkLimit      config.Size `fluentd:"chunk_size_limit" help:"a message that is larger is dropped and not acknowledged"`
	ChunkWarnLimit  config.Size `fluentd:"chunk_size_warn_limit" help:"a message that is larger is warned of"`
	DecompressLimit config.Size `fluentd:"decompression_size_limit" default:"256m" help:"largest message after decompression"`

	SkipInvalid     bool   `fluentd:"skip_invalid_event" default:"true" help:"skip invalid events; false: close the connection"`
	SourceAddress   string `fluentd:"source_address_key" help:"field that the client's address is added as"`
	SourceHostname  string `fluentd:"source_hostname_key" help:"field that the client's host name is added as"`
	ResolveHostname *bool  `fluentd:"resolve_hostname" help:"look the client's host name up"`
	DenyKeepalive   bool   `fluentd:"deny_keepalive" help:"close a connection after its first message"`
	Keepalive       bool   `fluentd:"send_keepalive_packet" help:"let TCP probe idle connections; it always does here"`
	Backlog         int    `fluentd:"backlog" help:"accepted; the system's own maximum is used"`
	LingerTimeout   int    `fluentd:"linger_timeout" help:"accepted"`
	BlockingTimeout string `fluentd:"blocking_timeout" help:"accepted"`
	Workers         int    `fluentbit:"workers" help:"accepted; every connection is served by itself"`

	SharedKey      config.Secret `fluentbit:"shared_key" help:"key that clients have to know"`
	EmptySharedKey bool          `fluentbit:"empty_shared_key" help:"do the handshake with an empty key"`
	SelfHostname   string        `fluentbit:"self_hostname" default:"localhost" help:"name of this server in the handshake"`
	Users          []config.Pair `fluentbit:"security.users" help:"name and password of a client; may be repeated"`
	Security       *Security     `fluentd:"<security>" help:"shared key and users"`

	Transport *serve.Transport `fluentd:"<transport>" help:"TLS"`
	serve.TLS
	input.CommonOptions
}

// Security is Fluentd's <security>.
type Security struct {
	SelfHostname   string         `fluentd:"self_hostname" required:"true" help:"name of this server in the handshake"`
	SharedKey      config.Secret  `fluentd:"shared_key" required:"true" help:"key that clients have to know"`
	UserAuth       bool           `fluentd:"user_auth" help:"ask clients for a user name and password"`
	AllowAnonymous bool           `fluentd:"allow_anonymous_source" default:"true" help:"take clients that no <client> names"`
	Users          []SecureUser   `fluentd:"<user>" help:"a user name and password"`
	Clients        []SecureClient `fluentd:"<client>" help:"a client's address, and what holds for it"`
}

// SecureUser is <user> in <security>.
type SecureUser struct {
	Username string        `fluentd:"username" required:"true" help:"name"`
	Password config.Secret `fluentd:"password" required:"true" help:"password"`
}

// SecureClient is <client> in <security>.
type SecureClient struct {
	Host      string        `fluentd:"host" help:"address or name of the client"`
	Network   string        `fluentd:"network" help:"network of clients: 10.0.0.0/8"`
	SharedKey config.Secret `fluentd:"shared_key" help:"key of these clients, instead of the common one"`
	Users     []string      `fluentd:"users" help:"users that may log in from there; unless written, all"`
}

// UnixOptions are those of Fluentd's source unix.
type UnixOptions struct {
	Path    string `fluentd:"path" default:"/var/run/fluent/fluent.sock" help:"socket file to listen on"`
	Tag     string `fluentd:"tag" help:"tag of every event, instead of the one that it comes with"`
	Backlog int    `fluentd:"backlog" help:"accepted; the system's own maximum is used"`
}

// TCPOptions are those of Fluent Bit's input tcp. Its sizes are numbers of KiB, as Fluent Bit reads them.
type TCPOptions struct {
	Listen        string `fluentbit:"listen" default:"0.0.0.0" help:"address to listen on"`
	Host          string `fluentbit:"host" ignored:"Fluent Bit ignores it, too; the address to listen on is listen" help:"accepted, without effect"`
	Port          int    `fluentbit:"port" default:"5170" help:"port to listen on"`
	Format        string `fluentbit:"format" oneof:"json,none" default:"json" help:"json: a stream of JSON values, also several on a line or one on several lines; none: each line is a record of one field, log"`
	Separator     string `fluentbit:"separator" default:"\\n" help:"what ends a line where format is none; \\n, \\t, \\r, \\0 and \\xNN are known"`
	ChunkSize     string `fluentbit:"chunk_size" default:"32" help:"accepted; buffers grow as they must"`
	BufferSize    string `fluentbit:"buffer_size" help:"longest value or line in KiB; 1024 unless written"`
	SourceAddress string `fluentbit:"source_address_key" help:"field that the client's address is added as"`
	Workers       int    `fluentbit:"workers" help:"accepted; every connection is served by itself"`

	Tag string `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	serve.TLS
	input.CommonOptions
}

// Check reports mistakes that the types of the options don't rule out.
func (o *Options) Check(d config.Dialect) error {
	if _, err := o.perm(); err != nil {
		return err
	}
	if len(o.Users) > 0 && o.SharedKey == "" && !o.EmptySharedKey {
		return &config.OptionError{Option: "security.users", Reason: "needs a shared_key, or empty_shared_key on"}
	}
	for _, u := range o.Users {
		if u.Key == "" || u.Value == "" {
			return &config.OptionError{Option: "security.users", Reason: "must be a name and a password"}
		}
	}
	if o.SourceHostname != "" && o.ResolveHostname != nil && !*o.ResolveHostname {
		return &config.OptionError{Option: "resolve_hostname", Reason: "must be true with source_hostname_key"}
	}
	if o.Keepalive && o.DenyKeepalive {
		return &config.OptionError{Option: "send_keepalive_packet", Reason: "can't be true together with deny_keepalive"}
	}
	if o.Security != nil {
		if err := o.Security.check(); err != nil {
			return err
		}
	}
	if o.Transport != nil && d == config.Fluentd {
		return o.Transport.Check()
	}
	return o.TLS.Check()
}

// Check reports mistakes that the types of the options don't rule out.
func (o *TCPOptions) Check(config.Dialect) error {
	if _, err := serve.Separator(o.Separator); err != nil {
		return err
	}
	if _, err := kibibytes(o.BufferSize); err != nil {
		return &config.OptionError{Option: "buffer_size", Reason: err.Error(), Instead: config.NotWritten}
	}
	if _, err := kibibytes(o.ChunkSize); err != nil {
		return &config.OptionError{Option: "chunk_size", Reason: err.Error(), Instead: config.NotWritten}
	}
	return o.TLS.Check()
}

func (s *Security) check() error {
	if s.UserAuth && len(s.Users) == 0 {
		return &config.OptionError{Option: "user_auth", Reason: "needs a <user>"}
	}
	if !s.AllowAnonymous && len(s.Clients) == 0 {
		return &config.OptionError{Option: "allow_anonymous_source", Reason: "false needs a <client>"}
	}
	for _, c := range s.Clients {
		switch {
		case (c.Host == "") == (c.Network == ""):
			return &config.OptionError{Option: "<client>", Reason: "needs either host or network"}
		case c.Network != "":
			if _, err := network(c.Network); err != nil {
				return &config.OptionError{Option: "network", Reason: err.Error() + "; want an address or a network such as 10.0.0.0/8"}
			}
		}
	}
	return nil
}

// network reads an address or a prefix.
func network(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}
