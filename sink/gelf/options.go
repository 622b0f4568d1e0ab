package gelf

import (
	"fmt"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

// Options are the options of gelf.
type Options struct {
	Host string `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port int    `fluentbit:"port" default:"12201" identity:"true" help:"server's port"`
	Mode string `fluentbit:"mode" oneof:"udp,tcp,tls" default:"udp" identity:"true" help:"udp, tcp or tls"`

	ShortKey     string `fluentbit:"gelf_short_message_key" default:"short_message" help:"field with the message; a record without it goes to the dead letter"`
	FullKey      string `fluentbit:"gelf_full_message_key" default:"full_message" help:"field with the long message"`
	HostKey      string `fluentbit:"gelf_host_key" default:"host" help:"field with the name of the host; without it, it is this host's"`
	TimestampKey string `fluentbit:"gelf_timestamp_key" default:"timestamp" help:"field with the time as a number of seconds; without it, it is the record's"`
	LevelKey     string `fluentbit:"gelf_level_key" default:"level" help:"field with the level: 0 to 7, or emerg, alert, crit, err, warning, notice, info, debug"`
	TagKey       string `fluentbit:"gelf_tag_key" help:"name of an additional field with the tag"`
	PacketSize   int    `fluentbit:"packet_size" default:"1420" help:"udp: largest datagram in bytes, without its header; a longer message is sent in up to 128"`
	Compress     bool   `fluentbit:"compress" default:"true" help:"udp: compress messages by gzip; longer ones than packet_size always are"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Bounds of packet_size in bytes.
const (
	minPacket = 64
	maxPacket = dial.MaxDatagram - headerSize
)

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if err := o.CheckOutput(d); err != nil {
		return err
	}
	if err := o.CheckNet(); err != nil {
		return err
	}
	if err := o.CheckTLS(d); err != nil {
		return err
	}
	if o.PacketSize < minPacket || o.PacketSize > maxPacket {
		return &config.OptionError{Option: "packet_size", Reason: fmt.Sprintf("%d is out of range; want %d to %d", o.PacketSize, minPacket, maxPacket), Instead: config.NotWritten}
	}
	return dial.CheckPeer(o.Host, o.Port)
}
