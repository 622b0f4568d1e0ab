package http

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

// maxForm is how many bytes a form may have, and what it escapes.
const maxForm = 1 << 20

// emptyImage is a transparent GIF of one pixel.
const emptyImage = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// A fluentd is the protocol of Fluentd's input.
type fluentd struct {
	opts   *Options
	json   *parse.Parser // of each record; it may have a time
	parser *parse.Parser // of whole bodies; nil: by their Content-Type
}

func newFluentd(o *Options) (*fluentd, error) {
	spec := &parse.Spec{Type: "json", TimeKey: "time", Localtime: true}
	if o.Parse != nil && o.Parse.Type == "json" {
		spec = o.Parse
	}
	p := &fluentd{opts: o}
	var err error
	if p.json, err = spec.Parser(false); err == nil && o.Parse != nil && o.Parse.Type != "json" {
		p.parser, err = o.Parse.Parser(false)
	}
	return p, err
}

// Begin implements serve.Protocol.
func (p *fluentd) Begin(x *serve.Exchange) (answered bool, r *serve.Refusal) {
	if x.Request.Method == http.MethodGet && !p.inQuery(x.Request) { // a load balancer's health check, for example
		x.Writer.WriteHeader(http.StatusOK)
		return true, nil
	}
	origin := x.Request.Header.Get("Origin")
	allowed := p.allows(origin)
	if x.Request.Method == http.MethodOptions {
		if !allowed || x.Request.Header.Get("Access-Control-Request-Method") == "" {
			return false, &serve.Refusal{Status: http.StatusForbidden, Reason: badWhere, Text: "the origin of the web page is not allowed"}
		}
		p.allow(x, origin)
		h := x.Writer.Header()
		h.Set("Access-Control-Allow-Methods", "POST")
		if names := x.Request.Header.Get("Access-Control-Request-Headers"); names != "" {
			h.Set("Access-Control-Allow-Headers", names)
		}
		x.Writer.WriteHeader(http.StatusOK)
		return true, nil
	}
	if origin != "" && len(p.opts.Origins) > 0 && !allowed {
		return false, &serve.Refusal{Status: http.StatusForbidden, Reason: badWhere, Text: "the origin of the web page is not allowed"}
	}
	parts := strings.FieldsFunc(x.Request.URL.Path, func(c rune) bool { return c == '/' })
	if len(parts) == 0 {
		return false, refuse(badTag, "the path is empty; want one that is the tag: /app.access")
	}
	if p.opts.TagPrefix != "" {
		parts = append([]string{p.opts.TagPrefix}, parts...)
	}
	if x.Tag = []byte(strings.Join(parts, ".")); len(x.Tag) > record.MaxTag {
		return false, refuse(badTag, fmt.Sprintf("the path is too long for a tag; want at most %d bytes", record.MaxTag))
	}
	return false, nil
}

// inQuery reports whether a request has its events in the query.
func (p *fluentd) inQuery(r *http.Request) bool {
	query := []byte(r.URL.RawQuery)
	_, packed := param(query, "msgpack")
	_, text := param(query, "json")
	return p.opts.Parse == nil && (packed || text)
}

// allows reports whether cors_allow_origins has an origin.
func (p *fluentd) allows(origin string) bool {
	return origin != "" && slices.ContainsFunc(p.opts.Origins, func(o string) bool {
		before, after, pattern := strings.Cut(o, "*")
		return o == origin || pattern && len(origin) >= len(o)-1 && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
	})
}

// allow sets the headers for a web page's origin.
func (p *fluentd) allow(x *serve.Exchange, origin string) {
	h := x.Writer.Header()
	if slices.Contains(p.opts.Origins, "*") && !p.opts.Credentials {
		origin = "*"
	} else {
		h.Add("Vary", "Origin")
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if p.opts.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// Take implements serve.Protocol.
func (p *fluentd) Take(x *serve.Exchange) (r *serve.Refusal) {
	query := []byte(x.Request.URL.RawQuery)
	if text, ok := param(query, "time"); ok {
		if _, ok := parse.NumericTime(text, true); !ok {
			return refuse(badTime, "the parameter time is not a number of seconds")
		}
	}
	_, fields := p.fields(x.Request)
	x.Extra = len(fields)
	if p.parser != nil {
		return p.takeText(x)
	}
	if p.opts.Parse != nil {
		return p.takeJSON(x, x.Body)
	}
	form := query
	switch serve.MediaType(x.Request) {
	case "application/json", "application/csp-report", "application/x-ndjson":
		return p.takeJSON(x, x.Body)
	case "application/msgpack":
		return takePack(x, x.Body)
	case "application/x-www-form-urlencoded":
		if len(x.Body) > maxForm {
			return &serve.Refusal{Status: http.StatusRequestEntityTooLarge, Reason: badForm, Text: fmt.Sprintf("the form is larger than %d bytes", maxForm)}
		}
		form = append(append(slices.Clip(x.Body), '&'), query...)
	}
	if v, ok := param(form, "msgpack"); ok {
		return takePack(x, v)
	}
	if v, ok := param(form, "json"); ok {
		return p.takeJSON(x, v)
	}
	return refuse(badForm, "the parameter json or msgpack is required; or send a body with the Content-Type application/json, application/x-ndjson or application/msgpack")
}

// param returns the first parameter of that name, without escapes.
func param(form []byte, name string) (value []byte, ok bool) {
	for n, v := range pairs(form) {
		if string(n) == name {
			return unescape(bytes.Clone(v)), true
		}
	}
	return nil, false
}

func (p *fluentd) takeJSON(x *serve.Exchange, text []byte) *serve.Refusal {
	var unused []byte
	return takeJSON(x, text, func(dst, json []byte) (out, rest []byte, r *serve.Refusal) {
		value, rest, err := record.NextFromJSON(unused[:0], json)
		if err != nil {
			return nil, nil, refuse(badJSON, "the body is not JSON: "+err.Error())
		}
		unused = value
		out, ok := appendParsed(dst, json[:len(json)-len(rest)], p.json)
		if !ok {
			return nil, nil, refuse(badText, "a record can't be parsed")
		}
		return out, rest, nil
	})
}

// appendParsed appends the pair of a text.
func appendParsed(dst, text []byte, parser *parse.Parser) (out []byte, ok bool) {
	never := record.Time{Sec: 1, Nsec: 1} // a text without a time leaves it
	at := never
	head := len(dst)
	dst = record.AppendTime(dst, at)
	body := len(dst)
	if out, ok = parser.Parse(dst, text, &at); !ok {
		return dst[:head], false
	}
	if at != never {
		record.AppendTime(out[:head], at)
		return out, true
	}
	record.AppendNil(out[:head])
	return append(out[:head+1], out[body:]...), true
}

// takeText takes a body that is one record in the format of <parse>.
func (p *fluentd) takeText(x *serve.Exchange) *serve.Refusal {
	var ok bool
	x.Count = 1
	if x.Events, ok = appendParsed(x.Events, x.Body, p.parser); !ok {
		return refuse(badText, "the body can't be parsed as "+p.opts.Parse.Type)
	}
	return nil
}

// takePack takes MessagePack: a map, or an array of maps.
func takePack(x *serve.Exchange, b []byte) *serve.Refusal {
	if n, err := record.Check(b); err != nil || n != len(b) {
		return refuse(badPack, "the body is not one value of MessagePack")
	}
	n, rest, err := record.ArrayHeader(b)
	if err != nil {
		n, rest = 1, b
	}
	if x.Count = n; n > serve.MaxEvents {
		return &serve.Refusal{Status: http.StatusRequestEntityTooLarge, Reason: tooMany, Text: fmt.Sprintf("a request may have %d events", serve.MaxEvents)}
	}
	for range n {
		if record.KindOf(rest[0]) != record.KindMap {
			return refuse(notMap, "a record is not a map")
		}
		size, _ := record.Check(rest) // a part of what was checked
		x.Events = x.Drain(append(record.AppendNil(x.Events), rest[:size]...))
		rest = rest[size:]
	}
	return nil
}

// Add implements serve.Protocol.
func (p *fluentd) Add(x *serve.Exchange) {
	n, fields := p.fields(x.Request)
	var at *record.Time
	if text, ok := param([]byte(x.Request.URL.RawQuery), "time"); ok {
		t, _ := parse.NumericTime(text, true)
		at = &t
	}
	var body []byte
	serve.Each(x.Events, func(t record.Time, rec []byte) {
		if at != nil {
			t = *at
		}
		if n > 0 {
			body = appendWith(body[:0], rec, n, fields)
			rec = body
		}
		x.Recv.Add(x.Tag, t, rec)
	})
}

// fields are what every record of a request gets, encoded.
func (p *fluentd) fields(r *http.Request) (n int, fields []byte) {
	add := func(key, value string) {
		fields = record.AppendStr(record.AppendStr(fields, key), value)
		n++
	}
	upper := func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
	if p.opts.Headers {
		add("HTTP_HOST", r.Host)
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			add("HTTP_"+upper(name), strings.Join(r.Header[name], ", "))
		}
	}
	if p.opts.Query {
		for name, value := range pairs([]byte(r.URL.RawQuery)) {
			add("QUERY_"+upper(string(name)), string(unescape(bytes.Clone(value))))
		}
	}
	if p.opts.RemoteAddr {
		address := forwardedFor(r)
		if address == "" {
			address, _, _ = net.SplitHostPort(r.RemoteAddr)
		}
		add("REMOTE_ADDR", address)
	}
	return n, fields
}

// Answer implements serve.Protocol.
func (p *fluentd) Answer(x *serve.Exchange) {
	if origin := x.Request.Header.Get("Origin"); p.allows(origin) {
		p.allow(x, origin)
	}
	switch h := x.Writer.Header(); {
	case p.opts.EmptyImage:
		h.Set("Content-Type", "image/gif; charset=utf-8")
		_, _ = x.Writer.Write([]byte(emptyImage)) // a client that has gone needs none
	case p.opts.NoContent:
		x.Writer.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Content-Type", "text/plain")
		x.Writer.WriteHeader(http.StatusOK)
	}
}

// Refuse implements serve.Protocol.
func (p *fluentd) Refuse(x *serve.Exchange, r *serve.Refusal) {
	http.Error(x.Writer, fmt.Sprintf("%d %s\n%s", r.Status, http.StatusText(r.Status), r.Text), r.Status)
}
