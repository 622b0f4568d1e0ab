package sumologic

import (
	"net/url"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of Fluentd's sumologic.
type Options struct {
	Endpoint  config.Secret `fluentd:"endpoint" required:"true" help:"URL of the HTTP source, which is secret"`
	DataType  string        `fluentd:"data_type" oneof:"logs,metrics" default:"logs" help:"must be logs: metrics are not supported"`
	LogFormat string        `fluentd:"log_format" oneof:"json,text,json_merge,fields" default:"json" help:"json and fields: the record; json_merge: with the members of the object in log_key; text: log_key alone"`
	LogKey    string        `fluentd:"log_key" default:"message" help:"field that holds the message; where that is a JSON object, it is sent as one"`

	Category  string `fluentd:"source_category" identity:"true" help:"X-Sumo-Category, with ${tag} and ${name}"`
	Name      string `fluentd:"source_name" identity:"true" help:"X-Sumo-Name, likewise"`
	NameKey   string `fluentd:"source_name_key" default:"source_name" help:"field that holds X-Sumo-Name"`
	Host      string `fluentd:"source_host" help:"X-Sumo-Host, with ${tag} and ${name}"`
	Fields    string `fluentd:"custom_fields" help:"X-Sumo-Fields: name=value,name=value"`
	Client    string `fluentd:"sumo_client" default:"fluentd-output" help:"X-Sumo-Client"`
	AddTime   bool   `fluentd:"add_timestamp" default:"true" help:"add the record's time in milliseconds, unless the record has one"`
	TimeKey   string `fluentd:"timestamp_key" default:"timestamp" help:"field that gets the time"`
	Compress  bool   `fluentd:"compress" default:"true" help:"compress the requests"`
	Encoding  string `fluentd:"compress_encoding" oneof:"gzip,deflate" default:"gzip" help:"how requests are compressed"`
	VerifySSL bool   `fluentd:"verify_ssl" default:"true" help:"verify the server's certificate"`

	Proxy      config.Secret  `fluentd:"proxy_uri" help:"URL of a proxy; default: HTTP_PROXY and HTTPS_PROXY of the environment"`
	Open       *time.Duration `fluentd:"open_timeout" help:"limit of connecting"`
	Receive    *time.Duration `fluentd:"receive_timeout" help:"limit of one request; default 90s"`
	MaxRequest config.Size    `fluentd:"max_request_size" help:"size at which a request is sent; at most 1 MB"`

	SendTimeout *string `fluentd:"send_timeout" help:"no effect: see receive_timeout"`
	Cookies     *string `fluentd:"disable_cookies" help:"no effect: cookies are not kept"`
	Delimiter   *string `fluentd:"delimiter" help:"no effect"`
	Retries     *string `fluentd:"use_internal_retry,retry_timeout,retry_max_times,retry_min_interval,retry_max_interval" help:"no effect: see <buffer>"`
	Metrics     *string `fluentd:"metric_data_format,custom_dimensions" help:"no effect: metrics are not supported"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Check is called by config after binding.
func (o *Options) Check(d config.Dialect) error {
	for _, err := range []error{o.CheckOutput(d), o.CheckNet(), o.CheckTLS(d)} {
		if err != nil {
			return err
		}
	}
	if o.DataType == "metrics" {
		return &config.OptionError{Option: "data_type", Reason: "metrics is not supported; want logs"}
	}
	if _, err := o.url(); err != nil {
		return err
	}
	if err := httpsend.CheckHeader("X-Sumo-Client", o.Client); err != nil {
		return &config.OptionError{Option: "sumo_client", Reason: "has control characters"}
	}
	if _, err := httpsend.ParseProxy("proxy_uri", string(o.Proxy)); err != nil {
		return err
	}
	_, err := newSource(o)
	return err
}

func (o *Options) url() (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(string(o.Endpoint)))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &config.OptionError{Option: "endpoint", Reason: "is not a URL; want that of the HTTP source"}
	}
	return u, nil
}

// customFields are those of custom_fields that are name=value, as in the plugin.
func (o *Options) customFields() string {
	var list []string
	for f := range strings.SplitSeq(o.Fields, ",") {
		if strings.Count(f, "=") == 1 {
			list = append(list, f)
		}
	}
	return strings.Join(list, ",")
}
