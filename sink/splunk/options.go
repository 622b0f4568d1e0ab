package splunk

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of Fluent Bit's splunk, and of Fluentd's splunk_hec.
type Options struct {
	Host     string        `fluentbit:"host" fluentd:"hec_host" default.fluentbit:"127.0.0.1" identity:"true" help:"the collector's name or address"`
	Port     int           `fluentbit:"port" fluentd:"hec_port" default:"8088" identity:"true" help:"its port"`
	Protocol string        `fluentd:"protocol" oneof:"http,https" default:"https" identity:"true" help:"http or https"`
	Endpoint string        `fluentd:"hec_endpoint" default:"services/collector" identity:"true" help:"path of the collector"`
	FullURL  string        `fluentd:"full_url" identity:"true" help:"URL before hec_endpoint, instead of protocol, hec_host and hec_port"`
	Token    config.Secret `fluentbit:"splunk_token" fluentd:"hec_token" help:"token of the HTTP Event Collector"`
	User     string        `fluentbit:"http_user" identity:"true" help:"user of basic authentication, instead of the token"`
	Password config.Secret `fluentbit:"http_passwd" help:"password of basic authentication; may be the token"`
	Channel  string        `fluentbit:"channel" help:"channel, a GUID, for tokens with indexer acknowledgment; default: one is made if the collector asks for it"`

	EventKey      string        `fluentbit:"event_key" help:"field that is sent as the event, as text; if it is missing or empty, the record is"`
	EventHost     string        `fluentbit:"event_host" fluentd:"host" help:"host; with $name and ${tag}; Fluentd: default this host's name"`
	EventSource   string        `fluentbit:"event_source" fluentd:"source" help:"source, likewise"`
	SourceType    string        `fluentbit:"event_sourcetype" fluentd:"sourcetype" help:"sourcetype"`
	SourceTypeKey string        `fluentbit:"event_sourcetype_key" fluentd:"sourcetype_key" help:"field that holds sourcetype; if it is missing, event_sourcetype"`
	Index         string        `fluentbit:"event_index" fluentd:"index" identity:"true" help:"index"`
	IndexKey      string        `fluentbit:"event_index_key" fluentd:"index_key" identity:"true" help:"field that holds the index; if it is missing, event_index"`
	HostKey       string        `fluentd:"host_key" help:"field that holds the host"`
	SourceKey     string        `fluentd:"source_key" help:"field that holds the source"`
	TimeKey       string        `fluentd:"time_key" help:"field that holds the time; default: the record's own"`
	KeepKeys      bool          `fluentd:"keep_keys" help:"don't remove the fields of host_key and the like from the event"`
	EventFields   []config.Pair `fluentbit:"event_field" help:"an indexed field: name $field"`
	Fields        []config.Pair `fluentd:"<fields>" help:"indexed fields: name field; they are removed from the event"`
	SendRaw       bool          `fluentbit:"splunk_send_raw" default:"off" help:"the record itself has event, time, index and so on"`
	AutoTime      bool          `fluentbit:"auto_extract_timestamp" default:"off" help:"send no time: Splunk finds it in the event"`

	FluentdFormat *format.Options `fluentd:"<format>" help:"how the event is written; default @type json"`
	Compress      string          `fluentbit:"compress" default:"none" help:"gzip"`
	Gzip          bool            `fluentd:"gzip_compression" help:"gzip the requests"`
	HashHeaders   config.Secret   `fluentd:"custom_headers" help:"headers of every request: {\"name\": \"value\"}"`
	AppName       string          `fluentd:"app_name" default:"hec_plugin_gem" help:"header __splunk_app_name"`
	AppVersion    string          `fluentd:"app_version" help:"header __splunk_app_version"`
	Insecure      bool            `fluentd:"insecure_ssl" help:"don't verify the server's certificate"`
	OpenTimeout   *time.Duration  `fluentd:"open_timeout" help:"limit of connecting"`
	ReadTimeout   *time.Duration  `fluentd:"read_timeout" help:"limit of one request; default 90s"`
	DataType      string          `fluentd:"data_type" oneof:"event,metric" default:"event" help:"must be event: metrics are not supported"`

	BufferSize   *string `fluentbit:"http_buffer_size" help:"no effect: replies have a limit of their own"`
	Debug        *string `fluentbit:"http_debug_bad_request" help:"no effect: the collector's words are in the log"`
	Idle         *string `fluentd:"idle_timeout" help:"no effect: idle connections are closed after 30s"`
	MinVersion11 *string `fluentd:"require_ssl_min_version" help:"no effect: TLS 1.2 is the oldest version"`
	Ciphers11    *string `fluentd:"ssl_ciphers" help:"no effect; see tls_ciphers"`
	CADir        string  `fluentd:"ca_path" help:"folder of PEM files of certificate authorities"`
	Consume      *string `fluentd:"consume_chunk_on_4xx_errors" help:"no effect: only records that Splunk refuses go to the dead letter"`
	UTF8         *string `fluentd:"coerce_to_utf8,non_utf8_replacement_string" help:"no effect: bytes that aren't UTF-8 become U+FFFD"`
	Metrics      *string `fluentd:"metrics_from_event,metric_name_key,metric_value_key" help:"no effect: metrics are not supported"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Check is called by config after binding.
func (o *Options) Check(d config.Dialect) error {
	for _, err := range []error{o.CheckOutput(d), o.CheckNet(), o.CheckTLS(d), o.checkAuth(d), o.checkNames(d)} {
		if err != nil {
			return err
		}
	}
	if o.DataType == "metric" {
		return &config.OptionError{Option: "data_type", Reason: "metric is not supported; want event"}
	}
	if _, err := o.url(d); err != nil {
		name := "host"
		if d == config.Fluentd {
			name = "hec_host"
		}
		return &config.OptionError{Option: name, Reason: err.Error()}
	}
	if _, err := o.headers(); err != nil {
		return err
	}
	_, err := newEncoder(o, d, "")
	return err
}

func (o *Options) checkAuth(d config.Dialect) error {
	if err := httpsend.CheckHeader("Authorization", string(o.Token)); err != nil {
		return &config.OptionError{Option: "splunk_token", Reason: "has control characters; want the collector's token"}
	}
	switch {
	case d == config.Fluentd && o.Token == "":
		return &config.OptionError{Option: "hec_token", Reason: "is missing; want the collector's token"}
	case o.Token == "" && o.User == "":
		return &config.OptionError{Option: "splunk_token", Reason: "is missing; want the collector's token, or http_user and http_passwd"}
	}
	if err := httpsend.CheckHeader("X-Splunk-Request-Channel", o.Channel); err != nil {
		return &config.OptionError{Option: "channel", Reason: "has control characters; want a GUID"}
	}
	return nil
}

// checkNames reports mistakes in the names of fields, and in the port.
func (o *Options) checkNames(d config.Dialect) error {
	if o.EventKey != "" && !strings.HasPrefix(o.EventKey, "$") {
		return &config.OptionError{Option: "event_key", Reason: fmt.Sprintf("%q doesn't begin with a $; want, for example, $log", o.EventKey)}
	}
	if d == config.FluentBit {
		return dial.CheckPort(o.Port)
	}
	for name, pair := range map[string][2]string{
		"host": {o.EventHost, o.HostKey}, "source": {o.EventSource, o.SourceKey}, "sourcetype": {o.SourceType, o.SourceTypeKey}, "index": {o.Index, o.IndexKey},
	} {
		if pair[0] != "" && pair[1] != "" {
			return &config.OptionError{Option: name + "_key", Reason: "contradicts " + name + "; want only one of them"}
		}
	}
	return nil
}

// Warnings is called by config after binding.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if _, warning := httpsend.GzipOnly(o.Compress); warning != "" {
		w = append(w, warning)
	}
	return w
}

// headers are the headers that the user adds.
func (o *Options) headers() ([]config.Pair, error) {
	pairs, err := httpsend.ParseHash("custom_headers", string(o.HashHeaders))
	if err != nil {
		return nil, err
	}
	return pairs, httpsend.CheckHeaders("custom_headers", pairs)
}

// url is the URL that events are sent to.
func (o *Options) url(d config.Dialect) (*url.URL, error) {
	if d == config.FluentBit {
		if strings.TrimSpace(o.Host) == "" || strings.ContainsAny(o.Host, "/ @") {
			return nil, fmt.Errorf("%q is not a host; want a name or an address", o.Host)
		}
		scheme, path := "http", "/services/collector/event"
		if o.TLS {
			scheme = "https"
		}
		if o.AutoTime {
			path += "?auto_extract_timestamp=true"
		}
		return httpsend.ParseURL(scheme, o.Host, o.Port, path)
	}
	path := "/" + strings.TrimPrefix(o.Endpoint, "/")
	if o.FullURL != "" {
		u, err := url.Parse(strings.TrimSuffix(o.FullURL, "/") + path)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("full_url %q is not a URL; want https://host:port", o.FullURL)
		}
		return u, nil
	}
	if strings.TrimSpace(o.Host) == "" || strings.ContainsAny(o.Host, "/ @") {
		return nil, fmt.Errorf("%q is not a host; want a name or an address, or full_url", o.Host)
	}
	return httpsend.ParseURL(o.Protocol, o.Host, o.Port, path)
}

// ackPath is the path of the acknowledgments, beside that of the events: "About HTTP Event Collector Indexer
// Acknowledgment".
func ackPath(path string) string {
	for _, end := range []string{"/event/1.0", "/event", "/raw", "/raw/1.0"} {
		path = strings.TrimSuffix(path, end)
	}
	return strings.TrimSuffix(path, "/") + "/ack"
}
