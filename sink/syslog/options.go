package syslog

import (
	"fmt"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

// Options are the options of syslog.
type Options struct {
	Host string `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port int    `fluentbit:"port" default:"514" identity:"true" help:"server's port"`
	Mode string `fluentbit:"mode" oneof:"udp,tcp,tls,dtls" default:"udp" identity:"true" help:"udp, tcp or tls; dtls is not supported"`

	Format  string       `fluentbit:"syslog_format" oneof:"rfc5424,rfc3164" default:"rfc5424" help:"the message's format"`
	MaxSize *config.Size `fluentbit:"syslog_maxsize" help:"longest message in bytes; the rest of a longer one is cut off; default 2048 for rfc5424, 1024 for rfc3164"`

	SeverityKey    string   `fluentbit:"syslog_severity_key" help:"field with the severity: 0 to 7, or emerg, alert, crit, err, warning, notice, info, debug"`
	SeverityPreset int      `fluentbit:"syslog_severity_preset" default:"6" help:"severity of records without one"`
	FacilityKey    string   `fluentbit:"syslog_facility_key" help:"field with the facility: 0 to 23, or kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, ntp, security, console, local0 to local7"`
	FacilityPreset int      `fluentbit:"syslog_facility_preset" default:"1" help:"facility of records without one"`
	HostnameKey    string   `fluentbit:"syslog_hostname_key" help:"field with the host's name"`
	HostnamePreset string   `fluentbit:"syslog_hostname_preset" help:"host's name of records without one"`
	AppnameKey     string   `fluentbit:"syslog_appname_key" help:"field with the application's name"`
	AppnamePreset  string   `fluentbit:"syslog_appname_preset" help:"application's name of records without one"`
	ProcIDKey      string   `fluentbit:"syslog_procid_key" help:"field with the process's id"`
	ProcIDPreset   string   `fluentbit:"syslog_procid_preset" help:"process's id of records without one"`
	MsgIDKey       string   `fluentbit:"syslog_msgid_key" help:"field with the message's id"`
	MsgIDPreset    string   `fluentbit:"syslog_msgid_preset" help:"message's id of records without one"`
	SDKeys         []string `fluentbit:"syslog_sd_key" help:"field whose members become structured data, under its name; may be repeated"`
	MessageKey     string   `fluentbit:"syslog_message_key" help:"field with the message; without it messages are empty"`
	LongerSDID     bool     `fluentbit:"allow_longer_sd_id" help:"names in structured data may be longer than 32 characters, against RFC 5424"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

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
	if err := dial.CheckPeer(o.Host, o.Port); err != nil {
		return err
	}
	switch {
	case o.Mode == "dtls":
		return &config.OptionError{Option: "mode", Reason: "dtls is not supported; want udp, tcp or tls"}
	case o.Mode == "udp" && o.TLS:
		return &config.OptionError{Option: "tls", Reason: "is on, which mode udp can't have; want mode tls"}
	case o.SeverityPreset < 0 || o.SeverityPreset > 7:
		return &config.OptionError{Option: "syslog_severity_preset", Reason: fmt.Sprintf("%d is not a severity; want 0 to 7", o.SeverityPreset)}
	case o.FacilityPreset < 0 || o.FacilityPreset > 23:
		return &config.OptionError{Option: "syslog_facility_preset", Reason: fmt.Sprintf("%d is not a facility; want 0 to 23", o.FacilityPreset)}
	}
	_, err := newEncoder(o)
	return err
}

// Warnings returns a line for each option whose lack has an effect that may surprise.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if o.MessageKey == "" {
		w = append(w, "syslog_message_key is not set: messages are sent without text, as in Fluent Bit; want, for example, syslog_message_key log")
	}
	return w
}

// maxSize is the longest message in bytes.
func (o *Options) maxSize() int {
	switch {
	case o.MaxSize != nil && *o.MaxSize > 0:
		return int(min(*o.MaxSize, maxMessage))
	case o.Format == "rfc3164":
		return 1024 // RFC 3164, 4.1
	}
	return 2048 // RFC 5424, 6.1: what every receiver should accept
}

// maxMessage is the largest syslog_maxsize in bytes.
const maxMessage = 1 << 20
