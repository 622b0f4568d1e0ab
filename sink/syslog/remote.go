package syslog

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/format"
)

// RemoteOptions are the options of Fluentd's remote_syslog (fluent-plugin-remote_syslog).
type RemoteOptions struct {
	Host     string      `fluentd:"host" identity:"true" help:"server's name or address"`
	Port     int         `fluentd:"port" default:"514" identity:"true" help:"server's port"`
	HostPort string      `fluentd:"host_with_port" identity:"true" help:"both, as HOST:PORT"`
	Protocol string      `fluentd:"protocol" oneof:"udp,tcp" default:"udp" identity:"true" help:"udp or tcp"`
	Secure   bool        `fluentd:"tls" default:"false" identity:"true" help:"use TLS, with protocol tcp"`
	Mode     *int        `fluentd:"verify_mode" help:"0: don't verify the server's certificate"`
	Facility string      `fluentd:"facility" default:"user" help:"facility: its name or number"`
	Severity string      `fluentd:"severity" default:"notice" help:"severity: its name or number"`
	Program  string      `fluentd:"program" default:"fluentd" help:"name of the program; it may have ${tag}, ${tag[1]} and ${field}"`
	Hostname string      `fluentd:"hostname" help:"name of the host, with the same placeholders; default: the host's name"`
	MaxSize  config.Size `fluentd:"packet_size" default:"1024" help:"longest message in bytes; the rest of a longer one is cut off"`

	Timeout   string                `fluentd:"timeout,timeout_exception" help:"accepted; every attempt has a time-out"`
	KeepAlive string                `fluentd:"keep_alive,keep_alive_idle,keep_alive_cnt,keep_alive_intvl" help:"accepted; connections are kept, and probed by TCP"`
	Format    *format.Options       `fluentd:"<format>" help:"how a record is written; default @type ltsv"`
	Inject    *format.InjectOptions `fluentd:"<inject>" help:"fields to add"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *RemoteOptions) Check(d config.Dialect) error {
	if err := o.CheckOutput(d); err != nil {
		return err
	}
	if err := o.CheckTLS(d); err != nil {
		return err
	}
	if o.Secure && o.Protocol != "tcp" {
		return &config.OptionError{Option: "tls", Reason: "needs protocol tcp"}
	}
	bit, err := o.bit()
	if err != nil {
		return err
	}
	if err := dial.CheckPeer(bit.Host, bit.Port); err != nil {
		return err
	}
	_, err = o.encoder(sink.Env{})
	return err
}

// bit are the options that this output shares with Fluent Bit's syslog.
func (o *RemoteOptions) bit() (*Options, error) {
	b := &Options{Host: o.Host, Port: o.Port, Mode: o.Protocol, Format: "rfc3164", MaxSize: &o.MaxSize, TLSOptions: o.TLSOptions, NetOptions: o.NetOptions}
	if o.Mode != nil && *o.Mode == 0 {
		b.InsecureMode = true
	}
	if o.Secure {
		b.Mode = "tls"
	}
	if o.HostPort != "" {
		host, port, ok := strings.Cut(o.HostPort, ":")
		if _, err := fmt.Sscan(port, &b.Port); !ok || err != nil {
			return nil, &config.OptionError{Option: "host_with_port", Reason: fmt.Sprintf("%q is not a server; want HOST:PORT", o.HostPort)}
		}
		b.Host = host
	}
	if b.Host == "" {
		return nil, &config.OptionError{Option: "host", Reason: "is missing; want the server's name, or host_with_port"}
	}
	if strings.Contains(b.Host, "${") {
		return nil, &config.OptionError{Option: "host", Reason: "can't have placeholders; use one output for each server"}
	}
	severity := strings.ToLower(o.Severity)
	switch severity { // their other names
	case "warn":
		severity = "warning"
	case "error":
		severity = "err"
	case "panic":
		severity = "emerg"
	}
	b.SeverityPreset = levelOf(severity, severities, 7)
	b.FacilityPreset = levelOf(o.Facility, facilities, 23)
	switch {
	case b.SeverityPreset < 0:
		return nil, &config.OptionError{Option: "severity", Reason: fmt.Sprintf("%q is not a severity; want one of %s", o.Severity, severities)}
	case b.FacilityPreset < 0:
		return nil, &config.OptionError{Option: "facility", Reason: fmt.Sprintf("%q is not a facility; want one of %s", o.Facility, strings.ReplaceAll(facilities, " -", ""))}
	}
	return b, nil
}

// levelOf is the number that a text is or names, -1 if it is or names no number up to max.
func levelOf(text, names string, max int) int {
	for i, name := range strings.Fields(names) {
		if i <= max && name != "-" && (strings.EqualFold(text, name) || text == fmt.Sprint(i)) {
			return i
		}
	}
	return -1
}

// A remote makes the messages of remote_syslog: those of RFC 3164, with a text as <format> says.
type remote struct {
	encoder
	text              format.Func
	hostname, program *field.Template
	host              string // of records for which hostname is empty
}

func (o *RemoteOptions) encoder(env sink.Env) (*remote, error) {
	bit, err := o.bit()
	if err != nil {
		return nil, err
	}
	e := &remote{encoder: encoder{
		old: true, stream: o.Protocol == "tcp", maxSize: bit.maxSize(), severityPreset: bit.SeverityPreset, facilityPreset: bit.FacilityPreset,
	}, host: env.Hostname}
	if e.host == "" {
		e.host = "localhost"
	}
	notation := field.Notation{Dialect: config.Fluentd, Clean: func(dst []byte, start int) []byte { return oneWord(dst, start) }}
	for _, t := range []struct {
		option, text string
		into         **field.Template
	}{{"program", o.Program, &e.program}, {"hostname", o.Hostname, &e.hostname}} {
		if *t.into, err = field.ParseTemplate(t.text, notation); err != nil {
			return nil, &config.OptionError{Option: t.option, Reason: err.Error()}
		}
	}
	opts := format.Options{LabelDelimiter: ":", Replacement: " "}
	if o.Format != nil {
		opts = *o.Format
	}
	kind := opts.Type
	if kind == "" {
		kind = "ltsv"
	}
	if kind == "msgpack" {
		return nil, &config.OptionError{Option: "<format>", Reason: "msgpack is not text; want, for example, ltsv, json or single_value"}
	}
	if e.text, err = format.Fluentd(opts, kind); err != nil {
		return nil, err
	}
	inject, err := format.NewInjector(o.Inject, env)
	if err != nil {
		return nil, err
	}
	e.text = inject.Wrap(e.text)
	return e, nil
}

// oneWord replaces what would end a part of the header.
func oneWord(dst []byte, start int) []byte {
	for i := start; i < len(dst); i++ {
		if dst[i] <= ' ' || dst[i] >= 0x7f {
			dst[i] = '_'
		}
	}
	return dst
}

// append appends a record as a message: <pri>Mon _2 15:04:05 hostname program: text, in local time, as the plugin does.
func (e *remote) append(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	dst = e.appendPriority(dst, r)
	dst = time.Unix(int64(r.Time.Sec), 0).AppendFormat(dst, "Jan _2 15:04:05 ")
	at := len(dst)
	if dst = e.hostname.Append(dst, &r.Event); len(dst) == at {
		dst = append(dst, e.host...)
	}
	dst = append(e.program.Append(append(dst, ' '), &r.Event), ": "...)
	at = len(dst)
	dst, err := e.text(dst, r)
	if err != nil {
		return dst[:start], err
	}
	dst = append(dst[:at], bytes.TrimRight(dst[at:], "\r\n")...)
	return e.finish(dst, start), nil
}

// NewRemote makes the destination of remote_syslog. It connects to nothing.
func NewRemote(o *RemoteOptions, d config.Dialect, env sink.Env) (sink.Destination, error) {
	bit, err := o.bit()
	if err != nil {
		return nil, err
	}
	e, err := o.encoder(env)
	if err != nil {
		return nil, err
	}
	made, err := newDestination(bit, d, env)
	if err != nil {
		return nil, err
	}
	made.encode = e.append
	return made, nil
}
