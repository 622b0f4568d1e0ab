package httpout

import (
	"net/url"
	"slices"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// Describe implements sink.Describer.
func (o *Options) Describe(d config.Dialect, _ time.Time) sink.Description {
	const service = "an HTTP server"
	u, err := o.anyURL(d)
	if err != nil {
		return sink.Description{Service: service}
	}
	out := httpsend.Describe(service, u, o.Verified() && (d == config.FluentBit || o.VerifyMode != "none"), false, o.signIn(d))
	if source, name := o.aws(); name != "" {
		out.AWSRegion, out.SignIn = source.Region, source.SignIn(name, source.Region)
		out.Actions = source.Grants(grant(name, source.Region, o.Method)...)
	}
	if u.Host == "" {
		out.URL, out.Servers = "", nil
	}
	return out
}

// anyURL is the URL of requests, as far as it is the same for all records.
func (o *Options) anyURL(d config.Dialect) (*url.URL, error) {
	if d == config.FluentBit {
		return o.url()
	}
	e, err := parseEndpoint(o)
	if err != nil || e.fixed != nil {
		return e.fixedURL(), err
	}
	return &url.URL{Scheme: e.scheme, Host: e.host(o.Endpoint)}, nil
}

func (e *endpoint) fixedURL() *url.URL {
	if e == nil {
		return nil
	}
	return e.fixed
}

func (o *Options) signIn(d config.Dialect) string {
	switch {
	case d == config.FluentBit && o.User != "":
		return httpsend.BasicUser(o.User)
	case o.Auth != nil && o.Auth.Method == "basic":
		return httpsend.BasicUser(o.Auth.User)
	case o.Enable:
		return "OAuth 2.0, client " + o.ClientID
	case httpsend.HasCredential(string(o.HashHeaders)), slices.ContainsFunc(o.Headers, func(h config.Pair) bool { return httpsend.HasCredential(h.Key + " " + h.Value) }):
		return "the headers of the configuration"
	}
	return ""
}

// grant is what the services need that are known to take records by HTTP.
func grant(service, region, method string) []sink.IAMGrant {
	switch service {
	case "es":
		action := "es:ESHttpPost"
		if method == "PUT" {
			action = "es:ESHttpPut"
		}
		return []sink.IAMGrant{{Actions: []string{action}, Resource: aws.ARN("es", region, "domain/*")}}
	case "osis":
		return []sink.IAMGrant{{Actions: []string{"osis:Ingest"}, Resource: aws.ARN("osis", region, "pipeline/*")}}
	case "execute-api":
		return []sink.IAMGrant{{Actions: []string{"execute-api:Invoke"}, Resource: aws.ARN("execute-api", region, "*")}}
	}
	return nil
}
