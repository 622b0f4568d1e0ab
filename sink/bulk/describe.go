package bulk

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/field"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, now time.Time) sink.Description {
	out := sink.Description{Service: "Elasticsearch or OpenSearch", Name: sink.JoinNames(o.Names(d, now))}
	servers, err := configuredServers(o, d)
	if err != nil || len(servers) == 0 {
		return out
	}
	for i := range servers {
		if u, err := url.Parse(servers[i].url()); err == nil {
			out.Servers = append(out.Servers, httpsend.ServerOf(u, o.Verified()))
		}
	}
	first := &servers[0]
	out.URL = first.url() + "/_bulk"
	domain, serverless := aws.RegionOf(first.host) != "", o.serverless() || strings.Contains(first.host, ".aoss.")
	switch {
	case serverless:
		out.Service = "Amazon OpenSearch Serverless"
	case domain || o.signed():
		out.Service = "Amazon OpenSearch Service"
	case o.CloudID != "":
		out.Service = "Elastic Cloud"
	}
	if !o.signed() {
		out.AWSRegion = aws.RegionOf(first.host)
		out.SignIn = o.signIn(first)
		return out
	}
	source, service := o.awsSource(first.host)
	out.AWSRegion, out.SignIn = source.Region, source.SignIn(service, source.Region)
	out.Actions = source.Grants(grant(first.host, source.Region, serverless, o.Bootstrap || o.TemplateName != "" || o.Templates != ""))
	return out
}

// signIn says how requests that aren't signed for AWS are authenticated.
func (o *Options) signIn(s *server) string {
	switch {
	case o.APIKey != "":
		return "API key"
	case s.user != "":
		return httpsend.BasicUser(s.user)
	case strings.Contains(strings.ToLower(o.CustomHeaders), strings.ToLower(`"Authorization"`)):
		return "header Authorization of custom_headers"
	}
	return ""
}

// grant is what is needed to write to a domain or a collection: requests are POSTs to /_bulk, and nothing else is called unless
// templates and policies are installed.
func grant(host, region string, serverless, installs bool) sink.IAMGrant {
	label, _, _ := strings.Cut(host, ".")
	if serverless {
		id := "*"
		if strings.Contains(host, ".aoss.") {
			id = label
		}
		return sink.IAMGrant{Actions: []string{"aoss:APIAccessAll"}, Resource: aws.ARN("aoss", region, "collection/"+id)}
	}
	actions := []string{"es:ESHttpPost"}
	if installs {
		actions = append(actions, "es:ESHttpGet", "es:ESHttpPut")
	}
	return sink.IAMGrant{Actions: actions, Resource: aws.ARN("es", region, "domain/"+domainOf(host)+"/*")}
}

// domainOf is the name of the domain in a host name such as search-web-4kg2hnzrpsjzb2sgnq7gmz7jtm.eu-west-1.es.amazonaws.com, * for
// any other host.
func domainOf(host string) string {
	label, _, _ := strings.Cut(host, ".")
	for _, prefix := range []string{"search-", "vpc-"} {
		rest, ok := strings.CutPrefix(label, prefix)
		if end := strings.LastIndexByte(rest, '-'); ok && end > 0 && aws.RegionOf(host) != "" {
			return rest[:end]
		}
	}
	return "*"
}

// Names implements sink.Namer: the index.
func (o *Options) Names(d config.Dialect, now time.Time) []sink.Name {
	n, err := newIndexNames(o, d, "create")
	if err != nil {
		return nil
	}
	out := sink.Name{What: "index", Option: o.indexOption(d), Dynamic: n.dynamic, Zone: n.zone, Max: maxIndexName}
	raw, suffix := o.Index, ""
	if o.Logstash {
		raw, suffix = o.LogstashPrefix, o.LogstashSeparator+o.LogstashDateFormat
	}
	if n.key != nil {
		key := "$" + strings.TrimPrefix(o.LogstashPrefixKey, "$")
		raw, out.Option = key, "logstash_prefix_key"
	}
	if o.TargetIndex != "" {
		out.Dynamic, out.Option, raw, suffix = true, "target_index_key", "${"+o.TargetIndex+"}", ""
	}
	written := func(at time.Time) string { return dated(raw, at.In(n.nameZone)) + dated(suffix, at.In(n.zone)) }
	used := func(at time.Time) string { return string(n.makeName(n.name, new(sink.Record), at)) }
	switch {
	case n.verbatim: // the server computes the name
		used = written
	case out.Dynamic:
		used = func(at time.Time) string {
			name := sink.Around(written(at), func(s string) string { return string(sanitiseTail([]byte(s))) })
			return strings.TrimLeft(name, "-_+")
		}
	}
	out.Written, out.Used = written(now), used(now)
	out.Each = sink.Each(used, n.zone)
	if n.verbatim && strings.Contains(raw, "{now") {
		out.Used += ", of which the cluster computes the date"
	}
	return []sink.Name{out}
}

// indexOption is the option that names the index.
func (o *Options) indexOption(d config.Dialect) string {
	switch {
	case o.Logstash:
		return "logstash_prefix"
	case d == config.Fluentd:
		return "index_name"
	}
	return "index"
}

// dated is text with its conversions of strftime; as it is if they can't be parsed.
func dated(text string, at time.Time) string {
	f, err := field.ParseStrftime(text)
	if err != nil {
		return text
	}
	return cmp.Or(string(f.Append(nil, at)), text)
}
