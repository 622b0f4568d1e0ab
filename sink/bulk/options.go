package bulk

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of Fluent Bit's es and opensearch, and of Fluentd's elasticsearch and opensearch. Both outputs
// of a dialect take all of them, http_api_key and aws_auth included.
type Options struct {
	Host   string `fluentbit:"host" fluentd:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Hosts  string `fluentd:"hosts" identity:"true" help:"several servers, host:port or URLs separated by commas; used in turn, skipping those that failed"`
	Port   int    `fluentbit:"port" fluentd:"port" default:"9200" identity:"true" help:"server's port"`
	Scheme string `fluentd:"scheme" oneof:"http,https" default:"http" identity:"true" help:"http or https"`
	Path   string `fluentbit:"path" fluentd:"path" identity:"true" help:"prefix of /_bulk in the URL's path"`

	User      string        `fluentbit:"http_user" fluentd:"user" identity:"true" help:"user of basic authentication"`
	Password  config.Secret `fluentbit:"http_passwd" fluentd:"password" help:"password of basic authentication"`
	APIKey    config.Secret `fluentbit:"http_api_key" fluentd:"api_key,http_api_key" help:"API key in Base64"`
	CloudID   string        `fluentbit:"cloud_id" fluentd:"cloud_id" identity:"true" help:"Elastic Cloud: ID of the deployment"`
	CloudAuth config.Secret `fluentbit:"cloud_auth" fluentd:"cloud_auth" help:"Elastic Cloud: user:password"`
	Upstream  string        `fluentbit:"upstream" identity:"true" help:"file with an [UPSTREAM] section and its [NODE]s; used in turn, skipping those that failed"`

	Index         string       `fluentbit:"index" fluentd:"index_name" default.fluentbit:"fluent-bit" default.fluentd:"fluentd" identity:"true" help:"index; strftime by the record's date, $key, ${tag}"`
	TargetIndex   string       `fluentd:"target_index_key" identity:"true" help:"field that holds the index; it is removed from the document"`
	Type          *string      `fluentbit:"type" fluentd:"type_name" help:"_type; not sent unless set, nor to a server that refuses it"`
	SuppressType  bool         `fluentbit:"suppress_type_name" fluentd:"suppress_type_name" default:"false" help:"never send _type"`
	Pipeline      string       `fluentbit:"pipeline" fluentd:"pipeline" identity:"true" help:"ingest pipeline"`
	WriteOp       *string      `fluentbit:"write_operation" fluentd:"write_operation" oneof:"create,index,update,upsert" help:"create, index, update or upsert; default create (Fluentd with id_key: index)"`
	GenerateID    bool         `fluentbit:"generate_id" default:"false" help:"_id from the content: equal documents become one"`
	IDKey         string       `fluentbit:"id_key" fluentd:"id_key" help:"field that holds _id"`
	RoutingKey    string       `fluentd:"routing_key" help:"field that holds the routing value"`
	CurrentTime   bool         `fluentbit:"current_time_index" default:"false" help:"date the index by the current time, not the record's"`
	Threshold     *config.Size `fluentd:"bulk_message_request_threshold" help:"size at which a request is sent"`
	CustomHeaders string       `fluentd:"custom_headers" help:"JSON object of headers to add to every request"`

	Logstash           bool   `fluentbit:"logstash_format" fluentd:"logstash_format" default:"false" identity:"true" help:"daily indices: prefix, separator, date"`
	LogstashPrefix     string `fluentbit:"logstash_prefix" fluentd:"logstash_prefix" default:"logstash" identity:"true" help:"prefix of daily indices"`
	LogstashSeparator  string `fluentbit:"logstash_prefix_separator" fluentd:"logstash_prefix_separator" default:"-" identity:"true" help:"between prefix and date"`
	LogstashPrefixKey  string `fluentbit:"logstash_prefix_key" identity:"true" help:"field that holds the prefix; if it is missing, logstash_prefix is used"`
	LogstashDateFormat string `fluentbit:"logstash_dateformat" fluentd:"logstash_dateformat" default:"%Y.%m.%d" identity:"true" help:"date of daily indices, strftime"`
	UTCIndex           *bool  `fluentd:"utc_index" help:"date of daily indices in UTC (true, the default) or in local time (false)"`

	TimeKey          *string `fluentbit:"time_key" fluentd:"time_key" help:"Fluent Bit: field that gets the record's time, default @timestamp. Fluentd: field that @timestamp is read from"`
	TimeKeyFormat    *string `fluentbit:"time_key_format" fluentd:"time_key_format" help:"Fluent Bit: strftime, to which the fraction and Z are appended. Fluentd: strptime for reading time_key"`
	TimeKeyNanos     *bool   `fluentbit:"time_key_nanos" help:"on: nine digits of fraction (default, unless time_key_format is set); off: three"`
	TimePrecision    int     `fluentd:"time_precision" default:"9" help:"digits of fraction"`
	IncludeTimestamp *bool   `fluentd:"include_timestamp" help:"add @timestamp; default on"`
	ExcludeTimestamp bool    `fluentd:"time_key_exclude_timestamp" default:"false" help:"add no @timestamp to a record that has time_key"`
	IncludeTag       bool    `fluentbit:"include_tag_key" fluentd:"include_tag_key" default:"false" help:"add the tag"`
	TagKey           string  `fluentbit:"tag_key" fluentd:"tag_key" default.fluentbit:"flb-key" default.fluentd:"tag" help:"field that gets the tag"`
	ReplaceDots      bool    `fluentbit:"replace_dots" default:"false" help:"dots in field names become underscores"`
	RemoveKeys       string  `fluentd:"remove_keys" help:"fields to leave out, separated by commas"`
	Flatten          bool    `fluentd:"flatten_hashes" default:"false" help:"nested fields become fields of the top level"`
	FlattenSeparator string  `fluentd:"flatten_hashes_separator" default:"_" help:"between the names in a flattened field's name"`

	Compress         string         `fluentbit:"compress" help:"gzip; zstd and snappy, which servers can't read, are gzip, too"`
	CompressionLevel string         `fluentd:"compression_level" oneof:"no_compression,best_speed,best_compression,default_compression" default:"no_compression" help:"gzip the requests"`
	RequestTimeout   *time.Duration `fluentd:"request_timeout" help:"limit of one request; default 90s"`
	TraceOutput      bool           `fluentbit:"trace_output" default:"false" help:"print the requests to stdout"`
	TraceError       bool           `fluentbit:"trace_error" fluentd:"log_es_400_reason,log_os_400_reason" default:"false" help:"log the server's reply to requests that fail"`
	TraceRequests    bool           `fluentd:"with_transporter_log" default:"false" help:"log every request"`

	AWSOptions
	RetainOptions
	TemplateOptions
	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
	Unused
}

// AWSOptions are the options for signing requests for AWS: Fluent Bit's aws_*, and Fluentd's <endpoint>.
type AWSOptions struct {
	AWSAuth        bool      `fluentbit:"aws_auth" default:"false" help:"sign requests (SigV4)"`
	AWSRegion      string    `fluentbit:"aws_region" help:"region; default: the one in the host's name, else AWS_REGION"`
	AWSService     string    `fluentbit:"aws_service_name" default:"es" identity:"true" help:"es, or aoss for Serverless"`
	AWSProfile     string    `fluentbit:"aws_profile" help:"profile of the shared AWS configuration"`
	AWSRoleARN     string    `fluentbit:"aws_role_arn" identity:"true" help:"role to assume"`
	AWSExternalID  string    `fluentbit:"aws_external_id" help:"external id for aws_role_arn"`
	AWSSTSEndpoint string    `fluentbit:"aws_sts_endpoint" help:"STS endpoint for aws_role_arn"`
	Endpoint       *Endpoint `fluentd:"<endpoint>" help:"an AWS domain; requests to it are signed"`
}

// Endpoint is Fluentd's <endpoint>.
type Endpoint struct {
	URL             string         `fluentd:"url" required:"true" identity:"true" help:"URL of the domain"`
	Region          string         `fluentd:"region" help:"region; default: the one in the URL, else AWS_REGION"`
	Service         string         `fluentd:"aws_service_name" oneof:"es,aoss" default:"es" help:"es, or aoss for Serverless"`
	AccessKeyID     string         `fluentd:"access_key_id" help:"static credentials, instead of the task's role"`
	SecretAccessKey config.Secret  `fluentd:"secret_access_key" help:"static credentials"`
	RoleARN         string         `fluentd:"assume_role_arn" identity:"true" help:"role to assume"`
	RoleSession     string         `fluentd:"assume_role_session_name" default:"fluentd" help:"session name for assume_role_arn"`
	WebIdentityFile string         `fluentd:"assume_role_web_identity_token_file" help:"token file for assume_role_arn"`
	STSRegion       string         `fluentd:"sts_credentials_region" help:"region of STS; default: region"`
	ContainerURI    string         `fluentd:"ecs_container_credentials_relative_uri" help:"path of the container's credentials, instead of the environment's"`
	RefreshInterval *time.Duration `fluentd:"refresh_credentials_interval" help:"no effect: credentials are refreshed before they expire"`
}

// Unused are options that are accepted, so that existing configurations work, and that have no effect.
type Unused struct {
	BufferSize       *config.Size `fluentbit:"buffer_size" help:"no effect: replies of any size are read as a stream"`
	ReloadConns      *string      `fluentd:"reload_connections" help:"no effect: only the configured servers are used"`
	ReloadOnFailure  *string      `fluentd:"reload_on_failure" help:"no effect: see reload_connections"`
	ReloadAfter      *string      `fluentd:"reload_after" help:"no effect: see reload_connections"`
	ReconnectOnError *string      `fluentd:"reconnect_on_error" help:"no effect: a failed request is always tried again on a fresh connection"`
	ResurrectAfter   *string      `fluentd:"resurrect_after" help:"no effect: a server that failed is tried again in turn"`
	Sniffer          *string      `fluentd:"sniffer_class_name" help:"no effect: see reload_connections"`
	Selector         *string      `fluentd:"selector_class_name" help:"no effect: servers are used in turn"`
	Backend          *string      `fluentd:"http_backend,http_backend_excon_nonblock" help:"no effect"`
	ContentType      *string      `fluentd:"content_type" help:"no effect: always application/x-ndjson"`
	Serializer       *string      `fluentd:"prefer_oj_serializer" help:"no effect"`
	VerifyVersion    *string      `fluentd:"verify_es_version_at_startup,verify_os_version_at_startup,validate_client_version" help:"no effect: the server's version isn't requested"`
	DefaultVersion   *string      `fluentd:"default_elasticsearch_version,default_opensearch_version" help:"no effect: the server's version isn't requested"`
	MaxRetryVersion  *string      `fluentd:"max_retry_get_es_version,max_retry_get_os_version,fail_on_detecting_es_version_retry_exceed,fail_on_detecting_os_version_retry_exceed" help:"no effect: the server's version isn't requested"`
	Unrecoverable    *string      `fluentd:"unrecoverable_error_types,unrecoverable_record_types" help:"no effect: records that may be accepted later are sent again"`
	ExceptionBackup  *string      `fluentd:"exception_backup,ignore_exceptions,catch_transport_exception_on_retry" help:"no effect: no record is given up because of an exception"`
	ErrorEvents      *string      `fluentd:"emit_error_for_missing_id,emit_error_label_event,time_parse_error_tag,retry_tag" help:"no effect: records that can't be delivered go to the dead letter"`
	IndexInURL       *string      `fluentd:"include_index_in_url" help:"no effect: the index is in each action line"`
	TruncateCaches   *string      `fluentd:"truncate_caches_interval" help:"no effect"`
	Affinity         *string      `fluentd:"target_index_affinity" help:"no effect"`
	PuttingTemplate  *string      `fluentd:"max_retry_putting_template,fail_on_putting_template_retry_exceed" help:"no effect: it is tried again until the template is installed, and records don't wait for it"`
}

// Warnings is called by config after binding.
func (o *Options) Warnings() []string {
	w := append(o.OutputOptions.Warnings(), o.retainWarnings()...)
	if c := strings.ToLower(o.Compress); c == "zstd" || c == "snappy" {
		w = append(w, "compress "+o.Compress+" is read by no server; requests are compressed with gzip")
	}
	return w
}

// named reports whether the option host names the server.
func (o *Options) named() bool {
	return o.Hosts == "" && o.CloudID == "" && o.Upstream == "" && o.Endpoint == nil
}

// defaultTimeFormat is Fluent Bit's default of time_key_format.
const defaultTimeFormat = "%Y-%m-%dT%H:%M:%S"

// Check is called by config after binding. It reports all mistakes that can be found without using the network.
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
	for _, check := range []func(*Options, config.Dialect) error{
		checkServer, checkNames, checkWrite, checkFormats, checkAuth, checkRetain,
	} {
		if err := check(o, d); err != nil {
			return err
		}
	}
	return nil
}

// checkNames parses names of indices and fields, and formats of times, as New does.
func checkNames(o *Options, d config.Dialect) error {
	_, err := newEncoder(o, d)
	return err
}

func checkServer(o *Options, d config.Dialect) error {
	if o.Port < 1 || o.Port > 65535 {
		return &config.OptionError{Option: "port", Reason: fmt.Sprintf("%d is not a port; want 1 to 65535", o.Port), Instead: config.NotWritten}
	}
	if strings.TrimSpace(o.Host) == "" && o.named() {
		return &config.OptionError{Option: "host", Reason: "is empty; want the server's name or address"}
	}
	if host := strings.TrimSpace(o.Host); host != "" {
		if _, err := parseHost(host, server{scheme: "http"}); err != nil {
			return &config.OptionError{Option: "host", Reason: err.Error()}
		}
	}
	if o.CloudID != "" {
		if _, err := cloudURL(o.CloudID); err != nil {
			return &config.OptionError{Option: "cloud_id", Reason: err.Error()}
		}
	}
	if o.Hosts != "" {
		if _, err := parseHosts(o.Hosts, o); err != nil {
			return &config.OptionError{Option: "hosts", Reason: err.Error()}
		}
	}
	if e := o.Endpoint; e != nil {
		if u, err := url.Parse(strings.TrimSpace(e.URL)); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return &config.OptionError{Option: "url", Reason: fmt.Sprintf("%q is not a URL; want https://host", e.URL)}
		}
	}
	return nil
}

func checkWrite(o *Options, d config.Dialect) error {
	if o.WriteOp == nil || (*o.WriteOp != "update" && *o.WriteOp != "upsert") {
		return nil
	}
	if o.IDKey == "" && !o.GenerateID {
		reason := *o.WriteOp + " needs id_key"
		if d == config.FluentBit {
			reason += " or generate_id"
		}
		return &config.OptionError{Option: "write_operation", Reason: reason}
	}
	return nil
}

func checkFormats(o *Options, d config.Dialect) error {
	switch strings.ToLower(o.Compress) {
	case "", "gzip", "zstd", "snappy", "none", "off", "false":
	default:
		return &config.OptionError{Option: "compress", Reason: fmt.Sprintf("%q is not supported; want gzip", o.Compress), Instead: config.NotWritten}
	}
	if o.TimePrecision < 0 || o.TimePrecision > 9 {
		return &config.OptionError{Option: "time_precision", Reason: fmt.Sprintf("%d is out of range; want 0 to 9", o.TimePrecision)}
	}
	if o.CustomHeaders != "" {
		var h map[string]string
		if err := json.Unmarshal([]byte(o.CustomHeaders), &h); err != nil {
			return &config.OptionError{Option: "custom_headers", Reason: `is not a JSON object of strings; want {"name": "value"}`}
		}
		for name, value := range h {
			if err := httpsend.CheckHeader(name, value); err != nil {
				return &config.OptionError{Option: "custom_headers", Reason: err.Error()}
			}
		}
	}
	return nil
}

func checkAuth(o *Options, d config.Dialect) error {
	if o.CloudAuth != "" && !strings.Contains(string(o.CloudAuth), ":") {
		return &config.OptionError{Option: "cloud_auth", Reason: "has no colon; want user:password", Instead: config.NotWritten}
	}
	if o.AWSAuth && o.AWSService == "" {
		return &config.OptionError{Option: "aws_service_name", Reason: "is empty; want es or aoss"}
	}
	if e := o.Endpoint; e != nil && (e.AccessKeyID == "") != (e.SecretAccessKey == "") {
		return &config.OptionError{Option: "access_key_id", Reason: "needs secret_access_key, and that needs access_key_id; want both"}
	}
	return nil
}
