package examples

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// newInstance starts the metadata service of an EC2 instance, version 2 of its protocol, and returns its URL.
func newInstance(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "imds-token") })
	for path, text := range map[string]string{"instance-id": "i-0123456789abcdef0", "placement/availability-zone": region + "a"} {
		mux.HandleFunc("GET /latest/meta-data/"+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-aws-ec2-metadata-token") != "imds-token" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, text)
		})
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}
