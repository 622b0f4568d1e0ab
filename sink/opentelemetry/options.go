package opentelemetry

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of Fluent Bit's opentelemetry.
type Options struct {
	Host    string `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port    int    `fluentbit:"port" default:"80" identity:"true" help:"server's port; a Collector's for OTLP/HTTP is 4318"`
	LogsURI string `fluentbit:"logs_uri" default:"/v1/logs" identity:"true" help:"path of the server's endpoint for logs"`

	BodyKeys       []string `fluentbit:"logs_body_key" help:"field that becomes the body; may be repeated, the first that a record has is taken; default $log, $message; without one, the whole record is the body"`
	BodyAttributes bool     `fluentbit:"logs_body_key_attributes" help:"the other fields become attributes, if a field became the body"`
	SeverityText   string   `fluentbit:"logs_severity_text_message_key" default:"$SeverityText" help:"field with the severity as text"`
	SeverityNumber string   `fluentbit:"logs_severity_number_message_key" default:"$SeverityNumber" help:"field with the severity as a number, 1 to 24"`
	TraceID        string   `fluentbit:"logs_trace_id_message_key" default:"$TraceId" help:"field with the trace's id: 32 hexadecimal digits, or 16 bytes"`
	SpanID         string   `fluentbit:"logs_span_id_message_key" default:"$SpanId" help:"field with the span's id: 16 hexadecimal digits, or 8 bytes"`
	BatchSize      int      `fluentbit:"batch_size" default:"1000" help:"records at which a request is sent"`

	User     string        `fluentbit:"http_user" identity:"true" help:"user of basic authentication"`
	Password config.Secret `fluentbit:"http_passwd" help:"password of basic authentication"`
	Bearer   config.Secret `fluentbit:"bearer_token" help:"token for the header Authorization, if there is no user"`
	Header   []config.Pair `fluentbit:"header" secret:"true" help:"name and value of a header of every request; may be repeated"`
	Compress string        `fluentbit:"compress" help:"gzip or zstd"`

	AWSAuth        bool   `fluentbit:"aws_auth" help:"sign requests (SigV4), for an OTLP endpoint of AWS"`
	AWSService     string `fluentbit:"aws_service" default:"logs" help:"service that they are signed for"`
	AWSRegion      string `fluentbit:"aws_region" help:"region; default: the one in the host's name, else AWS_REGION"`
	AWSProfile     string `fluentbit:"aws_profile" help:"profile of the shared AWS configuration"`
	AWSRoleARN     string `fluentbit:"aws_role_arn" identity:"true" help:"role to assume"`
	AWSExternalID  string `fluentbit:"aws_external_id" help:"external id for aws_role_arn"`
	AWSSTSEndpoint string `fluentbit:"aws_sts_endpoint" help:"STS endpoint for aws_role_arn"`

	Unused
	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Unused are options that have no effect here: those for metrics, traces and profiles, those for the metadata that Fluent
// Bit's records may have, and those for HTTP/2.
type Unused struct {
	GRPC         bool          `fluentbit:"grpc" help:"not supported; use OTLP/HTTP"`
	OAuth2       bool          `fluentbit:"oauth2.enable" help:"not supported; use bearer_token or header"`
	HTTP2        string        `fluentbit:"http2" help:"accepted; requests are HTTP/1.1, which OTLP/HTTP allows"`
	Proxy        string        `fluentbit:"proxy" ignored:"set HTTP_PROXY or HTTPS_PROXY instead" help:"not supported; HTTP_PROXY and HTTPS_PROXY are"`
	AddLabel     []config.Pair `fluentbit:"add_label" help:"accepted; it is for metrics"`
	URIs         string        `fluentbit:"metrics_uri,traces_uri,profiles_uri" help:"accepted; only logs are sent"`
	GRPCURIs     string        `fluentbit:"grpc_logs_uri,grpc_metrics_uri,grpc_traces_uri,grpc_profiles_uri" help:"accepted; see grpc"`
	MaxResources int           `fluentbit:"logs_max_resources" help:"accepted; a request has at most batch_size"`
	MaxScopes    int           `fluentbit:"logs_max_scopes" help:"accepted; a resource has one"`
	LogResponse  *bool         `fluentbit:"log_response_payload" help:"accepted; the answer to a refused request is always logged"`
	Metadata     string        `fluentbit:"logs_metadata_key,logs_observed_timestamp_metadata_key,logs_timestamp_metadata_key,logs_severity_text_metadata_key,logs_severity_number_metadata_key,logs_trace_flags_metadata_key,logs_span_id_metadata_key,logs_trace_id_metadata_key,logs_attributes_metadata_key,logs_instrumentation_scope_metadata_key,logs_resource_metadata_key" help:"accepted; records have no metadata here"`
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	for _, check := range []func() error{
		func() error { return o.CheckOutput(d) }, o.CheckNet, func() error { return o.CheckTLS(d) },
		func() error { _, err := o.target(); return err },
		func() error { _, err := o.header(); return err },
		func() error { _, err := newEncoder(o); return err },
		func() error { _, err := httpsend.SharedCompressor(nil, o.compression()); return wrong("compress", err) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	switch {
	case o.GRPC:
		return &config.OptionError{Option: "grpc", Reason: "is not supported; want off, and the server's port for OTLP/HTTP (a Collector's is 4318)"}
	case o.OAuth2:
		return &config.OptionError{Option: "oauth2.enable", Reason: "is not supported; want off, and a bearer_token or header"}
	case o.BatchSize < 1:
		return &config.OptionError{Option: "batch_size", Reason: fmt.Sprintf("%d is too small; want 1 or more", o.BatchSize), Instead: config.NotWritten}
	}
	return nil
}

func wrong(option string, err error) error {
	if err == nil {
		return nil
	}
	return &config.OptionError{Option: option, Reason: err.Error()}
}

// compression is the name of a compressor of OTLP. Fluent Bit ignores all others.
func (o *Options) compression() string {
	if strings.EqualFold(o.Compress, "snappy") {
		return ""
	}
	return o.Compress
}

// target returns the URL of the requests.
func (o *Options) target() (*url.URL, error) {
	host := strings.TrimSpace(o.Host)
	if host == "" || strings.ContainsAny(host, "/ ") {
		return nil, &config.OptionError{Option: "host", Reason: fmt.Sprintf("%q is not a host; want the server's name or address, and the path in logs_uri", o.Host)}
	}
	if o.Port < 1 || o.Port > 65535 {
		return nil, &config.OptionError{Option: "port", Reason: fmt.Sprintf("%d is not a port; want 1 to 65535", o.Port), Instead: config.NotWritten}
	}
	u, err := url.Parse("/" + strings.TrimLeft(o.LogsURI, "/"))
	if err != nil {
		return nil, &config.OptionError{Option: "logs_uri", Reason: fmt.Sprintf("%q is not a path; want, for example, /v1/logs", o.LogsURI)}
	}
	u.Scheme, u.Host = "http", net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(o.Port))
	if o.TLS {
		u.Scheme = "https"
	}
	if o.TLS && o.Port == 443 || !o.TLS && o.Port == 80 { // AWS signs the header Host without the scheme's own port
		u.Host = strings.TrimSuffix(u.Host, ":"+strconv.Itoa(o.Port))
	}
	return u, nil
}

// header returns the headers of every request.
func (o *Options) header() (http.Header, error) {
	h := http.Header{"User-Agent": {"firelane"}}
	if err := httpsend.AddHeaders(h, "header", o.Header); err != nil {
		return nil, err
	}
	h.Set("Content-Type", "application/x-protobuf")
	switch {
	case o.User != "":
		r := http.Request{Header: h}
		r.SetBasicAuth(o.User, string(o.Password))
	case o.Bearer != "":
		h.Set("Authorization", "Bearer "+string(o.Bearer))
	}
	return h, nil
}

// source returns where AWS credentials come from.
func (o *Options) source() aws.Source {
	s := aws.Source{Region: o.AWSRegion, Profile: o.AWSProfile, RoleARN: o.AWSRoleARN, ExternalID: o.AWSExternalID, STSEndpoint: o.AWSSTSEndpoint}
	// logs.eu-west-1.amazonaws.com
	if parts := strings.Split(o.Host, "."); s.Region == "" && len(parts) >= 4 && parts[2] == "amazonaws" {
		s.Region = parts[1]
	}
	return s
}
