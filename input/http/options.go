// Package http is the input http of Fluent Bit and Fluentd: events in the bodies of HTTP requests. A request is answered when its
// events are in the queues; if any of it is malformed, nothing of it is taken.
package http

import (
	"fmt"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/parse"
)

// Options are those of the input, in both dialects.
type Options struct {
	Listen string `fluentbit:"listen" fluentd:"bind" default:"0.0.0.0" help:"address to listen on"`
	Host   string `fluentbit:"host" ignored:"Fluent Bit ignores it, too; the address to listen on is listen" help:"accepted, without effect"`
	Port   int    `fluentbit:"port" fluentd:"port" default:"9880" help:"port to listen on"`
	Tag    string `fluentbit:"tag" help:"tag of events that are posted to the path /; unless written, the name of the input. Another path is the tag"`
	TagKey string `fluentbit:"tag_key" help:"field of a record whose text is the tag, with or without $"`

	BufferMaxSize config.Size   `fluentbit:"buffer_max_size,http_server.buffer_max_size" default:"4M" help:"largest body of a request, also after decompression; at most 8 MiB"`
	BufferChunk   config.Size   `fluentbit:"buffer_chunk_size,http_server.buffer_chunk_size" default:"512K" help:"accepted; buffers grow as they must"`
	BodyLimit     *config.Size  `fluentd:"body_size_limit" help:"largest body of a request, also after decompression; at most 8 MiB, which is the default"`
	IdleTimeout   time.Duration `fluentbit:"http_server.idle_timeout" fluentd:"keepalive_timeout" default:"10s" help:"how long a connection may be without a request; at most a minute"`
	SuccessCode   int           `fluentbit:"successful_response_code" default:"201" help:"status of an answer: 200, 201 or 204"`
	SuccessHeader []config.Pair `fluentbit:"success_header" help:"header of an answer, as NAME VALUE; may be repeated"`
	Health        bool          `fluentbit:"enable_health_endpoint" default:"false" help:"answer GET /health"`
	RemoteAddr    bool          `fluentbit:"add_remote_addr" fluentd:"add_remote_addr" default:"false" help:"add the client's address to every record: the first one in the header X-Forwarded-For, or in Fluentd that of the connection if there is none"`
	RemoteAddrKey string        `fluentbit:"remote_addr_key" default:"REMOTE_ADDR" help:"field that the address is added as"`
	HTTP2         bool          `fluentbit:"http2,http_server.http2" default:"true" help:"accepted; HTTP/1.1 is spoken, which every client can"`
	MaxConns      int           `fluentbit:"max_connections,http_server.max_connections" help:"accepted; at most 128 connections are open"`
	Workers       int           `fluentbit:"workers,http_server.workers" help:"accepted; every connection is served by itself"`
	QueueEvents   config.Size   `fluentbit:"http_server.ingress_queue_event_limit" help:"accepted"`
	QueueBytes    config.Size   `fluentbit:"http_server.ingress_queue_byte_limit" help:"accepted"`
	OAuth2        bool          `fluentbit:"oauth2.validate" help:"not supported: put a proxy that checks tokens before the input"`

	TagPrefix   string           `fluentd:"add_tag_prefix" help:"put before every tag, with a dot"`
	Headers     bool             `fluentd:"add_http_headers" default:"false" help:"add the request's headers to every record, as HTTP_NAME"`
	Query       bool             `fluentd:"add_query_params" default:"false" help:"add the parameters of the request's query to every record, as QUERY_NAME"`
	Origins     []string         `fluentd:"cors_allow_origins" help:"origins of web pages that may post: *, or addresses such as https://*.example.com; unless written, all may post and none may read the answer"`
	Credentials bool             `fluentd:"cors_allow_credentials" default:"false" help:"tell web pages that they may send credentials"`
	EmptyImage  bool             `fluentd:"respond_with_empty_img" default:"false" help:"answer with an empty image"`
	NoContent   bool             `fluentd:"use_204_response" default:"false" help:"answer 204 instead of 200"`
	DumpErrors  bool             `fluentd:"dump_error_log" default:"true" help:"accepted; requests that are refused are always logged"`
	Backlog     int              `fluentd:"backlog" help:"accepted; the system's own maximum is used"`
	Blocking    string           `fluentd:"blocking_timeout" help:"accepted"`
	Parse       *parse.Spec      `fluentd:"<parse>" help:"format of the bodies; unless written, it depends on Content-Type: JSON, JSON lines, MessagePack, or a form with json= or msgpack="`
	Transport   *serve.Transport `fluentd:"<transport>" help:"TLS"`

	serve.TLS
	input.CommonOptions
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	if d == config.Fluentd {
		if o.Credentials && len(o.Origins) == 0 {
			return &config.OptionError{Option: "cors_allow_credentials", Reason: "needs cors_allow_origins"}
		}
		for _, origin := range o.Origins {
			if strings.Count(origin, "*") > 1 {
				return &config.OptionError{Option: "cors_allow_origins", Reason: "may have one * in each origin"}
			}
		}
		return o.Transport.Check()
	}
	if o.OAuth2 {
		return &config.OptionError{Option: "oauth2.validate", Reason: "is not supported; put a proxy that checks tokens before the input"}
	}
	if _, err := field.ParseAccessor(o.TagKey, d); o.TagKey != "" && err != nil {
		return &config.OptionError{Option: "tag_key", Reason: err.Error()}
	}
	for _, h := range o.SuccessHeader {
		if h.Key == "" || strings.ContainsAny(h.Key, ": \r\n") || strings.ContainsAny(h.Value, "\r\n") {
			return &config.OptionError{Option: "success_header", Reason: "must be a name and a value: X-Name value"}
		}
	}
	return o.TLS.Check()
}

// Warnings returns a line for each option that was set and does not do here what its name promises.
func (o *Options) Warnings() (w []string) {
	if o.BufferMaxSize > serve.MaxBody || o.BodyLimit != nil && *o.BodyLimit > serve.MaxBody {
		w = append(w, "the largest body of a request is 8 MiB here: clients must send more in several requests")
	}
	if !validCode(o.SuccessCode) && o.SuccessCode != 0 {
		w = append(w, fmt.Sprintf("successful_response_code %d is not 200, 201 or 204: 201 is used", o.SuccessCode))
	}
	return w
}

func validCode(n int) bool { return n == 200 || n == 201 || n == 204 }

// Listens implements input.Listener.
func (o *Options) Listens(config.Dialect) []input.Address {
	return []input.Address{input.TCP(o.Listen, o.Port)}
}
