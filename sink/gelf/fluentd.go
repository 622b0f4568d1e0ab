package gelf

import (
	"encoding/json"
	"fmt"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/format"
)

// FluentdOptions are the options of Fluentd's gelf (fluent-plugin-gelf-hs).
type FluentdOptions struct {
	Host       string `fluentd:"host" required:"true" identity:"true" help:"server's name or address"`
	Port       int    `fluentd:"port" default:"12201" identity:"true" help:"server's port"`
	Protocol   string `fluentd:"protocol" oneof:"udp,tcp" default:"udp" identity:"true" help:"udp or tcp"`
	Secure     bool   `fluentd:"tls" default:"false" identity:"true" help:"use TLS, with protocol tcp"`
	TLSHash    string `fluentd:"tls_options" help:"a JSON object: cert, key and ca, as the names of PEM files; version, all_ciphers, rescue_ssl_errors and no_default_ca are accepted"`
	RecordHost bool   `fluentd:"use_record_host" default:"false" help:"the field host is the host; otherwise it is an additional field, and the host is this one"`
	Msec       bool   `fluentd:"add_msec_time" default:"false" help:"accepted; the record's time is always sent with milliseconds"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *FluentdOptions) Check(d config.Dialect) error {
	if err := o.CheckOutput(d); err != nil {
		return err
	}
	if o.Secure && o.Protocol != "tcp" {
		return &config.OptionError{Option: "tls", Reason: "needs protocol tcp"}
	}
	bit, err := o.bit()
	if err != nil {
		return err
	}
	if err := bit.CheckTLS(d); err != nil {
		return err
	}
	return dial.CheckPeer(o.Host, o.Port)
}

// bit are the options that this output shares with Fluent Bit's.
func (o *FluentdOptions) bit() (*Options, error) {
	b := &Options{Host: o.Host, Port: o.Port, Mode: o.Protocol, PacketSize: 1420, Compress: true, TLSOptions: o.TLSOptions, NetOptions: o.NetOptions}
	if o.Secure {
		b.Mode = "tls"
	}
	if o.TLSHash != "" {
		var files map[string]any
		if err := json.Unmarshal([]byte(o.TLSHash), &files); err != nil {
			return nil, &config.OptionError{Option: "tls_options", Reason: `is no JSON object; want, for example, {"ca": "/etc/ca.pem"}`}
		}
		for name, into := range map[string]*string{"cert": &b.CertFile, "key": &b.KeyFile, "ca": &b.CAFile} {
			if file, ok := files[name]; ok {
				*into = fmt.Sprint(file)
			}
		}
	}
	return b, nil
}

// shortKeys are the fields of which the first one with a value becomes the message.
func shortKeys() []string { return []string{"short_message", "message", "msg", "log", "record"} }

// noMessage is the message of a record without such a field.
const noMessage = "(no message)"

// NewFluentd makes the destination of Fluentd's gelf. It connects to nothing.
func NewFluentd(o *FluentdOptions, d config.Dialect, env sink.Env) (sink.Destination, error) {
	bit, err := o.bit()
	if err != nil {
		return nil, err
	}
	made, err := newDestination(bit, d, env)
	if err != nil {
		return nil, err
	}
	keys := format.GELFKeys{Full: "full_message", Level: "level", Tag: "tag", ByLetter: true}
	if o.RecordHost {
		keys.Host = "host"
	}
	var funcs []format.Func
	for _, short := range shortKeys() {
		keys.Short = short
		funcs = append(funcs, format.GELF(keys, env.Hostname, bit.end()))
	}
	made.format = func(dst []byte, r *sink.Record) ([]byte, error) {
		for i, key := range shortKeys() {
			if value, ok := record.Find(r.Body, key); ok && !isEmpty(value) {
				return funcs[i](dst, r)
			}
		}
		with := *r
		with.Body = withMessage(r.Body)
		return funcs[0](dst, &with)
	}
	return made, nil
}

// isEmpty reports whether a value can't be the message: nil, a map or an empty text.
func isEmpty(value []byte) bool {
	switch record.KindOf(value[0]) {
	case record.KindNil, record.KindMap:
		return true
	}
	text, ok := record.Text(value)
	return ok && len(text) == 0
}

// withMessage is a record with noMessage as its short_message.
func withMessage(body []byte) []byte {
	n := 1
	for f := record.FieldsOf(body); f.Next(); {
		if string(f.Key()) != "short_message" {
			n++
		}
	}
	out := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, n), "short_message"), noMessage)
	for f := record.FieldsOf(body); f.Next(); {
		if string(f.Key()) != "short_message" {
			out = append(append(out, f.RawKey()...), f.Value()...)
		}
	}
	return out
}
