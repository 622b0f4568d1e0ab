package httpsend

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
)

// CheckHeader reports whether a request can carry a header.
func CheckHeader[V string | []byte](name string, value V) error {
	if !isHeaderName(name) || !isHeaderValue(value) {
		return fmt.Errorf("no request can carry the header %q; want a name of letters, digits and dashes, and a value without control characters", name)
	}
	return nil
}

// isHeaderName reports whether s is a token, as RFC 9110 defines it.
func isHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isHeaderValue reports whether s has no control character but a tab.
func isHeaderValue[V string | []byte](s V) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// CheckHeaders checks the values of an option that is a list of headers.
func CheckHeaders(option string, headers []config.Pair) error {
	for _, h := range headers {
		if err := CheckHeader(h.Key, h.Value); err != nil {
			return &config.OptionError{Option: option, Reason: err.Error()}
		}
	}
	return nil
}

// ParseHash parses a hash of Fluentd's options, a JSON object of strings or name:value,name:value.
func ParseHash(option, text string) ([]config.Pair, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	var pairs []config.Pair
	if strings.HasPrefix(text, "{") {
		d := json.NewDecoder(strings.NewReader(text))
		_, err := d.Token() // the brace
		for err == nil && d.More() {
			var name json.Token
			var value string
			if name, err = d.Token(); err == nil {
				err = d.Decode(&value)
				key, _ := name.(string)
				pairs = append(pairs, config.Pair{Key: key, Value: value})
			}
		}
		if err == nil {
			_, err = d.Token()
		}
		if err == nil && d.More() {
			err = errors.New("text follows")
		}
		if err != nil {
			return nil, &config.OptionError{Option: option, Reason: `is not a JSON object of strings; want {"name": "value"}`}
		}
		return pairs, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(item, ":")
		if !ok {
			return nil, &config.OptionError{Option: option, Reason: `is not a hash; want {"name": "value"} or name:value,name:value`}
		}
		pairs = append(pairs, config.Pair{Key: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return pairs, nil
}

// GzipOnly reports whether an option compress asks for gzip, the only way that some services read. Any other word means none, as
// in Fluent Bit; warning is "" if it says so.
func GzipOnly(compress string) (gzip bool, warning string) {
	switch strings.ToLower(strings.TrimSpace(compress)) {
	case "gzip":
		return true, ""
	case "", "none", "false", "off", "no":
		return false, ""
	}
	return false, fmt.Sprintf("compress: %q has no effect; want gzip", compress)
}

// Basic is the value of the header Authorization of basic authentication.
func Basic(user string, password config.Secret) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+string(password)))
}

// ParseProxy parses an option that names a proxy, such as http://host:3128; nil for "".
func ParseProxy(option, text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &config.OptionError{Option: option, Reason: "is not the URL of a proxy; want http://host:port"}
	}
	return u, nil
}

// ApplyHeaders sets the headers of an option; later ones of the same name are added to earlier ones of the list if repeated
// is true, and replace them otherwise.
func ApplyHeaders(dst http.Header, headers []config.Pair, repeated bool) {
	set := map[string]bool{}
	for _, h := range headers {
		key := http.CanonicalHeaderKey(h.Key)
		if repeated && set[key] {
			dst.Add(key, h.Value)
		} else {
			dst.Set(key, h.Value)
		}
		set[key] = true
	}
}

// ParseURL makes the URL of a server, with the path and query uri, which begins with a slash.
func ParseURL(scheme, host string, port int, uri string) (*url.URL, error) {
	host = strings.Trim(strings.TrimSpace(host), "[]")
	switch {
	case scheme == "http" && port != 80 || scheme == "https" && port != 443:
		host = net.JoinHostPort(host, strconv.Itoa(port))
	case strings.Contains(host, ":"): // an IPv6 address
		host = "[" + host + "]"
	}
	u, err := url.Parse(scheme + "://" + host + uri)
	if err != nil {
		return nil, fmt.Errorf("%s://%s%s is not a URL; want a host, a port and a path", scheme, host, uri)
	}
	return u, nil
}
