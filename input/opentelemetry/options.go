// Package opentelemetry is Fluent Bit's input opentelemetry: logs by OTLP/HTTP, as Protocol Buffers or JSON.
package opentelemetry

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
)

// Options are those of the input.
type Options struct {
	Listen     string `fluentbit:"listen" default:"0.0.0.0" help:"address to listen on"`
	Host       string `fluentbit:"host" ignored:"Fluent Bit ignores it, too; the address to listen on is listen" help:"accepted, without effect"`
	Port       int    `fluentbit:"port" default:"4318" help:"port to listen on"`
	Tag        string `fluentbit:"tag" help:"tag of every event if tag_from_uri is off; unless written, the name of the input"`
	TagFromURI bool   `fluentbit:"tag_from_uri" default:"true" help:"the tag of every event is v1_logs"`
	TagKey     string `fluentbit:"tag_key" help:"field of a record whose text is the tag, with or without $"`

	BodyKey     string `fluentbit:"logs_body_key" help:"field for the body of a log record; unless written, a body that is a map becomes the record, and others the field log"`
	MetadataKey string `fluentbit:"logs_metadata_key" default:"otlp" help:"field for all that a log record has besides its body: severity, attributes, trace, resource, scope"`
	Metadata    bool   `fluentbit:"logs_metadata" default:"on" help:"off: records have the body alone, as the records of Fluent Bit, which keeps the rest beside them"`

	BufferMaxSize config.Size   `fluentbit:"buffer_max_size,http_server.buffer_max_size" default:"4M" help:"largest body of a request, also after decompression; at most 8 MiB"`
	BufferChunk   config.Size   `fluentbit:"buffer_chunk_size,http_server.buffer_chunk_size" default:"512K" help:"accepted; buffers grow as they must"`
	IdleTimeout   time.Duration `fluentbit:"http_server.idle_timeout" default:"10s" help:"how long a connection may be without a request; at most a minute"`
	SuccessCode   int           `fluentbit:"successful_response_code" default:"201" help:"status of an answer: 200, 201 or 204"`
	HTTP2         bool          `fluentbit:"http2,http_server.http2" default:"true" help:"accepted; HTTP/1.1 is spoken, and not gRPC"`
	MaxConns      int           `fluentbit:"max_connections,http_server.max_connections" help:"accepted; at most 128 connections are open"`
	Workers       int           `fluentbit:"workers,http_server.workers" help:"accepted; every connection is served by itself"`
	RawTraces     bool          `fluentbit:"raw_traces" help:"accepted; traces are refused"`
	Profiles      bool          `fluentbit:"profiles_support,encode_profiles_as_log" help:"accepted; profiles are refused"`
	OAuth2        bool          `fluentbit:"oauth2.validate" help:"not supported: put a proxy that checks tokens before the input"`

	serve.TLS
	input.CommonOptions
}

// Check reports mistakes that the types of the options don't rule out.
func (o *Options) Check(d config.Dialect) error {
	if o.OAuth2 {
		return &config.OptionError{Option: "oauth2.validate", Reason: "is not supported; put a proxy that checks tokens before the input"}
	}
	if _, err := field.ParseAccessor(o.TagKey, d); o.TagKey != "" && err != nil {
		return &config.OptionError{Option: "tag_key", Reason: err.Error()}
	}
	return o.TLS.Check()
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *Options) Warnings() (w []string) {
	if o.BufferMaxSize > serve.MaxBody {
		w = append(w, "the largest body of a request is 8 MiB here: clients must send more in several requests")
	}
	if !validCode(o.SuccessCode) {
		w = append(w, fmt.Sprintf("successful_response_code %d is not 200, 201 or 204: 201 is used", o.SuccessCode))
	}
	if o.RawTraces || o.Profiles {
		w = append(w, "logs alone are taken: traces, metrics and profiles are answered 404")
	}
	return w
}

func validCode(n int) bool { return n == 200 || n == 201 || n == 204 }

// Listens implements input.Listener.
func (o *Options) Listens(config.Dialect) []input.Address {
	return []input.Address{input.TCP(o.Listen, o.Port)}
}

// New binds the socket and returns at once. Clients that connect before Run wait.
func New(o *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	p := &protocol{opts: o, code: o.SuccessCode, tag: []byte("v1_logs"), shape: shape{bodyKey: o.BodyKey, metadataKey: o.MetadataKey}}
	if !validCode(p.code) {
		p.code = http.StatusCreated
	}
	if !o.Metadata {
		p.shape.metadataKey = ""
	}
	if !o.TagFromURI {
		p.tag = []byte(cmp.Or(o.Tag, env.DefaultTag()))
	}
	var secure *tls.Config
	var err error
	if o.TagKey != "" {
		p.tagKey, err = field.ParseAccessor(o.TagKey, config.FluentBit)
	}
	if err == nil {
		secure, err = o.TLS.Config()
	}
	if err != nil {
		return nil, fmt.Errorf("opentelemetry: %w", err)
	}
	ln, err := serve.ListenTCP(env, o.Listen, o.Port)
	if err != nil {
		return nil, fmt.Errorf("opentelemetry: %w", err)
	}
	return serve.NewHTTP(ln, serve.HTTPConfig{
		TLS: secure, MaxBody: int(min(o.BufferMaxSize, serve.MaxBody)), IdleTime: o.IdleTimeout, Protocol: p,
	}, env), nil
}
