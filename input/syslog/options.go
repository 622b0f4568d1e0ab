// Package syslog is Fluent Bit's and Fluentd's input syslog: messages of RFC 3164 and RFC 5424, as datagrams or on connections.
package syslog

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/parse"
)

// Options are those of the input, in both dialects.
type Options struct {
	Tag    string `fluentbit:"tag" fluentd:"tag" help:"tag of every event; unless written, the name of the input. In Fluentd's dialect .FACILITY.SEVERITY is put after it"`
	Mode   string `fluentbit:"mode" oneof:"unix_udp,unix_tcp,udp,tcp" default:"unix_udp" help:"socket: of datagrams (udp) or connections (tcp), a file (unix) or a port; with tls, tcp takes TLS connections"`
	Listen string `fluentbit:"listen" fluentd:"bind" default:"0.0.0.0" help:"address to listen on"`
	Host   string `fluentbit:"host" ignored:"Fluent Bit ignores it, too; the address to listen on is listen" help:"accepted, without effect"`
	Port   int    `fluentbit:"port" fluentd:"port" default:"5140" help:"port to listen on"`
	Path   string `fluentbit:"path" help:"socket file of the modes unix_udp and unix_tcp"`
	Perm   string `fluentbit:"unix_perm" default:"0644" help:"permissions of the socket file, octal"`

	Parser      string       `fluentbit:"parser" help:"parser of the messages; unless written, syslog-rfc5424 for udp and tcp, syslog-rfc3164-local for a socket file"`
	Format      string       `fluentbit:"format" default:"newline" help:"framing on connections: newline, or octet_counting (RFC 6587)"`
	ChunkSize   *config.Size `fluentbit:"buffer_chunk_size" strict:"true" help:"longest message, unless buffer_max_size is written; 32000 bytes unless written"`
	MaxSize     *config.Size `fluentbit:"buffer_max_size" strict:"true" help:"longest message on a connection; a longer one is skipped; at most 1 MiB"`
	ReceiveSize config.Size  `fluentbit:"receive_buffer_size" strict:"true" help:"size of the socket's buffer for datagrams; the system's own unless written"`
	RawKey      string       `fluentbit:"raw_message_key" help:"field that the whole message is added as"`
	AddressKey  string       `fluentbit:"source_address_key" fluentd:"source_address_key" help:"field that the sender's address is added as"`
	Workers     int          `fluentbit:"workers" help:"accepted; every connection is served by itself"`

	HostnameKey string      `fluentd:"source_hostname_key" help:"field that the sender's address is added as, too: names are not looked up"`
	FacilityKey string      `fluentd:"facility_key" help:"field that the facility is added as"`
	SeverityKey string      `fluentd:"severity_key,priority_key" help:"field that the severity is added as"`
	FrameType   string      `fluentd:"frame_type" oneof:"traditional,octet_count" default:"traditional" help:"framing on connections: a newline, or the length before each message (RFC 6587)"`
	Delimiter   string      `fluentd:"delimiter" default:"\\n" help:"accepted; messages end with a newline or NUL"`
	LengthLimit config.Size `fluentd:"message_length_limit" default:"2048" help:"accepted; datagrams are taken whole, and a message on a connection may have 1 MiB"`
	Unmatched   bool        `fluentd:"emit_unmatched_lines" default:"false" help:"make a record of a message that can't be parsed, with the field unmatched_line, and the tag with .unmatched after it"`
	Protocol    string      `fluentd:"protocol_type" oneof:"udp,tcp" help:"as <transport>"`
	Keepalive   bool        `fluentd:"send_keepalive_packet" help:"let TCP probe idle connections; it always does here"`
	Resolve     *bool       `fluentd:"resolve_hostname" help:"accepted; names are not looked up"`
	Blocking    string      `fluentd:"blocking_timeout" help:"accepted"`
	Transport   *Transport  `fluentd:"<transport>" help:"udp, tcp or tls"`
	Parse       *Parse      `fluentd:"<parse>" help:"format of the messages"`

	serve.TLS
	input.CommonOptions
}

// Transport is Fluentd's <transport>, of which this input has one kind more.
type Transport struct {
	Protocol   string        `fluentd:"<>" oneof:"udp,tcp,tls" default:"udp" help:"udp, tcp or tls"`
	CertPath   string        `fluentd:"cert_path" help:"certificate, PEM"`
	KeyPath    string        `fluentd:"private_key_path" help:"private key, PEM"`
	KeyPasswd  config.Secret `fluentd:"private_key_passphrase" help:"not supported: the key must not be encrypted"`
	CAPath     string        `fluentd:"ca_path" help:"CA certificates that client certificates are verified with, PEM"`
	ClientAuth bool          `fluentd:"client_cert_auth" help:"ask clients for a certificate"`
	Insecure   bool          `fluentd:"insecure" help:"not supported: TLS without certificates protects nothing"`
	Version    string        `fluentd:"version" help:"oldest version: TLSv1_2 unless written"`
	MinVersion string        `fluentd:"min_version" help:"oldest version"`
	MaxVersion string        `fluentd:"max_version" help:"newest version"`
	Ciphers    string        `fluentd:"ciphers" help:"accepted; the ciphers are those that are safe today"`
	Linger     int           `fluentd:"linger_timeout" help:"accepted"`
	RecvBuffer config.Size   `fluentd:"receive_buffer_size" help:"size of the socket's buffer for datagrams"`
}

// tls is the section as other inputs have it.
func (t *Transport) tls() *serve.Transport {
	if t == nil {
		return nil
	}
	return &serve.Transport{
		Protocol: t.Protocol, CertPath: t.CertPath, KeyPath: t.KeyPath, KeyPasswd: t.KeyPasswd, CAPath: t.CAPath,
		ClientAuth: t.ClientAuth, Insecure: t.Insecure, Version: t.Version, MinVersion: t.MinVersion, MaxVersion: t.MaxVersion,
	}
}

// Parse is Fluentd's <parse>, whose defaults differ from those of other plugins.
type Parse struct {
	Type             string `fluentd:"@type" oneof:"syslog,regexp,json,none" default:"syslog" help:"format of the text after the priority"`
	MessageFormat    string `fluentd:"message_format" oneof:"rfc3164,rfc5424,auto" default:"rfc3164" help:"syslog's format; auto tells by the text"`
	WithPriority     bool   `fluentd:"with_priority" default:"true" help:"accepted; messages begin with <priority>, which becomes the tag"`
	RFC5424Time      string `fluentd:"rfc5424_time_format" default:"%Y-%m-%dT%H:%M:%S.%L%z" help:"format of the time in rfc5424"`
	Expression       string `fluentd:"expression" help:"pattern whose named groups become fields (regexp)"`
	TimeKey          string `fluentd:"time_key" default:"time" help:"field that holds the time"`
	TimeFormat       string `fluentd:"time_format" help:"format of the time, as for strptime"`
	Timezone         string `fluentd:"timezone" help:"zone of times without one: +HH:MM or Area/City"`
	UTC              bool   `fluentd:"utc" default:"false" help:"times without a zone are in UTC"`
	Localtime        bool   `fluentd:"localtime" default:"true" help:"times without a zone are local"`
	KeepTimeKey      bool   `fluentd:"keep_time_key" default:"false" help:"keep the field that holds the time"`
	Types            string `fluentd:"types" help:"types to convert fields to: name:type,…"`
	SupportColonless bool   `fluentd:"support_colonless_ident" default:"true" help:"the identifier may have no colon after it"`
	SyslogParser     string `fluentd:"parser_type,parser_engine" help:"accepted; there is one parser"`
	Estimate         *bool  `fluentd:"estimate_current_event" help:"accepted; a message without a time has that of its arrival"`
}

// spec is the section as other plugins have it. In syslog's own format the priority is parsed, too: auto tells the formats apart by
// what follows it.
func (p *Parse) spec() *parse.Spec {
	if p == nil {
		p = &Parse{Type: "syslog", MessageFormat: "rfc3164", TimeKey: "time", Localtime: true}
	}
	return &parse.Spec{
		Type: p.Type, MessageFormat: p.MessageFormat, WithPriority: p.Type == "syslog", RFC5424Time: p.RFC5424Time, Expression: p.Expression,
		TimeKey: p.TimeKey, TimeFormat: p.TimeFormat, Timezone: p.Timezone, UTC: p.UTC, Localtime: p.Localtime, KeepTimeKey: p.KeepTimeKey,
		Types: p.Types, MessageKey: "message",
	}
}

// Check reports mistakes that the types of the options don't rule out.
func (o *Options) Check(d config.Dialect) error {
	if d == config.Fluentd {
		if o.Tag == "" {
			return &config.OptionError{Option: "tag", Reason: "is missing; want the beginning of the events' tags"}
		}
		if _, err := o.Parse.spec().Parser(false); err != nil {
			return err
		}
		return o.Transport.tls().Check()
	}
	if strings.HasPrefix(o.Mode, "unix") && o.Path == "" {
		return &config.OptionError{Option: "path", Reason: "is missing; want the socket file of mode " + o.Mode + ", or mode udp or tcp"}
	}
	if _, err := o.perm(); err != nil {
		return err
	}
	return o.TLS.Check()
}

func (o *Options) perm() (fs.FileMode, error) { return serve.Permissions("unix_perm", o.Perm) }

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *Options) Warnings() (w []string) {
	switch strings.ToLower(o.Format) {
	case "", "newline", "octet_counting", "octet":
	default:
		w = append(w, fmt.Sprintf("format %s is neither newline nor octet_counting: newline is used", o.Format))
	}
	if o.limit(config.FluentBit) > serve.MaxMessage {
		w = append(w, "a message on a connection may have 1 MiB here")
	}
	if o.On && o.Mode != "tcp" {
		w = append(w, "tls has no effect with mode "+o.Mode)
	}
	return w
}

// network is that of the socket: udp, tcp, unixgram or unix.
func (o *Options) network(d config.Dialect) string {
	if d == config.Fluentd {
		switch {
		case o.Transport != nil && o.Transport.Protocol != "udp":
			return "tcp"
		case o.Transport == nil && o.Protocol == "tcp":
			return "tcp"
		}
		return "udp"
	}
	return map[string]string{"tcp": "tcp", "udp": "udp", "unix_tcp": "unix"}[o.Mode] + map[bool]string{true: "unixgram"}[o.Mode == "unix_udp"]
}

// limit is how many bytes a message on a connection may have.
func (o *Options) limit(d config.Dialect) int {
	const usual = 32_000
	switch {
	case d == config.Fluentd: // whose message_length_limit is that of datagrams
		return serve.MaxMessage
	case o.MaxSize != nil && *o.MaxSize > 0:
		return int(*o.MaxSize)
	case o.ChunkSize != nil && *o.ChunkSize > 0:
		return int(*o.ChunkSize)
	}
	return usual
}

func (o *Options) framing(d config.Dialect) serve.Framing {
	f := strings.ToLower(o.Format)
	if d == config.FluentBit && (f == "octet_counting" || f == "octet") || d == config.Fluentd && o.FrameType == "octet_count" {
		return serve.Octets
	}
	return serve.Lines
}

// Listens implements input.Listener: sockets of datagrams can't be dialled to see whether somebody listens.
func (o *Options) Listens(d config.Dialect) []input.Address {
	switch o.network(d) {
	case "tcp":
		return []input.Address{input.TCP(o.Listen, o.Port)}
	case "unix":
		return []input.Address{input.Unix(o.Path)}
	}
	return nil
}
