package check

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/sink"
)

// networkRules are about hosts, ports and TLS: F301 to F305 and F315.
func networkRules() []Rule {
	return []Rule{
		{"F301", "tls-off-443", Error, "port 443 is asked without TLS: the server answers nothing useful, and records wait", eachOutlet(tlsOff443)},
		{"F302", "tls-off-service", Error, "a service that is reached by TLS alone is asked without it", eachOutlet(tlsOffService)},
		{"F303", "certificate-unverified", Warning, "the server's certificate isn't verified: anyone on the way can read the records, and a password, token or key", eachOutlet(unverified)},
		{"F304", "host-missing", Warning, "the output has no host, and the default, 127.0.0.1, is the router's own container or task", eachOutlet(hostMissing)},
		{"F305", "host-is-url", Warning, "the host is a URL or has a port or a path, which only firelane understands; or it has another port than the option port", eachOutlet(hostIsURL)},
		{"F315", "wrong-port", Error, "the service doesn't listen on that port", eachOutlet(wrongPort)},
	}
}

// remote is the output's first server, if it has one by TCP.
func (o *outlet) remote() (s sink.Server, ok bool) {
	if len(o.desc.Servers) == 0 || o.desc.Servers[0].UDP {
		return s, false
	}
	return o.desc.Servers[0], true
}

// tlsSwitches are the options of Fluentd's plugins that turn TLS on, with their values.
var tlsSwitches = [][2]string{{"scheme", "https"}, {"protocol", "https"}, {"use_ssl", "true"}, {"transport", "tls"}}

// turnOnTLS is the option that turns TLS on, as a line, and the fix that writes it.
func (o *outlet) turnOnTLS() (want string, fix *Fix) {
	if !o.fluentd() {
		if g, ok := o.given("tls"); ok {
			return "tls On", o.rewrite(g.Pos, g.Value, "On")
		}
		return "tls On", o.insert(o.spot("port", "host"), "tls On")
	}
	for _, s := range tlsSwitches {
		if g, ok := o.given(s[0]); ok {
			return s[0] + " " + s[1], o.rewrite(g.Pos, g.Value, s[1])
		}
	}
	if g, ok := o.given("hosts", "endpoint", "url"); ok && strings.Contains(g.Value, "http://") {
		return "https:// in " + g.Name, o.rewrite(g.Pos, "http://", "https://")
	}
	return "scheme https", o.insert(o.spot("port", "host"), "scheme https")
}

func tlsOff443(o *outlet) {
	s, ok := o.remote()
	if !ok || s.TLS || s.Port != 443 {
		return
	}
	want, fix := o.turnOnTLS()
	o.tell(o.found(Error, o.spot("tls", "scheme", "port", "host", "hosts", "endpoint"), fix, want,
		"%s is asked on port 443 without TLS. A server that expects TLS answers with an error, such as 400, or closes the connection; firelane tries again and again, and all records wait until the queue is full", s.Host))
}

// onlyTLS are the ends of names of services that are reached by TLS alone.
var onlyTLS = []string{
	".amazonaws.com", ".amazonaws.com.cn", ".elastic-cloud.com", ".es.io", ".datadoghq.com", ".datadoghq.eu", ".newrelic.com", ".nr-data.net",
	".splunkcloud.com", ".sumologic.com", ".grafana.net", ".logz.io", ".coralogix.com", ".honeycomb.io", ".azure.com", ".googleapis.com", ".bonsaisearch.net",
}

// anyServer matches names that a provider gives to servers of its customers, which may speak any protocol, and for which no public
// authority issues certificates: instances, load balancers, endpoint services of a customer, virtual machines.
var anyServer = lazily(`\.compute(-1)?\.amazonaws\.|\.elb\.|\.vpce-svc-|\.cloudapp\.azure\.com$|\.compute\.internal$`)

func isOnlyTLS(host string) bool {
	host = strings.ToLower(host)
	return !anyServer().MatchString(host) && slices.ContainsFunc(onlyTLS, func(end string) bool { return strings.HasSuffix(host, end) })
}

func tlsOffService(o *outlet) {
	s, ok := o.remote()
	if !ok || s.TLS || s.Port == 443 || !isOnlyTLS(s.Host) || o.desc.Service == "Kafka" {
		return
	}
	if !strings.HasPrefix(o.desc.URL, "http") && o.desc.URL != "" {
		return // a server on AWS that speaks another protocol
	}
	want, fix := o.turnOnTLS()
	at := o.spot("tls", "scheme", "port", "host", "hosts", "endpoint")
	if (s.Port == 9200 || s.Port == 80) && o.set("port") {
		want, fix = "port 443 and "+want, nil
	} else if !o.set("port") && strings.HasSuffix(strings.ToLower(s.Host), ".amazonaws.com") {
		if fix != nil {
			fix = o.insert(at, "port 443\n"+indentOf(fix.Old)+want)
		}
		want = "port 443 and " + want
	}
	if s.Port == 80 && searchService(s.Host) == "es" {
		o.tell(o.found(Warning, at, fix, want, "%s is asked without TLS: a domain that requires HTTPS refuses that, and otherwise everybody on the way can read the records%s", s.Host, o.credential()))
		return
	}
	o.tell(o.found(Error, at, fix, want, "%s answers only with TLS, and is asked without it, on port %d: no record arrives, and everybody on the way can read the records%s", s.Host, s.Port, o.credential()))
}

func indentOf(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

func unverified(o *outlet) {
	s, ok := o.remote()
	if !ok || !s.TLS || s.Verify || isLocal(s.Host) {
		return
	}
	g, given := o.given("tls.verify", "ssl_verify", "tls_insecure_mode", "tls_allow_self_signed_cert", "insecure_ssl", "no_ssl_validation", "insecure_tls", "tls_verify_mode", "verify_ssl", "ssl_verify_peer", "validateproxycerts", "verify_mode")
	if !given {
		g.Pos = o.Pos
	}
	severity, fix := Warning, (*Fix)(nil)
	want := "tls.ca_file with the authority of the server's certificate"
	if o.fluentd() {
		want = "ca_file with the authority of the server's certificate"
	}
	if given && !o.fluentd() && g.Name == "tls.verify" {
		want = "tls.verify On, and tls.ca_file if a private authority has signed the server's certificate"
	}
	if isOnlyTLS(s.Host) { // its certificate is one of a public authority
		want = "no " + g.Name + ": the certificate is one that every client can verify"
		if given && !o.fluentd() {
			want, fix = g.Name+" On", o.rewrite(g.Pos, g.Value, "On")
		}
	}
	o.tell(o.found(severity, g.Pos, fix, want, "The certificate of %s isn't verified: anyone between can answer in its place, and read the records%s", s.Host, o.credential()))
}

// credential is what a request has that a person on the way could use: " and the password"; "" for none, and for a signature, which is
// for that request alone.
func (o *outlet) credential() string {
	for _, kind := range []string{"password", "token", "key"} {
		if strings.Contains(o.desc.SignIn, kind) && !o.signs() {
			return " and the " + kind
		}
	}
	if o.desc.SignIn != "" && !o.signs() {
		return " and the credentials"
	}
	return ""
}

// hostOptions are the options that name a server.
var hostOptions = []string{
	"host", "hosts", "hec_host", "full_url", "endpoint", "url", "endpoint.url", "server.host", "brokers", "rdkafka.bootstrap.servers", "upstream", "cloud_id", "unix_path", "host_with_port",
	"base_uri", "s3_endpoint", "site",
}

func hostMissing(o *outlet) {
	s, ok := o.remote()
	if !ok && len(o.desc.Servers) > 0 {
		s, ok = o.desc.Servers[0], true
	}
	if !ok {
		return
	}
	local := isLocal(s.Host)
	g, given := o.given(hostOptions...)
	switch {
	case !local:
	case !given && (o.hostMeant() || o.hostLeftOut()):
	case !given:
		option := "host"
		if o.fluentd() && strings.HasPrefix(o.Instance.Name, "splunk") {
			option = "hec_host"
		}
		o.tell(o.found(Warning, o.Pos, nil, option+" with the server's name",
			"The output %s has no host, and connects to %s, the default, on port %d: on ECS that is the router's own task, and nothing answers there unless another container of the task is the server", o.Instance.Name, s.Host, s.Port))
	case s.Host != "" && o.Task != nil && o.Task.Definition != nil && bridged(o.Task.NetworkMode.Text):
		o.tell(o.found(Error, g.Pos, nil, "the name of the server's container as linked, or of its service",
			"%s is the router's own container in the network mode bridge: nothing listens there, and all records wait", s.Host))
	}
}

// hostMeant reports whether an option is a misspelled one that names the server: that finding is enough.
func (o *outlet) hostMeant() bool {
	for _, g := range o.Given {
		for _, w := range o.Plan.Warnings {
			if g.Unknown && w.Pos == g.Pos && slices.Contains(hostOptions, strings.ToLower(w.Want)) {
				return true
			}
		}
	}
	return false
}

// hostLeftOut reports whether the output's log options name a server by a file, or by a value, that isn't known here.
func (o *outlet) hostLeftOut() bool {
	if o.Task == nil {
		return false
	}
	at := o.Place(o.Pos)
	for _, c := range o.Task.Containers {
		if c.Log != nil && c.Log.Place == at && slices.ContainsFunc(c.Log.Options, func(l taskdef.Option) bool { return slices.Contains(hostOptions, strings.ToLower(l.Name)) }) {
			return true
		}
	}
	return false
}

// bridged reports whether each container of a task with that network mode has a loopback address of its own.
func bridged(mode string) bool { return mode == "" || mode == "bridge" || mode == "default" }

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// hostIsURL tells of hosts that Fluent Bit would look up as a name: https://search, search:9200, search/logs. Where firelane doesn't
// take them either, F106 tells of them.
func hostIsURL(o *outlet) {
	g, ok := o.given("host")
	value := strings.Trim(g.Value, `" `)
	if !ok || value == "" || net.ParseIP(strings.Trim(value, "[]")) != nil {
		return
	}
	rest, parts := value, []string{}
	scheme, after, isURL := strings.Cut(value, "://")
	if isURL {
		rest, parts = after, append(parts, "a scheme")
	}
	rest, path, hasPath := strings.Cut(rest, "/")
	login := strings.LastIndexByte(rest, '@')
	rest = rest[login+1:]
	host, port, err := net.SplitHostPort(rest)
	if err == nil {
		parts = append(parts, "a port")
	} else {
		host = rest
	}
	if login >= 0 {
		parts = append(parts, "a user")
	}
	if hasPath && path != "" {
		parts = append(parts, "a path")
	}
	if len(parts) == 0 && value == host {
		return
	}
	want := "host " + host
	switch {
	case port != "":
		want += ", port " + port
	case isURL && scheme == "https" && !o.set("port"):
		want += ", port 443"
	}
	if isURL && scheme == "https" {
		want += optionIn(o, ", tls On", ", scheme https")
	}
	if login >= 0 {
		want += ", and the options for user and password"
	}
	if path != "" {
		want += ", path /" + strings.Trim(path, "/")
	}
	var fix *Fix
	if len(parts) == 0 || want == "host "+host {
		fix = o.rewrite(g.Pos, g.Value, host)
	}
	twoPorts(o, host, port)
	o.tell(o.found(Note, g.Pos, fix, "", "%s has %s, and not only a name. firelane understands that and sends to %s; %s looks up the whole text as a name, and delivers nothing. Both would understand %s",
		g.Name, enumerate(orSlash(parts)), o.desc.URL, product(o.Subject), want))
}

// twoPorts tells of a port in the host and another one as an option, of which one counts.
func twoPorts(o *outlet, host, port string) {
	g, ok := o.given("port")
	if !ok || port == "" || len(o.desc.Servers) == 0 {
		return
	}
	used, other := strconv.Itoa(o.desc.Servers[0].Port), strings.Trim(g.Value, `" `)
	if used == other {
		other = port
	}
	if used != other {
		o.tell(o.found(Warning, g.Pos, nil, "one port: host "+host+", and port "+used+" or "+other, "The host has the port %s, and port is %s: firelane uses %s, and not %s", port, g.Value, used, other))
	}
}

func orSlash(parts []string) []string {
	if len(parts) == 0 {
		return []string{"a slash"}
	}
	return parts
}

func optionIn(o *outlet, fluentBit, fluentd string) string {
	if o.fluentd() {
		return fluentd
	}
	return fluentBit
}

// product is the program whose configuration a subject has.
func product(s *Subject) string {
	if s.fluentd() {
		return "Fluentd"
	}
	return "Fluent Bit"
}

// wrongPort tells of ports on which an AWS domain doesn't listen, with TLS. Those without TLS are F302's.
func wrongPort(o *outlet) {
	s, ok := o.remote()
	if !ok || !s.TLS || s.Port == 443 || !isSearchDomain(s.Host) {
		return
	}
	at := o.spot("port", "host", "hosts", "endpoint.url")
	var fix *Fix
	if g, ok := o.given("port"); ok {
		fix = o.rewrite(g.Pos, g.Value, "443")
	} else {
		fix = o.insert(at, "port 443")
	}
	o.tell(o.found(Error, at, fix, "port 443", "%s is a domain of Amazon OpenSearch, which listens on port 443 and not on %d: no record gets there", s.Host, s.Port))
}

// isSearchDomain reports whether a name is that of a domain or a collection of Amazon OpenSearch.
func isSearchDomain(host string) bool { return searchService(host) != "" }

// searchService is es or aoss for a domain or a collection of Amazon OpenSearch, "" for any other name.
func searchService(host string) string {
	host = strings.ToLower(host)
	for _, service := range []string{"es", "aoss"} {
		if strings.HasSuffix(host, "."+service+".amazonaws.com") || strings.HasSuffix(host, "."+service+".amazonaws.com.cn") {
			return service
		}
	}
	return ""
}
