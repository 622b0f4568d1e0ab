package http

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/record"
)

// Reasons for which requests are refused: constants, by which they are counted.
const (
	badJSON  = "bad JSON"
	notMap   = "record is not a map"
	badTag   = "bad tag"
	badType  = "bad content type"
	badForm  = "bad form"
	badPack  = "not MessagePack"
	badText  = "bad text"
	badTime  = "bad time"
	noBody   = "empty body"
	badHTTP  = "bad request"
	badWhere = "origin not allowed"
	tooMany  = "too many events"
)

// New binds the socket and returns at once. Clients that connect before Run wait.
func New(opts *Options, d config.Dialect, env input.Env) (input.Input, error) {
	s, err := listen(opts, d, env)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	return s, nil
}

func listen(o *Options, d config.Dialect, env input.Env) (*serve.HTTP, error) {
	cfg := serve.HTTPConfig{MaxBody: serve.MaxBody, IdleTime: o.IdleTimeout}
	var err error
	if d == config.Fluentd {
		if o.BodyLimit != nil {
			cfg.MaxBody = int(min(*o.BodyLimit, serve.MaxBody))
		}
		cfg.Protocol, err = newFluentd(o)
	} else {
		cfg.MaxBody = int(min(o.BufferMaxSize, serve.MaxBody))
		cfg.Protocol, err = newFluentBit(o, env.DefaultTag())
	}
	if err == nil {
		cfg.TLS, err = tlsConfig(o, d)
	}
	if err != nil {
		return nil, err
	}
	ln, err := serve.ListenTCP(env, o.Listen, o.Port)
	if err != nil {
		return nil, err
	}
	return serve.NewHTTP(ln, cfg, env), nil
}

func tlsConfig(o *Options, d config.Dialect) (*tls.Config, error) {
	if d == config.Fluentd {
		return o.Transport.Config()
	}
	return o.TLS.Config()
}

// A fluentBit is the protocol of Fluent Bit's input.
type fluentBit struct {
	opts   *Options
	tag    []byte
	tagKey field.Accessor // nil: none
	code   int
}

func newFluentBit(o *Options, id string) (*fluentBit, error) {
	p := &fluentBit{opts: o, tag: []byte(cmp.Or(o.Tag, id)), code: o.SuccessCode}
	if !validCode(p.code) {
		p.code = http.StatusCreated
	}
	if o.TagKey == "" {
		return p, nil
	}
	var err error
	p.tagKey, err = field.ParseAccessor(o.TagKey, config.FluentBit)
	return p, err
}

// Begin implements serve.Protocol.
func (p *fluentBit) Begin(x *serve.Exchange) (answered bool, r *serve.Refusal) {
	if p.opts.Health && x.Request.Method == http.MethodGet && x.Request.URL.Path == "/health" {
		x.Writer.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(x.Writer, "{\"status\":\"ok\",\"timestamp\":%q}\n", time.Now().UTC().Format(time.RFC3339Nano))
		return true, nil
	}
	if x.Request.Method != http.MethodPost {
		return false, refuse(badHTTP, "the method is "+x.Request.Method+"; want POST")
	}
	switch serve.MediaType(x.Request) {
	case "":
		return false, refuse(badType, "the header Content-Type is missing; want application/json")
	case "application/json", "application/x-ndjson", "application/x-www-form-urlencoded":
	default:
		return false, refuse(badType, "the Content-Type is unknown; want application/json, application/x-ndjson or application/x-www-form-urlencoded")
	}
	x.Tag = p.tag
	if path := strings.TrimPrefix(x.Request.URL.Path, "/"); path != "" {
		x.Tag = serve.CleanTag([]byte(path))
	}
	if len(x.Tag) > record.MaxTag {
		return false, refuse(badTag, fmt.Sprintf("the path is too long for a tag; want at most %d bytes", record.MaxTag))
	}
	return false, nil
}

func refuse(reason, text string) *serve.Refusal {
	return &serve.Refusal{Status: http.StatusBadRequest, Reason: reason, Text: text}
}

// Take implements serve.Protocol.
func (p *fluentBit) Take(x *serve.Exchange) (r *serve.Refusal) {
	if len(x.Body) == 0 {
		return refuse(noBody, "the body is empty")
	}
	if p.opts.RemoteAddr {
		if address := forwardedFor(x.Request); address != "" {
			x.Extra = len(p.opts.RemoteAddrKey) + len(address) + 10
		}
	}
	if serve.MediaType(x.Request) == "application/x-www-form-urlencoded" {
		x.Count = 1
		x.Events, r = appendForm(x.Events, x.Body)
		return r
	}
	return takeJSON(x, x.Body, appendRecord)
}

// appendRecord converts the object at the start of json to an event without a time of its own.
func appendRecord(dst, json []byte) (out, rest []byte, r *serve.Refusal) {
	out, rest, err := record.NextFromJSON(record.AppendNil(dst), json)
	if err != nil {
		return nil, nil, refuse(badJSON, "the body is not JSON: "+err.Error())
	}
	return out, rest, nil
}

// Add implements serve.Protocol.
func (p *fluentBit) Add(x *serve.Exchange) {
	address := ""
	if x.Extra > 0 {
		address = forwardedFor(x.Request)
	}
	var body, tag []byte
	serve.Each(x.Events, func(t record.Time, rec []byte) {
		if address != "" {
			if _, has := record.Find(rec, p.opts.RemoteAddrKey); !has {
				body = appendWith(body[:0], rec, 1, record.AppendStr(record.AppendStr(nil, p.opts.RemoteAddrKey), address))
				rec = body
			}
		}
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

// Answer implements serve.Protocol.
func (p *fluentBit) Answer(x *serve.Exchange) {
	for _, h := range p.opts.SuccessHeader {
		x.Writer.Header().Add(h.Key, h.Value)
	}
	x.Writer.WriteHeader(p.code)
}

// Refuse implements serve.Protocol.
func (p *fluentBit) Refuse(x *serve.Exchange, r *serve.Refusal) {
	http.Error(x.Writer, "error: "+r.Text, r.Status)
}

// forwardedFor is the first address in X-Forwarded-For.
func forwardedFor(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	return strings.TrimSpace(first)
}
