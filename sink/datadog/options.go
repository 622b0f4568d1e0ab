package datadog

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of datadog: Fluent Bit's own output, and fluent-plugin-datadog.
type Options struct {
	APIKey   config.Secret `fluentbit:"apikey" fluentd:"api_key" required:"true" help:"Datadog's API key"`
	Site     string        `fluentd:"site" default:"datadoghq.com" identity:"true" help:"the account's site, such as datadoghq.eu, if host isn't set"`
	Host     string        `fluentbit:"host" fluentd:"host" default.fluentbit:"http-intake.logs.datadoghq.com" identity:"true" help:"the site's intake, such as http-intake.logs.datadoghq.eu"`
	Port     int           `fluentbit:"port" fluentd:"port" default.fluentd:"80" identity:"true" help:"port; Fluent Bit: 443 with tls, otherwise 80; Fluentd: without use_ssl"`
	SSLPort  int           `fluentd:"ssl_port" default:"443" identity:"true" help:"port with use_ssl"`
	UseSSL   bool          `fluentd:"use_ssl" default:"true" help:"use TLS"`
	NoVerify bool          `fluentd:"no_ssl_validation" help:"don't verify the server's certificate"`
	V1       bool          `fluentd:"force_v1_routes" help:"send to /v1/input, with the API key in the URL"`
	UseHTTP  bool          `fluentd:"use_http" default:"true" help:"must be true: TCP is not supported"`

	Service   string `fluentbit:"dd_service" fluentd:"service" help:"service of records that have none"`
	Source    string `fluentbit:"dd_source" fluentd:"dd_source" help:"ddsource of records that have none"`
	Category  string `fluentd:"dd_sourcecategory" help:"ddsourcecategory of records that have none"`
	Tags      string `fluentbit:"dd_tags" fluentd:"dd_tags" help:"ddtags, such as env:prod,team:a; Fluentd: of records that have none"`
	Hostname  string `fluentbit:"dd_hostname" fluentd:"dd_hostname" help:"hostname of records that have none; Fluentd: default this host's"`
	Message   string `fluentbit:"dd_message_key" default:"log" help:"field that is sent as message, unless the record has a message"`
	Provider  string `fluentbit:"provider" help:"ecs: the fields that ECS adds become ddtags"`
	DateKey   string `fluentbit:"json_date_key" default:"timestamp" help:"field that gets the record's time in milliseconds"`
	TimeKey   string `fluentd:"timestamp_key" default:"@timestamp" help:"field that gets the record's time; nil for none"`
	WithTag   bool   `fluentbit:"include_tag_key" fluentd:"include_tag_key" default:"false" help:"add the tag"`
	TagKey    string `fluentbit:"tag_key" fluentd:"tag_key" default.fluentbit:"tagkey" default.fluentd:"tag" help:"field that gets the tag"`
	DeleteExt bool   `fluentd:"delete_extracted_tag_attributes" help:"remove kubernetes and docker, of which ddtags are made"`

	Headers     []config.Pair `fluentbit:"header" secret:"true" help:"a header of every request: name value"`
	HashHeaders config.Secret `fluentd:"custom_headers" help:"headers of every request: {\"name\": \"value\"}"`
	Compress    string        `fluentbit:"compress" default:"false" help:"gzip"`
	UseGzip     bool          `fluentd:"use_compression" default:"true" help:"gzip the requests"`
	Level       *int          `fluentd:"compression_level" help:"1: fastest (the default), 9: smallest"`
	Proxy       config.Secret `fluentbit:"proxy" fluentd:"http_proxy" help:"URL of a proxy; default: HTTP_PROXY and HTTPS_PROXY of the environment"`
	UseJSON     *string       `fluentd:"use_json" help:"no effect: records are always JSON"`
	MaxRetries  *string       `fluentd:"max_retries,max_backoff" help:"no effect: see retry_max_times and retry_max_interval of <buffer>"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Check is called by config after binding.
func (o *Options) Check(d config.Dialect) error {
	for _, err := range []error{o.CheckOutput(d), o.CheckNet(), o.CheckTLS(d), httpsend.CheckHeaders("header", o.Headers)} {
		if err != nil {
			return err
		}
	}
	if err := httpsend.CheckHeader("DD-API-KEY", string(o.APIKey)); err != nil || strings.TrimSpace(string(o.APIKey)) == "" {
		name := "apikey"
		if d == config.Fluentd {
			name = "api_key"
		}
		return &config.OptionError{Option: name, Reason: "is empty or has control characters; want Datadog's API key"}
	}
	if d == config.Fluentd && !o.UseHTTP {
		return &config.OptionError{Option: "use_http", Reason: "false, for TCP, is not supported; want true"}
	}
	if strings.ContainsAny(o.Host, "/ @") {
		return &config.OptionError{Option: "host", Reason: fmt.Sprintf("%q is not a host; want, for example, http-intake.logs.datadoghq.eu", o.Host)}
	}
	if o.Port < 0 || o.Port > 65535 || o.SSLPort < 0 || o.SSLPort > 65535 {
		return &config.OptionError{Option: "port", Reason: "is not a port; want 1 to 65535", Instead: config.NotWritten}
	}
	if _, err := o.headers(d); err != nil {
		return err
	}
	if _, err := httpsend.ParseProxy("proxy", string(o.Proxy)); err != nil {
		return err
	}
	if _, err := o.url(d); err != nil {
		return &config.OptionError{Option: "host", Reason: err.Error()}
	}
	return nil
}

// headers are the headers that the user adds.
func (o *Options) headers(d config.Dialect) ([]config.Pair, error) {
	if d == config.FluentBit {
		return o.Headers, nil
	}
	pairs, err := httpsend.ParseHash("custom_headers", string(o.HashHeaders))
	if err != nil {
		return nil, err
	}
	return pairs, httpsend.CheckHeaders("custom_headers", pairs)
}

// url is the URL of the intake.
func (o *Options) url(d config.Dialect) (*url.URL, error) {
	scheme, host, port, path := "http", o.Host, o.Port, "/api/v2/logs"
	switch {
	case d == config.FluentBit && o.TLS:
		scheme = "https"
	case d == config.Fluentd && o.UseSSL:
		scheme, port = "https", o.SSLPort
	}
	if port == 0 {
		port = map[string]int{"http": 80, "https": 443}[scheme]
	}
	if strings.TrimSpace(host) == "" {
		host = "http-intake.logs." + strings.TrimSpace(o.Site)
	}
	if o.V1 {
		path = "/v1/input/" + url.PathEscape(string(o.APIKey))
	}
	return httpsend.ParseURL(scheme, host, port, path)
}

// Warnings is called by config after binding.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if _, warning := httpsend.GzipOnly(o.Compress); warning != "" {
		w = append(w, warning)
	}
	if o.Provider != "" && o.Provider != "ecs" {
		w = append(w, fmt.Sprintf("provider: %q has no effect; want ecs", o.Provider))
	}
	return w
}

// CheckedWarnings is called by config after binding.
func (o *Options) CheckedWarnings(config.Dialect) (w []string) {
	if !o.TLS && !o.UseSSL && strings.HasSuffix(o.Host, ".datadoghq.com") {
		w = append(w, "tls: the API key is sent without TLS; turn tls on")
	}
	return w
}
