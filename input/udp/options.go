// Package udp is Fluent Bit's and Fluentd's input udp: JSON or text, in datagrams.
package udp

import (
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/parse"
)

// Options are those of the input, in both dialects.
type Options struct {
	Tag        string `fluentbit:"tag" fluentd:"tag" help:"tag of every event; unless written, the name of the input"`
	Listen     string `fluentbit:"listen" fluentd:"bind" default:"0.0.0.0" help:"address to listen on"`
	Host       string `fluentbit:"host" ignored:"Fluent Bit ignores it, too; the address to listen on is listen" help:"accepted, without effect"`
	Port       int    `fluentbit:"port" fluentd:"port" default.fluentbit:"5170" default.fluentd:"5160" help:"port to listen on"`
	AddressKey string `fluentbit:"source_address_key" fluentd:"source_address_key" help:"field that the sender's address is added as"`

	Format     string `fluentbit:"format" oneof:"json,none" default:"json" help:"json: JSON values; none: each line is a record of one field, log"`
	Separator  string `fluentbit:"separator" default:"\\n" help:"what ends a line where format is none; \\n, \\t, \\r, \\0 and \\xNN are known. The end of a datagram ends a line, too"`
	Parser     string `fluentbit:"parser" help:"parser of the lines; format is none then. A line that it can't parse becomes a record of the field log"`
	ChunkSize  string `fluentbit:"chunk_size" help:"accepted; datagrams are taken whole"`
	BufferSize string `fluentbit:"buffer_size" help:"accepted; datagrams are taken whole"`
	Workers    int    `fluentbit:"workers" help:"accepted"`

	HostnameKey string      `fluentd:"source_hostname_key,source_host_key" help:"field that the sender's address is added as, too: names are not looked up"`
	LengthLimit config.Size `fluentd:"message_length_limit,body_size_limit" default:"4096" help:"accepted; datagrams are taken whole"`
	Chomp       bool        `fluentd:"remove_newline" default:"true" help:"remove the newline at the end of a datagram"`
	ReceiveSize config.Size `fluentd:"receive_buffer_size" help:"size of the socket's buffer; the system's own unless written"`
	Blocking    string      `fluentd:"blocking_timeout" help:"accepted"`
	Transport   *Transport  `fluentd:"<transport>" help:"udp"`
	Parse       *parse.Spec `fluentd:"<parse>" help:"format of the datagrams"`

	Extract *parse.ExtractOptions `fluentd:"<extract>" help:"fields that hold the tag and the time"`

	input.CommonOptions
}

// Transport is Fluentd's <transport>.
type Transport struct {
	Protocol   string      `fluentd:"<>" oneof:"udp" default:"udp" help:"udp"`
	RecvBuffer config.Size `fluentd:"receive_buffer_size" help:"size of the socket's buffer"`
}

// Check reports mistakes that the types of the options don't rule out.
func (o *Options) Check(d config.Dialect) error {
	if d == config.Fluentd {
		if o.Tag == "" {
			return &config.OptionError{Option: "tag", Reason: "is missing; want the tag of the events"}
		}
		if o.Parse == nil {
			return parse.ErrNoSpec
		}
		return nil
	}
	_, err := serve.Separator(o.Separator)
	return err
}
