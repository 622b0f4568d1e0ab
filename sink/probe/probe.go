// Package probe is the contract between `firelane doctor` and the destinations: to which servers one connects, how, and what may
// be asked there without writing anything.
package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/httpsend"
)

// A Prober is the options struct of a destination that uses the network.
type Prober interface {
	// Targets returns the servers that the destination connects to. It connects to none of them. It may read the environment and
	// the files that the options name; an error is one that would keep the destination from working.
	Targets(ctx context.Context, d config.Dialect, env sink.Env) ([]Target, error)
}

// A Target is a server, and how the destination reaches it.
type Target struct {
	Name    string // for people, such as https://host:9200; it has no secret
	Network string // tcp, udp or unix
	Host    string // its name or address; of a socket file, the path
	Port    int
	Net     *dial.NetOptions
	TLS     *dial.TLSOptions // nil: the connection has no TLS
	Secrets bool             // credentials are sent
	Verify  string           // the name that its certificate must have, if that isn't Host

	HTTP   *httpsend.Config // nil: the server doesn't speak HTTP
	Sign   func(ctx context.Context, req *http.Request, body []byte) error
	AWS    *aws.Credentials // that requests are signed with; nil: none
	Health string           // a path that answers a GET without credentials; "": none is known
	Search *Search          // it is a cluster of OpenSearch or Elasticsearch

	Dashboards bool // it is OpenSearch Dashboards or Kibana, which gets an index pattern: records are delivered without it

	// Ask asks what only the destination can; nil: there is nothing. It returns soon after ctx ends.
	Ask func(ctx context.Context, say func(Fact))
}

// Search is what a destination does in a cluster of OpenSearch or Elasticsearch.
type Search struct {
	Base       *url.URL // of the REST API
	Index      string   // of a record of the present; it may have * for what depends on the record
	Dynamic    bool     // Index has *
	Operation  string   // create, index, update or upsert
	Pipeline   string   // "": none
	Serverless bool     // a collection of OpenSearch Serverless
}

// A Level is how bad a fact is.
type Level uint8

// The levels.
const (
	OK      Level = iota
	Note          // worth knowing, or not known
	Warning       // records are delivered today
	Error         // records are not delivered
)

func (l Level) String() string { return [...]string{"ok", "note", "warning", "error"}[l] }

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// A Fact is one thing that was found out. Text may have what a server answered; who prints it makes that safe to print.
type Fact struct {
	Step  string `json:"step"` // such as dns, tls, index
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"` // what to do
}

// OfClient is the target that an HTTP client sends to. signer is nil where requests aren't signed.
func OfClient(c *httpsend.Config, signer *aws.Signer) Target {
	t := Target{Name: c.Name, Network: "tcp", Net: c.Net, Secrets: c.Secrets, HTTP: c}
	t.setURL(c.URL, c.TLS)
	if signer != nil {
		t.Sign, t.AWS = signer.Sign, signer.Credentials
	}
	return t
}

func (t *Target) setURL(u *url.URL, tls *dial.TLSOptions) {
	t.Host, t.Port = u.Hostname(), 80
	if u.Scheme == "https" {
		t.Port, t.TLS = 443, tls
	}
	if p, err := strconv.Atoi(u.Port()); err == nil {
		t.Port = p
	}
}

// OfPeer is the target of a dial.Peer.
func OfPeer(c dial.PeerConfig) Target {
	host := strings.Trim(strings.TrimSpace(c.Host), "[]")
	t := Target{Name: c.Network + "://" + joined(host, c.Port), Network: c.Network, Host: host, Port: c.Port, Net: c.Net}
	if c.Secure {
		t.TLS, t.Name = c.TLS, "tls://"+joined(host, c.Port)
	}
	return t
}

// Server is the target of a destination with a protocol of its own on TCP; tls is nil for none.
func Server(scheme, host string, port int, net *dial.NetOptions, tls *dial.TLSOptions, secrets bool) Target {
	host = strings.Trim(strings.TrimSpace(host), "[]")
	return Target{Name: scheme + "://" + joined(host, port), Network: "tcp", Host: host, Port: port, Net: net, TLS: tls, Secrets: secrets}
}

func joined(host string, port int) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}

// OfAPI is the target of an API of AWS. ask is told the region.
func OfAPI(ctx context.Context, a *aws.API, ask func(ctx context.Context, region string, say func(Fact))) ([]Target, error) {
	region, where, err := a.Location(ctx)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(where)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not an endpoint; want a URL such as https://host:port", where)
	}
	return []Target{OfService(a.Service, u, func(ctx context.Context, say func(Fact)) { ask(ctx, region, say) })}, nil
}

// OfService is the target of a service of AWS at endpoint.
func OfService(s *aws.Service, endpoint *url.URL, ask func(ctx context.Context, say func(Fact))) Target {
	c := s.Settings()
	c.URL = endpoint
	c.Name = endpoint.Scheme + "://" + endpoint.Host
	t := Target{Name: c.Name, Network: "tcp", Net: c.Net, Secrets: true, HTTP: &c, AWS: s.Credentials}
	t.Ask = func(ctx context.Context, say func(Fact)) {
		ask(ctx, say)
		_ = s.Close()
	}
	t.setURL(endpoint, c.TLS)
	return t
}
