package httpsend

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/firelane/firelane/config"
)

// AddHeaders adds the headers of an option that may be repeated: each is a name and a value. Several values of a name are
// all sent.
func AddHeaders(h http.Header, option string, list []config.Pair) error {
	for _, p := range list {
		if err := CheckHeader(p.Key, p.Value); err != nil {
			return &config.OptionError{Option: option, Reason: err.Error()}
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
		if err := CheckHeader(name, value); err != nil {
			return &config.OptionError{Option: option, Reason: err.Error()}
		}
		h.Set(name, value)
	}
	return nil
}

// credentialWords are in the names of headers that have a credential.
var credentialWords = []string{"authorization", "api-key", "api_key", "apikey", "token", "secret", "password", "insert-key", "license-key"}

// HasCredential reports whether headers, as a configuration has them, look as if one had a credential: Authorization, X-Api-Key.
func HasCredential(headers string) bool {
	headers = strings.ToLower(headers)
	for _, word := range credentialWords {
		if strings.Contains(headers, word) {
			return true
		}
	}
	return false
}
