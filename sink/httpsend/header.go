package httpsend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/firelane/firelane/config"
)

// AddHeaders adds the headers of an option that may be repeated: each is a name and a value. Several values of a name are
// all sent.
func AddHeaders(h http.Header, option string, list []config.Pair) error {
	for _, p := range list {
		if !validHeader(p.Key, p.Value) {
			return headerError(option, p.Key)
		}
		h.Add(p.Key, p.Value)
	}
	return nil
}

// SetHeaders sets the headers of an option that is a JSON object; "" is none.
func SetHeaders(h http.Header, option, object string) error {
	if object == "" {
		return nil
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		return &config.OptionError{Option: option, Reason: `is not a JSON object of strings; want {"name": "value"}`}
	}
	for name, value := range m {
		if !validHeader(name, value) {
			return headerError(option, name)
		}
		h.Set(name, value)
	}
	return nil
}

func headerError(option, name string) error {
	return &config.OptionError{Option: option, Reason: fmt.Sprintf("no request can carry the header %q; want a name of letters, digits and dashes, and a value without control characters", name)}
}

// validHeader reports whether name is a token, as RFC 9110 defines it, and value has no control character but a tab.
func validHeader(name, value string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return name != ""
}
