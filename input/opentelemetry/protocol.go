package opentelemetry

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/record"
)

// Reasons for which requests are refused: constants, by which they are counted.
const (
	badBody  = "bad OTLP"
	badType  = "bad content type"
	badHTTP  = "bad request"
	notLogs  = "not logs"
	tooLarge = "too many events"
)

const (
	asProtobuf = "application/x-protobuf"
	asJSON     = "application/json"
)

// A protocol is OTLP/HTTP (OpenTelemetry Protocol Specification, "OTLP/HTTP").
type protocol struct {
	opts   *Options
	tag    []byte
	tagKey field.Accessor // nil: none
	code   int
	shape  shape
}

func refuse(status int, reason, text string) *serve.Refusal {
	return &serve.Refusal{Status: status, Reason: reason, Text: text}
}

// Begin implements serve.Protocol.
func (p *protocol) Begin(x *serve.Exchange) (answered bool, r *serve.Refusal) {
	switch x.Request.URL.Path {
	case "/v1/logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export":
	case "/v1/traces", "/v1/metrics", "/v1development/profiles":
		return false, refuse(http.StatusNotFound, notLogs, "logs alone are taken here, at /v1/logs")
	default:
		return false, refuse(http.StatusNotFound, badHTTP, "the path is unknown; want /v1/logs")
	}
	if x.Request.Method != http.MethodPost {
		return false, refuse(http.StatusMethodNotAllowed, badHTTP, "the method is "+x.Request.Method+"; want POST")
	}
	if t := serve.MediaType(x.Request); t != asProtobuf && t != asJSON {
		return false, refuse(http.StatusUnsupportedMediaType, badType, "the Content-Type is unknown; want application/x-protobuf or application/json")
	}
	x.Tag = p.tag
	return false, nil
}

// Take implements serve.Protocol.
func (p *protocol) Take(x *serve.Exchange) *serve.Refusal {
	c := &converter{shape: p.shape, x: x, out: x.Events}
	var err error
	if serve.MediaType(x.Request) == asProtobuf {
		err = c.protobuf(x.Body)
	} else {
		err = c.json(x.Body)
	}
	x.Events, x.Count = c.out, c.count
	switch {
	case errors.Is(err, errTooMany):
		return refuse(http.StatusRequestEntityTooLarge, tooLarge, err.Error())
	case err != nil:
		return refuse(http.StatusBadRequest, badBody, err.Error())
	}
	return nil
}

// Add implements serve.Protocol.
func (p *protocol) Add(x *serve.Exchange) {
	var tag []byte
	serve.Each(x.Events, func(t record.Time, rec []byte) {
		of := x.Tag
		if v, ok := p.tagKey.Get(rec); ok {
			if s, ok := record.Text(v); ok && len(s) > 0 && len(s) <= record.MaxTag {
				tag = serve.CleanTag(append(tag[:0], s...))
				of = tag
			}
		}
		x.Recv.Add(of, t, rec)
	})
}

// Answer implements serve.Protocol. An ExportLogsServiceResponse without fields means that all was taken.
func (p *protocol) Answer(x *serve.Exchange) {
	t := serve.MediaType(x.Request)
	if p.code == http.StatusNoContent {
		x.Writer.WriteHeader(p.code)
		return
	}
	x.Writer.Header().Set("Content-Type", t)
	x.Writer.WriteHeader(p.code)
	if t == asJSON {
		_, _ = x.Writer.Write([]byte("{}")) // a client that has gone needs none
	}
}

// The codes of gRPC that a google.rpc.Status has.
const (
	invalidArgument = 3
	unavailable     = 14
)

// Refuse implements serve.Protocol: the body is a google.rpc.Status.
func (p *protocol) Refuse(x *serve.Exchange, r *serve.Refusal) {
	code := invalidArgument
	if r.Status == http.StatusServiceUnavailable {
		code = unavailable
	}
	if serve.MediaType(x.Request) == asProtobuf {
		x.Writer.Header().Set("Content-Type", asProtobuf)
		x.Writer.WriteHeader(r.Status)
		_, _ = x.Writer.Write(appendStatus(nil, code, r.Text))
		return
	}
	x.Writer.Header().Set("Content-Type", asJSON)
	x.Writer.WriteHeader(r.Status)
	text := record.AppendJSONString(fmt.Appendf(nil, `{"code":%d,"message":`, code), []byte(r.Text))
	_, _ = x.Writer.Write(append(text, "}\n"...))
}
