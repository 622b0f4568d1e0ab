package httpout

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// An endpoint is Fluentd's URL.
type endpoint struct {
	fixed   *url.URL        // nil: it depends on the record
	text    *field.Template // otherwise
	scheme  string
	anyHost bool // the host depends on the record
	allowed []string
}

// parseEndpoint parses the option endpoint.
func parseEndpoint(o *Options) (*endpoint, error) {
	wrong := func(reason string) error { return &config.OptionError{Option: "endpoint", Reason: reason} }
	text := strings.TrimSpace(o.Endpoint)
	scheme, rest, ok := strings.Cut(text, "://")
	if scheme = strings.ToLower(scheme); !ok || scheme != "http" && scheme != "https" {
		return nil, wrong(fmt.Sprintf("%q is not a URL; want http://host or https://host", httpsend.Clip(scheme, 40)))
	}
	zone, err := o.TimekeyZone()
	if err != nil {
		return nil, &config.OptionError{Option: "timekey_zone", Reason: err.Error()}
	}
	t, err := field.ParseTemplate(text, field.Notation{Dialect: config.Fluentd, Strftime: !escapes(text), Zone: zone, Clean: cleanURL})
	if err != nil {
		return nil, wrong(err.Error())
	}
	e := &endpoint{text: t, scheme: scheme, allowed: o.Allowed}
	if fixed, ok := t.Text(); ok {
		if e.fixed, err = url.Parse(fixed); err != nil || e.fixed.Host == "" {
			return nil, wrong("is not a URL; want https://host/path")
		}
		return e, nil
	}
	host := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 && !strings.Contains(rest[:i], "${") {
		host = rest[:i]
	}
	if e.anyHost = strings.ContainsAny(host, "$%"); e.anyHost && len(o.Allowed) == 0 {
		return nil, &config.OptionError{Option: "allowed_hosts", Reason: "is missing; want the hosts that the placeholders of endpoint may become"}
	}
	return e, nil
}

// escapes reports whether a URL without placeholders has %20 and the like, which are no conversions of strftime.
func escapes(text string) bool {
	for i := strings.IndexByte(text, '%'); i >= 0 && i+2 < len(text); {
		if isHex(text[i+1]) && isHex(text[i+2]) {
			return true
		}
		next := strings.IndexByte(text[i+1:], '%')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return false
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// cleanURL escapes what a placeholder's value must not bring into a URL. A slash stays.
func cleanURL(dst []byte, start int) []byte {
	const unescaped = "-._~/:@!$&'()*+,;="
	for _, c := range dst[start:] {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && strings.IndexByte(unescaped, c) < 0 {
				value := bytes.Clone(dst[start:]) // rare
				return escape(dst[:start], value, unescaped)
			}
		}
	}
	return dst
}

func escape(dst, value []byte, unescaped string) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range value {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if letter || strings.IndexByte(unescaped, c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// resolve parses the URL that was made for a record.
func (e *endpoint) resolve(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("endpoint: %q is not a URL", httpsend.Clip(text, 200))
	}
	if e.anyHost && !slices.Contains(e.allowed, u.Hostname()) {
		return nil, fmt.Errorf("endpoint: the host %q is not in allowed_hosts", u.Hostname())
	}
	return u, nil
}

// A header is one whose value depends on the record.
type header struct {
	name  string
	value *field.Template
}

// parseHeaders returns the headers whose values depend on the record.
func parseHeaders(o *Options, d config.Dialect) (list []header, err error) {
	if d == config.FluentBit {
		if o.HeaderTag == "" {
			return nil, nil
		}
		tag, err := field.ParseTemplate("${tag}", field.Notation{Dialect: config.Fluentd})
		return []header{{o.HeaderTag, tag}}, err
	}
	pairs, err := httpsend.ParseHash("headers_from_placeholders", string(o.FromFields))
	if err != nil {
		return nil, err
	}
	zone, err := o.TimekeyZone()
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		t, err := field.ParseTemplate(p.Value, field.Notation{Dialect: d, Zone: zone})
		if err == nil {
			err = httpsend.CheckHeader(p.Key, "")
		}
		if err != nil {
			return nil, &config.OptionError{Option: "headers_from_placeholders", Reason: err.Error()}
		}
		list = append(list, header{p.Key, t})
	}
	return list, nil
}

// A keyed is a Destination whose URL or headers depend on the record: those of a request are the key. The URL comes first,
// the values of the headers follow, each after a zero byte.
type keyed struct{ *Destination }

var _ sink.Keyer = keyed{}

// Key implements sink.Keyer.
func (k keyed) Key(dst []byte, r *sink.Record) ([]byte, error) {
	start := len(dst)
	if e := k.endpoint; e != nil && e.fixed == nil {
		dst = e.text.Append(dst, &r.Event)
	}
	for i := range k.perKey {
		from := len(dst) + 1
		dst = k.perKey[i].value.Append(append(dst, 0), &r.Event)
		if err := httpsend.CheckHeader(k.perKey[i].name, dst[from:]); err != nil {
			return dst[:start], err
		}
	}
	return dst, nil
}

// Target implements sink.Targeter: the key may have values that the dead letter must not have.
func (k keyed) Target([]byte) string { return "" }

// post returns the part of a request that depends on its key.
func (d *Destination) post(key []byte) (p httpsend.Post, err error) {
	text, values, _ := strings.Cut(string(key), "\x00") // a URL has none
	if e := d.endpoint; e != nil && e.fixed == nil {
		if p.URL, err = e.resolve(text); err != nil {
			return p, err
		}
	}
	if len(d.perKey) > 0 {
		p.Header = http.Header{}
		list := strings.Split(values, "\x00")
		for i := range d.perKey {
			p.Header[http.CanonicalHeaderKey(d.perKey[i].name)] = list[i : i+1]
		}
	}
	return p, nil
}

// timeoutOr returns the option's time, or another one.
func timeoutOr(t *time.Duration, other time.Duration) time.Duration {
	if t != nil && *t > 0 {
		return *t
	}
	return other
}
