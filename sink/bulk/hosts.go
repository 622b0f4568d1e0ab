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

// A place is one server as it is configured.
type place struct {
	scheme         string
	host           string // name or address, IPv6 without brackets
	port           int
	path           string // "" or /prefix
	user, password string
}

// url is the place's base URL. A port that the scheme implies is left out: AWS signs the Host header without it.
func (p *place) url() string {
	host := p.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if !(p.scheme == "https" && p.port == 443 || p.scheme == "http" && p.port == 80) {
		host = net.JoinHostPort(p.host, strconv.Itoa(p.port))
	}
	return p.scheme + "://" + host + p.path
}

// places are the servers that the options name.
func places(o *Options, d config.Dialect) ([]place, error) {
	own := defaultPlace(o, d)
	switch {
	case o.Endpoint != nil:
		p, err := parseHost(o.Endpoint.URL, place{scheme: "https"})
		return []place{p}, err
	case o.CloudID != "":
		base, err := cloudURL(o.CloudID)
		if err != nil {
			return nil, err
		}
		p, err := parseHost(base, own)
		if user, password, ok := strings.Cut(string(o.CloudAuth), ":"); ok {
			p.user, p.password = user, password
		}
		return []place{p}, err
	case o.Upstream != "":
		return readUpstream(o.Upstream, own)
	case o.Hosts != "":
		return parseHosts(o.Hosts, o)
	}
	return []place{own}, nil
}

// defaultPlace is host, port and the like, on which the other spellings build. A host may be written as a URL.
func defaultPlace(o *Options, d config.Dialect) place {
	p := place{scheme: "http", port: o.Port, path: cleanPath(o.Path), user: o.User, password: string(o.Password)}
	if d == config.Fluentd {
		p.user, p.password = literal(p.user), literal(p.password)
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
	// Of a URL that names no port, the option's is meant, unless it is the default and the URL's scheme has its own.
	if u, err := url.Parse(host); err == nil && strings.Contains(host, "://") && u.Port() == "" &&
		(o.Port != defaultPort || q.scheme == "http") {
		q.port = o.Port
	}
	return q
}

// defaultPort is the one that servers listen on unless they are told otherwise.
const defaultPort = 9200

// parseHosts reads Fluentd's hosts: host, host:port or URLs, with commas.
func parseHosts(list string, o *Options) ([]place, error) {
	own := place{scheme: o.Scheme, port: o.Port, path: cleanPath(o.Path), user: literal(o.User), password: literal(string(o.Password))}
	var out []place
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		p, err := parseHost(encodeUser(s), own)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, errors.New("is empty: host:port, or URLs, with commas")
	}
	return out, nil
}

// literal is what stands in %{…}, which Fluentd's plugins encode for a URL themselves, or s where there is no such thing.
func literal(s string) string {
	_, text, found := strings.Cut(s, "%{")
	end := strings.LastIndexByte(text, '}')
	if !found || end < 0 {
		return s
	}
	return text[:end]
}

// encodeUser encodes, in a URL, what stands in %{user}:%{password}@.
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

// parseHost reads a host, host:port or URL; what it leaves out is as in own.
func parseHost(s string, own place) (place, error) {
	p := own
	if !strings.Contains(s, "://") {
		if ip := net.ParseIP(strings.Trim(s, "[]")); ip != nil {
			p.host = ip.String()
			return p, nil
		}
		s = p.scheme + "://" + s
	} else {
		p.port = 0 // the URL's own, or the scheme's
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return place{}, fmt.Errorf("%q is no host: name, name:port or http(s)://name:port/path", withoutUser(s))
	}
	p.scheme, p.host = u.Scheme, u.Hostname()
	if u.Port() != "" {
		if p.port, err = strconv.Atoi(u.Port()); err != nil || p.port < 1 || p.port > 65535 {
			return place{}, fmt.Errorf("%q: the port is none", withoutUser(s))
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

// withoutUser is a URL, well-formed or not, without the user and password that may stand in it.
func withoutUser(s string) string {
	scheme, rest, _ := strings.Cut(s, "://")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return scheme + "://***" + rest[at:]
	}
	return s
}

// cleanPath makes a path begin with a slash and not end with one; the root is empty.
func cleanPath(s string) string {
	if s = strings.Trim(s, "/ "); s == "" {
		return ""
	}
	return "/" + s
}

// cloudURL reads an Elastic Cloud id, name:BASE64, which holds domain[:port]$cluster[:port]$kibana.
func cloudURL(id string) (string, error) {
	_, b64, ok := strings.Cut(id, ":")
	if !ok {
		b64 = id
	}
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		if raw, err = base64.RawStdEncoding.DecodeString(b64); err != nil {
			return "", errors.New("not a Cloud ID: name:BASE64, as Elastic's console shows it")
		}
	}
	parts := strings.Split(string(raw), "$")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", errors.New("not a Cloud ID: the Base64 should hold domain$cluster$kibana")
	}
	domain, port, _ := strings.Cut(parts[0], ":")
	cluster, own, ok := strings.Cut(parts[1], ":")
	if ok {
		port = own
	}
	if port == "" {
		port = "443"
	}
	return "https://" + cluster + "." + domain + ":" + port, nil
}

// readUpstream reads Fluent Bit's upstream file: the [NODE]s, each with host, port and tls.
func readUpstream(file string, own place) ([]place, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the upstream file: %w", err)
	}
	defer f.Close()
	var out []place
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if strings.EqualFold(line, "[NODE]") {
			p := own
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
				return nil, fmt.Errorf("%s: port %q is no number", file, value)
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
		return nil, fmt.Errorf("%s: no [NODE] in it", file)
	}
	return out, nil
}
