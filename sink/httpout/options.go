package httpout

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/format"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of http, in both dialects.
type Options struct {
	Host     string        `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port     int           `fluentbit:"port" default:"80" identity:"true" help:"server's port"`
	URI      string        `fluentbit:"uri" default:"/" identity:"true" help:"path and query of the URL"`
	Endpoint string        `fluentd:"endpoint" required:"true" identity:"true" help:"URL, with ${tag}, ${name} and strftime of the record's time"`
	Allowed  []string      `fluentd:"allowed_hosts" help:"hosts that placeholders in the host of endpoint may become"`
	Method   string        `fluentbit:"http_method" fluentd:"http_method" oneof:"POST,PUT" default:"POST" help:"POST or PUT"`
	Proxy    config.Secret `fluentbit:"proxy" fluentd:"proxy" help:"URL of a proxy; default: HTTP_PROXY and HTTPS_PROXY of the environment"`

	Format         string `fluentbit:"format" oneof:"json,json_lines,json_stream,msgpack,gelf" other:"msgpack" default:"json" help:"json: one array for each request; json_lines: one object a line; json_stream: objects without a separator; msgpack: [[time, {}], record] one after the other; gelf: a message of GELF 1.1 a line"`
	JSONDateKey    string `fluentbit:"json_date_key" default:"date" help:"field that gets the record's time in JSON; false for none"`
	JSONDateFormat string `fluentbit:"json_date_format" oneof:"double,iso8601,epoch,epoch_ms,epoch_millis,epoch_milliseconds,java_sql_timestamp" other:"double" default:"double" help:"format of that time"`
	ShortKey       string `fluentbit:"gelf_short_message_key" default:"short_message" help:"gelf: field with the message; a record without it goes to the dead letter"`
	FullKey        string `fluentbit:"gelf_full_message_key" default:"full_message" help:"gelf: field with the long message"`
	HostKey        string `fluentbit:"gelf_host_key" default:"host" help:"gelf: field with the name of the host; without it, it is this host's"`
	TimestampKey   string `fluentbit:"gelf_timestamp_key" default:"timestamp" help:"gelf: field with the time as a number of seconds; without it, it is the record's"`
	LevelKey       string `fluentbit:"gelf_level_key" default:"level" help:"gelf: field with the level: 0 to 7, or emerg, alert, crit, err, warning, notice, info, debug"`
	BodyKey        string `fluentbit:"body_key" help:"field whose text is the body of a request of its own for each record; needs headers_key"`
	HeadersKey     string `fluentbit:"headers_key" help:"field whose members are the headers of that request"`

	FluentdFormat *format.Options `fluentd:"<format>" help:"how a record is written; default @type json"`
	JSONArray     bool            `fluentd:"json_array" help:"one JSON array for each request; needs @type json"`
	ContentType   string          `fluentd:"content_type" help:"Content-Type; default: that of the format"`

	User        string        `fluentbit:"http_user" identity:"true" help:"user of basic authentication"`
	Password    config.Secret `fluentbit:"http_passwd" help:"password of basic authentication"`
	Headers     []config.Pair `fluentbit:"header" secret:"true" help:"a header of every request: name value"`
	Repeated    bool          `fluentbit:"allow_duplicated_headers" default:"true" help:"send a header that is set twice twice; otherwise its last value"`
	HeaderTag   string        `fluentbit:"header_tag" help:"header that gets the tag; each tag has its own requests"`
	HashHeaders config.Secret `fluentd:"headers" help:"headers of every request: {\"name\": \"value\"} or name:value,name:value"`
	FromFields  config.Secret `fluentd:"headers_from_placeholders" help:"such headers with ${tag} and ${name}"`
	Compress    string        `fluentbit:"compress" fluentd:"compress" oneof:"none,false,off,text,gzip,zstd,snappy" help:"gzip, zstd or snappy; Fluentd: text or gzip"`

	LogResponse     bool           `fluentbit:"log_response_payload" default:"true" help:"log what the server answers to a request that it refuses"`
	ResponseTimeout time.Duration  `fluentbit:"http.response_timeout" default:"60s" help:"limit of one request"`
	ReadIdle        time.Duration  `fluentbit:"http.read_idle_timeout" help:"limit of each read and write, if net.io_timeout isn't set"`
	OpenTimeout     *time.Duration `fluentd:"open_timeout" help:"limit of connecting"`
	ReadTimeout     *time.Duration `fluentd:"read_timeout" help:"limit of one request; default 60s"`
	SSLTimeout      *time.Duration `fluentd:"ssl_timeout" help:"accepted; open_timeout limits the TLS handshake, too"`
	Reuse           *bool          `fluentd:"reuse_connections" help:"accepted; connections are always kept for the next request"`
	VerifyMode      string         `fluentd:"tls_verify_mode" oneof:"none,peer" default:"peer" help:"none: don't verify the server's certificate"`
	Unrecoverable   *bool          `fluentd:"error_response_as_unrecoverable" help:"false: records refused with 400 or 422 are sent again; otherwise they go to the dead letter"`
	Retryable       []string       `fluentd:"retryable_response_codes" help:"statuses, such as 400, after which records are sent again as well; without it, after all but 400 and 422"`

	AWSAuth        bool   `fluentbit:"aws_auth" default:"false" help:"sign requests (SigV4)"`
	AWSService     string `fluentbit:"aws_service" identity:"true" help:"service that requests are signed for, such as es, osis or execute-api"`
	AWSRegion      string `fluentbit:"aws_region" help:"region; default: AWS_REGION"`
	AWSProfile     string `fluentbit:"aws_profile" help:"profile of the shared AWS configuration"`
	AWSRoleARN     string `fluentbit:"aws_role_arn" identity:"true" help:"role to assume"`
	AWSExternalID  string `fluentbit:"aws_external_id" help:"external id for aws_role_arn"`
	AWSSTSEndpoint string `fluentbit:"aws_sts_endpoint" help:"STS endpoint for aws_role_arn"`
	Auth           *Auth  `fluentd:"<auth>" help:"authentication"`
	httpsend.OAuthOptions

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Auth is Fluentd's <auth>.
type Auth struct {
	Method   string        `fluentd:"method" oneof:"basic,aws_sigv4" default:"basic" help:"basic or aws_sigv4"`
	User     string        `fluentd:"username" help:"user of basic authentication"`
	Password config.Secret `fluentd:"password" help:"password of basic authentication"`
	Service  string        `fluentd:"aws_service" help:"service that requests are signed for"`
	Region   string        `fluentd:"aws_region" help:"its region"`
	RoleARN  string        `fluentd:"aws_role_arn" help:"role to assume"`
}

// Check is called by config after binding. It reports all mistakes that can be found without using the network.
func (o *Options) Check(d config.Dialect) error {
	for _, err := range []error{o.CheckOutput(d), o.CheckNet(), o.CheckTLS(d), o.CheckOAuth()} {
		if err != nil {
			return err
		}
	}
	for _, check := range []func(*Options, config.Dialect) error{checkURL, checkRecordRequests, checkHeaders, checkAuth, checkStatuses} {
		if err := check(o, d); err != nil {
			return err
		}
	}
	if _, err := httpsend.ParseProxy("proxy", string(o.Proxy)); err != nil {
		return err
	}
	_, err := newEncoding(o, d, "")
	return err
}

func checkURL(o *Options, d config.Dialect) error {
	if d == config.Fluentd {
		_, err := parseEndpoint(o)
		return err
	}
	if o.Port < 1 || o.Port > 65535 {
		return &config.OptionError{Option: "port", Reason: fmt.Sprintf("%d is not a port; want 1 to 65535", o.Port), Instead: config.NotWritten}
	}
	if strings.TrimSpace(o.Host) == "" || strings.ContainsAny(o.Host, "/ @") {
		return &config.OptionError{Option: "host", Reason: fmt.Sprintf("%q is not a host; want a name or an address, and the path in uri", o.Host)}
	}
	_, err := o.url()
	return err
}

// url is the URL of Fluent Bit's options.
func (o *Options) url() (*url.URL, error) {
	scheme := "http"
	if o.TLS {
		scheme = "https"
	}
	uri := strings.TrimSpace(o.URI)
	if !strings.HasPrefix(uri, "/") {
		uri = "/" + uri
	}
	return httpsend.ParseURL(scheme, o.Host, o.Port, uri)
}

func checkRecordRequests(o *Options, _ config.Dialect) error {
	if (o.BodyKey == "") != (o.HeadersKey == "") {
		return &config.OptionError{Option: "body_key", Reason: "needs headers_key, and that needs body_key; want both"}
	}
	for option, key := range map[string]string{"body_key": o.BodyKey, "headers_key": o.HeadersKey} {
		if key == "" {
			continue
		}
		if _, err := field.ParseAccessor(key, config.FluentBit); err != nil {
			return &config.OptionError{Option: option, Reason: err.Error()}
		}
	}
	return nil
}

func checkHeaders(o *Options, d config.Dialect) error {
	if o.HeaderTag != "" {
		if err := httpsend.CheckHeader(o.HeaderTag, ""); err != nil {
			return &config.OptionError{Option: "header_tag", Reason: err.Error()}
		}
	}
	if err := httpsend.CheckHeaders("header", o.Headers); err != nil {
		return err
	}
	pairs, err := httpsend.ParseHash("headers", string(o.HashHeaders))
	if err == nil {
		err = httpsend.CheckHeaders("headers", pairs)
	}
	if err != nil {
		return err
	}
	_, err = parseHeaders(o, d)
	return err
}

func checkAuth(o *Options, _ config.Dialect) error {
	if o.AWSAuth && o.AWSService == "" {
		return &config.OptionError{Option: "aws_service", Reason: "is missing; want the service that requests are signed for, such as osis"}
	}
	if a := o.Auth; a != nil && a.Method == "aws_sigv4" && (a.Service == "" || a.Region == "") {
		return &config.OptionError{Option: "aws_service", Reason: "aws_sigv4 needs aws_service and aws_region; want both"}
	}
	if o.AWSAuth && o.Enable {
		return &config.OptionError{Option: "oauth2.enable", Reason: "contradicts aws_auth; want only one of them on"}
	}
	return nil
}

func checkStatuses(o *Options, _ config.Dialect) error {
	for _, s := range o.Retryable {
		if n, err := strconv.Atoi(strings.TrimSpace(s)); err != nil || n < 100 || n > 599 || http.StatusText(n) == "" {
			return &config.OptionError{Option: "retryable_response_codes", Reason: fmt.Sprintf("%q is not a status; want numbers such as 500,503", s)}
		}
	}
	return nil
}

// Warnings is called by config after binding.
func (o *Options) Warnings() []string {
	return o.OutputOptions.Warnings()
}

// CheckedWarnings is called by config after binding.
func (o *Options) CheckedWarnings(config.Dialect) (w []string) {
	if o.Port == 443 && !o.TLS {
		w = append(w, "tls: port 443 is usually TLS; turn tls on")
	}
	return w
}
