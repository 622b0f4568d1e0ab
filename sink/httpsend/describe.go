package httpsend

import (
	"net/url"
	"strconv"

	"github.com/firelane/firelane/sink"
)

// ServerOf is the server of a URL. verify is whether its certificate is verified, if it has one.
func ServerOf(u *url.URL, verify bool) sink.Server {
	s := sink.Server{Host: u.Hostname(), Port: 80, TLS: u.Scheme == "https"}
	if s.TLS {
		s.Port, s.Verify = 443, verify
	}
	if port, err := strconv.Atoi(u.Port()); err == nil {
		s.Port = port
	}
	return s
}

// Shown is a URL for people: without user, password and query, which may be secret.
func Shown(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shown.String()
}

// Describe describes an output that sends to a URL. The path is left out of its description if it is secret.
func Describe(service string, u *url.URL, verify, secretPath bool, signIn string) sink.Description {
	shown := *u
	if secretPath {
		shown.Path = ""
	}
	return sink.Description{Service: service, URL: Shown(&shown), SignIn: signIn, Servers: []sink.Server{ServerOf(u, verify)}}
}

// BasicUser says for people that a user signs in by basic authentication; "" without a user.
func BasicUser(user string) string {
	if user == "" {
		return ""
	}
	return "user " + user + " and password (basic authentication)"
}
