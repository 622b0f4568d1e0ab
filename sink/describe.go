package sink

import (
	"net"
	"strconv"
	"time"

	"github.com/firelane/firelane/config"
)

// A Describer is an options struct that can say where its output's records go. It opens no socket and reads no credentials.
type Describer interface {
	// Describe describes the output for `firelane check` and `firelane doctor`. now dates names that have a date.
	Describe(d config.Dialect, now time.Time) Description
}

// A Description says where an output's records go.
type Description struct {
	Service   string     // what it is, for people: OpenSearch, CloudWatch Logs
	URL       string     // where requests go, without user and password; "" for what isn't reached by a URL
	Name      string     // what records get there, for people: "index web-2026-11-25, a new one each day, UTC"
	SignIn    string     // for people: "AWS Signature Version 4, service es, region eu-west-1"; "" for none
	Servers   []Server   // the network addresses; none: no network
	AWSRegion string     // "" if it isn't an AWS service, or the region isn't known here
	Actions   []IAMGrant // what a task role must allow
}

// A Server is one network address of a destination.
type Server struct {
	Host   string
	Port   int
	TLS    bool
	Verify bool // the certificate is verified
	UDP    bool
}

// Address is the server's host:port.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// An IAMGrant is one statement of an IAM policy.
type IAMGrant struct {
	Actions  []string // es:ESHttpPost
	Resource string   // ARN; * where the region or the account isn't known
}

// DescribePeer describes an output that sends to servers by a protocol without URLs.
func DescribePeer(service string, servers ...Server) Description {
	d := Description{Service: service, Servers: servers}
	if len(servers) == 0 {
		return d
	}
	scheme := "tcp"
	switch s := servers[0]; {
	case s.UDP:
		scheme = "udp"
	case s.TLS:
		scheme = "tls"
	}
	d.URL = scheme + "://" + servers[0].Address()
	return d
}
