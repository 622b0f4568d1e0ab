package bulk

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
)

// A server is one server's address and credentials, as configured.
type server struct {
	scheme         string
	host           string // name or address, IPv6 without brackets
	port           int
	path           string // "" or /prefix
	user, password string
}

// url returns the server's base URL, without the scheme's default port, since AWS signs the Host header without it.
func (p *server) url() string {
	host := p.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if !(p.scheme == "https" && p.port == 443 || p.scheme == "http" && p.port == 80) {
		host = net.JoinHostPort(p.host, strconv.Itoa(p.port))
	}
	return p.scheme + "://" + host + p.path
}

// configuredServers returns the servers that the options name.
func configuredServers(o *Options, d config.Dialect) ([]server, error) {
	base := defaultServer(o, d)
	switch {
	case o.Endpoint != nil:
		p, err := parseHost(o.Endpoint.URL, server{scheme: "https"})
		return []server{p}, err
	case o.CloudID != "":
		u, err := cloudURL(o.CloudID)
		if err != nil {
			return nil, err
		}
		p, err := parseHost(u, base)
		if user, password, ok := strings.Cut(string(o.CloudAuth), ":"); ok {
			p.user, p.password = user, password
		}
		return []server{p}, err
	case o.Upstream != "":
		return readUpstream(o.Upstream, base)
	case o.Hosts != "":
		return parseHosts(o.Hosts, o)
	}
	return []server{base}, nil
}

// defaultServer returns the server that host, port, path and the like describe. The host may be a URL.
func defaultServer(o *Options, d config.Dialect) server {
	p := server{scheme: "http", port: o.Port, path: cleanPath(o.Path), user: o.User, password: string(o.Password)}
	if d == config.Fluentd {
		p.user, p.password = literal(p.user), literal(p.password)
	}
	if user, password, ok := strings.Cut(string(o.CloudAuth), ":"); ok && p.user == "" {
		p.user, p.password = user, password
	}
	if d == config.FluentBit && o.TLS || d == config.Fluentd && o.Scheme == "https" {
		p.scheme = "https"
	}
	host := strings.TrimSpace(o.Host)
	q, err := parseHost(host, p)
	if err != nil {
		p.host = host
		return p
	}
	// A URL without a port gets the option's. But with https and the option at its default, it gets 443.
	if u, err := url.Parse(host); err == nil && strings.Contains(host, "://") && u.Port() == "" &&
		(o.Port != defaultPort || q.scheme == "http") {
		q.port = o.Port
	}
	return q
}

// defaultPort is the port that servers listen on by default.
const defaultPort = 9200

// parseHosts parses Fluentd's hosts: a list of host, host:port or URLs, separated by commas.
func parseHosts(list string, o *Options) ([]server, error) {
	defaults := server{scheme: o.Scheme, port: o.Port, path: cleanPath(o.Path), user: literal(o.User), password: literal(string(o.Password))}
	var out []server
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		p, err := parseHost(encodeUser(s), defaults)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, errors.New("is empty; want host:port or URLs, separated by commas")
	}
	return out, nil
}

// literal returns the text in %{…}, which Fluentd's plugins encode for a URL, or s if there is none.
func literal(s string) string {
	_, text, found := strings.Cut(s, "%{")
	end := strings.LastIndexByte(text, '}')
	if !found || end < 0 {
		return s
	}
	return text[:end]
}

// encodeUser encodes, in a URL, %{user}:%{password}@.
func encodeUser(s string) string {
	scheme, rest, found := strings.Cut(s, "%{")
	end := strings.LastIndex(rest, "}@")
	if !found || end < 0 {
		return s
	}
	user, password, found := strings.Cut(rest[:end], "}:%{")
	if !found {
		return s
	}
	return scheme + url.UserPassword(user, password).String() + rest[end+1:]
}

// parseHost parses a host, host:port or URL, and takes the parts that are missing from defaults. The exception is the port
// of a URL, which then is that of the URL's scheme.
func parseHost(s string, defaults server) (server, error) {
	p, written := defaults, s
	if !strings.Contains(s, "://") {
		if ip := net.ParseIP(strings.Trim(s, "[]")); ip != nil {
			p.host = ip.String()
			return p, nil
		}
		s = p.scheme + "://" + s
	} else {
		p.port = 0
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return server{}, fmt.Errorf("%q is not a host; want name, name:port or http(s)://name:port/path", withoutUser(written))
	}
	p.scheme, p.host = u.Scheme, u.Hostname()
	if u.Port() != "" {
		if p.port, err = strconv.Atoi(u.Port()); err != nil || p.port < 1 || p.port > 65535 {
			return server{}, fmt.Errorf("%q: the port is not a number from 1 to 65535", withoutUser(s))
		}
	}
	if p.port == 0 {
		p.port = 80
		if p.scheme == "https" {
			p.port = 443
		}
	}
	if path := cleanPath(u.Path); path != "" {
		p.path = path
	}
	if u.User != nil {
		p.user = u.User.Username()
		p.password, _ = u.User.Password()
	}
	return p, nil
}

// withoutUser masks the user and password in a URL, which needn't be well-formed.
func withoutUser(s string) string {
	scheme, rest, _ := strings.Cut(s, "://")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return scheme + "://***" + rest[at:]
	}
	return s
}

// cleanPath returns a path with a slash at its start and none at its end; the root is "".
func cleanPath(s string) string {
	if s = strings.Trim(s, "/ "); s == "" {
		return ""
	}
	return "/" + s
}

// cloudURL returns the URL in an Elastic Cloud ID, which is name:BASE64 of domain[:port]$cluster[:port]$kibana.
func cloudURL(id string) (string, error) {
	_, b64, ok := strings.Cut(id, ":")
	if !ok {
		b64 = id
	}
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		if raw, err = base64.RawStdEncoding.DecodeString(b64); err != nil {
			return "", errors.New("is not a Cloud ID; want name:BASE64, as in Elastic's console")
		}
	}
	parts := strings.Split(string(raw), "$")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", errors.New("is not a Cloud ID; want domain$cluster$kibana in its Base64 part")
	}
	domain, port, _ := strings.Cut(parts[0], ":")
	cluster, clusterPort, ok := strings.Cut(parts[1], ":")
	if ok {
		port = clusterPort
	}
	if port == "" {
		port = "443"
	}
	return "https://" + cluster + "." + domain + ":" + port, nil
}

// readUpstream reads Fluent Bit's upstream file: [NODE] sections, each with host, port and tls.
func readUpstream(file string, defaults server) ([]server, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the upstream file: %w", err)
	}
	defer f.Close()
	var out []server
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if strings.EqualFold(line, "[NODE]") {
			p := defaults
			p.host = ""
			out = append(out, p)
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		if value = strings.TrimSpace(value); len(out) == 0 || value == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p := &out[len(out)-1]
		switch strings.ToLower(key) {
		case "host":
			p.host = value
		case "port":
			if p.port, err = strconv.Atoi(value); err != nil {
				return nil, fmt.Errorf("%s: port %q is not a number", file, value)
			}
		case "tls":
			p.scheme = "http"
			if v := strings.ToLower(value); v == "on" || v == "true" || v == "yes" {
				p.scheme = "https"
			}
		}
	}
	for i := range out {
		if out[i].host == "" {
			return nil, fmt.Errorf("%s: a [NODE] has no host", file)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: there is no [NODE]", file)
	}
	return out, nil
}
