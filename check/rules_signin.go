package check

import (
	"net"
	"strings"

	"github.com/firelane/firelane/sink/httpsend"
)

// signInRules are about users, passwords and keys: F312 to F316.
func signInRules() []Rule {
	return []Rule{
		{"F312", "half-a-login", Warning, "there is a user without a password, or a password without a user", eachOutlet(halfLogin)},
		{"F313", "two-logins", Warning, "there are two ways to sign in, of which one counts", eachOutlet(twoLogins)},
		{"F314", "secret-in-file", Warning, "a password, token or key is written into the configuration, where everybody reads it who gets the image or the repository", secretInFile},
		{"F316", "login-in-clear", Warning, "a password or key is sent without TLS to a server outside of the task's network", eachOutlet(loginInClear)},
	}
}

// logins are options for user and password that belong together.
var logins = [][2]string{{"http_user", "http_passwd"}, {"user", "password"}, {"username", "password"}, {"rdkafka.sasl.username", "rdkafka.sasl.password"}, {"auth.username", "auth.password"}}

func halfLogin(o *outlet) {
	for _, l := range logins {
		_, hasUser := o.given(l[0])
		_, hasPassword := o.given(l[1])
		if hasUser == hasPassword || !hasUser && (o.set("user", "username", "http_user") || l[1] == "password" && o.hasOther(l)) {
			continue
		}
		if hasUser && o.set("http_api_key", "api_key") || o.Instance.Name == "syslog" {
			continue
		}
		if hasUser {
			o.tell(o.found(Warning, o.spot(l[0]), nil, l[1]+" with the user's password", "There is %s, and no %s: each request has the user with an empty password. A server that wants a password refuses it, and all records wait", l[0], l[1]))
		} else if !o.set("splunk_token") {
			o.tell(o.found(Warning, o.spot(l[1]), nil, l[0], "There is %s, and no %s: nothing is sent of either, and a server that wants a user refuses all records", l[1], l[0]))
		}
		return
	}
}

// hasOther reports whether the output's struct has another name for the user of a password.
func (o *outlet) hasOther(l [2]string) bool {
	for _, other := range logins {
		if other[1] == l[1] && other[0] != l[0] && o.set(other[0]) {
			return true
		}
	}
	return false
}

func twoLogins(o *outlet) {
	type way struct {
		option, name string
		on           bool
		off          []string // the options to remove
	}
	ways := []way{ // those before have precedence
		{"aws_auth", "the signature for AWS (aws_auth)", o.switchedOn("aws_auth"), []string{"aws_auth"}},
		{"endpoint.url", "the signature for AWS (<endpoint>)", o.set("endpoint.url"), []string{"endpoint.url"}},
		{"http_api_key", "the API key", o.set("http_api_key", "api_key") && !strings.Contains(o.Instance.Name, "datadog") && !strings.Contains(o.Instance.Name, "newrelic"), []string{"http_api_key", "api_key"}},
		{"http_user", "the user and password", o.set("http_user", "user") && (o.set("http_passwd", "password")), []string{"http_user", "user", "http_passwd", "password"}},
		{"cloud_auth", "cloud_auth", o.set("cloud_auth"), []string{"cloud_auth"}},
		{"bearer_token", "the bearer token", o.set("bearer_token", "bearer_token_file"), []string{"bearer_token", "bearer_token_file"}},
		{"splunk_token", "the token", o.set("splunk_token") && o.set("http_user") && o.set("http_passwd"), []string{"splunk_token"}},
	}
	var on []way
	for _, w := range ways {
		if w.on {
			on = append(on, w)
		}
	}
	if len(on) < 2 {
		return
	}
	o.tell(o.found(Warning, o.spot(on[1].option, "user", "api_key"), nil, o.withoutOne(on[0].off, on[1].off), "There are two ways to sign in: %s is used, not %s", on[0].name, on[1].name))
}

// withoutOne says which options to remove so that one of two ways to sign in is left: those of either that the output has.
func (o *outlet) withoutOne(used, unused []string) string {
	given := func(names []string) string {
		var list []string
		for _, name := range names {
			if g, ok := o.given(name); ok {
				list = append(list, g.Name)
			}
		}
		return enumerate(list)
	}
	text := "without " + given(unused)
	if other := given(used); other != "" {
		text += "; or without " + other + ", if the other way is meant"
	}
	return text
}

// secretInFile tells of secrets that stand in a file of the configuration. Those in a task definition are F511's.
func secretInFile(s *Subject, tell func(Finding)) {
	for _, in := range allInstances(s.usable()) {
		for _, g := range in.Given {
			if !g.Secret || len(g.Value) < 2 || s.Place(g.Pos).Path != "" || !holdsSecret(g.Name, g.Value) {
				continue
			}
			line, ok := s.lineAt(s.Place(g.Pos).Pos)
			if !ok || !strings.Contains(line, g.Value) || strings.Contains(line, "${") || strings.Contains(line, "#{") || isPlaceholderText(g.Value) {
				continue // a variable's value, or an example
			}
			want := "${NAME}, and NAME in the task's secrets"
			if s.fluentd() {
				want = `"#{ENV['NAME']}", and NAME in the task's secrets`
			}
			tell(s.found(Warning, g.Pos, nil, want, "The value of %s is written into the file: everybody knows it who gets the image or the repository", g.Name))
		}
	}
}

// holdsSecret reports whether the value of an option that may hold a secret looks as if it did.
func holdsSecret(option, value string) bool {
	switch name := strings.ToLower(option); {
	case name == "command":
		return false
	case strings.Contains(name, "header"):
		return httpsend.HasCredential(value)
	case strings.Contains(name, "proxy"):
		return strings.Contains(value, "@")
	case name == "rdkafka_options":
		return strings.Contains(value, "password") || strings.Contains(value, "secret")
	}
	return true
}

// isPlaceholderText reports whether a secret is one of an example: xxx, <token>, changeme.
func isPlaceholderText(value string) bool {
	v := strings.ToLower(strings.Trim(value, `"' `))
	return v == "" || strings.Trim(v, "x*.-_") == "" || strings.HasPrefix(v, "<") || strings.HasPrefix(v, "$") || strings.HasPrefix(v, "{{") ||
		strings.Contains(v, "your") || strings.Contains(v, "replace") || strings.HasPrefix(v, "changeme")
}

func loginInClear(o *outlet) {
	s, ok := o.remote()
	ip := net.ParseIP(s.Host)
	private := isLocal(s.Host) || !strings.Contains(s.Host, ".") || ip != nil && ip.IsPrivate()
	for _, end := range []string{".local", ".internal", ".svc", ".cluster.local", ".lan", ".home", ".test", ".localhost"} {
		private = private || strings.HasSuffix(s.Host, end)
	}
	if !ok || s.TLS || private || o.desc.SignIn == "" || isOnlyTLS(s.Host) || s.Port == 443 { // F301 and F302
		return
	}
	want, fix := o.turnOnTLS()
	o.tell(o.found(Warning, o.spot("tls", "scheme", "host", "hosts", "endpoint"), fix, want,
		"%s is asked without TLS, and gets credentials (%s): everybody on the way can read and use them", s.Host, strings.TrimSuffix(o.desc.SignIn, " (basic authentication)")))
}
