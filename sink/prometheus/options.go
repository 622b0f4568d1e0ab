package prometheus

import (
	"fmt"
	"net"
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

// Options are those of prometheus_remote_write.
type Options struct {
	Host     string        `fluentbit:"host" default:"127.0.0.1" identity:"true" help:"server's name or address"`
	Port     int           `fluentbit:"port" default:"80" identity:"true" help:"server's port"`
	URI      string        `fluentbit:"uri" identity:"true" help:"path of remote write: /api/v1/write; /workspaces/ID/api/v1/remote_write for Amazon Managed Service for Prometheus"`
	AddLabel []config.Pair `fluentbit:"add_label" help:"name and value of a label that every metric gets; may be repeated"`

	User     string        `fluentbit:"http_user" identity:"true" help:"user of basic authentication"`
	Password config.Secret `fluentbit:"http_passwd" help:"password of basic authentication"`
	Header   []config.Pair `fluentbit:"header" secret:"true" help:"name and value of a header of every request; may be repeated"`
	Proxy    config.Secret `fluentbit:"proxy" help:"URL of a proxy; default: HTTP_PROXY and HTTPS_PROXY of the environment"`
	Compress string        `fluentbit:"compression" other:"(not written)" oneof:"snappy,gzip" default:"snappy" help:"snappy, which remote write prescribes; or gzip, which some servers take"`

	AWSAuth        bool   `fluentbit:"aws_auth" help:"sign requests (SigV4), for Amazon Managed Service for Prometheus"`
	AWSService     string `fluentbit:"aws_service" default:"aps" help:"service that they are signed for"`
	AWSRegion      string `fluentbit:"aws_region" help:"region; default: the one in the host's name, else AWS_REGION"`
	AWSProfile     string `fluentbit:"aws_profile" help:"profile of the shared AWS configuration"`
	AWSRoleARN     string `fluentbit:"aws_role_arn" identity:"true" help:"role to assume"`
	AWSExternalID  string `fluentbit:"aws_external_id" help:"external id for aws_role_arn"`
	AWSSTSEndpoint string `fluentbit:"aws_sts_endpoint" help:"STS endpoint for aws_role_arn"`

	LogResponse *bool `fluentbit:"log_response_payload" help:"accepted; the answer to a refused request is always logged"`
	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// Check reports the mistakes that binding can't find.
func (o *Options) Check(d config.Dialect) error {
	for _, check := range []func() error{
		func() error { return o.CheckOutput(d) }, o.CheckNet, func() error { return o.CheckTLS(d) },
		func() error { _, err := o.target(); return err },
		func() error { _, err := o.header(); return err },
		func() error { _, err := httpsend.ParseProxy("proxy", string(o.Proxy)); return err },
		func() error { return checkLabels(o.AddLabel) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkLabels(labels []config.Pair) error {
	for _, l := range labels {
		if !validName(l.Key) || strings.HasPrefix(l.Key, "__") {
			return &config.OptionError{Option: "add_label", Reason: fmt.Sprintf("%q is not a label's name; want letters, digits and _", l.Key)}
		}
	}
	return nil
}

// target returns the URL of the requests.
func (o *Options) target() (*url.URL, error) {
	host := strings.TrimSpace(o.Host)
	if host == "" || strings.ContainsAny(host, "/ ") {
		return nil, &config.OptionError{Option: "host", Reason: fmt.Sprintf("%q is not a host; want the server's name or address, and the path in uri", o.Host)}
	}
	if o.Port < 1 || o.Port > 65535 {
		return nil, &config.OptionError{Option: "port", Reason: fmt.Sprintf("%d is not a port; want 1 to 65535", o.Port), Instead: config.NotWritten}
	}
	u, err := url.Parse("/" + strings.TrimLeft(o.URI, "/"))
	if err != nil {
		return nil, &config.OptionError{Option: "uri", Reason: fmt.Sprintf("%q is not a path; want, for example, /api/v1/write", o.URI)}
	}
	u.Scheme, u.Host = "http", net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(o.Port))
	if o.TLS {
		u.Scheme = "https"
	}
	if o.TLS && o.Port == 443 || !o.TLS && o.Port == 80 { // the signature covers the header Host, which lacks the scheme's default port
		u.Host = strings.TrimSuffix(u.Host, ":"+strconv.Itoa(o.Port))
	}
	return u, nil
}

// header returns the headers of every request.
func (o *Options) header() (http.Header, error) {
	h := http.Header{"User-Agent": {"firelane"}}
	if err := httpsend.AddHeaders(h, "header", o.Header); err != nil {
		return nil, err
	}
	h.Set("Content-Type", "application/x-protobuf")
	h.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	if o.User != "" {
		h.Set("Authorization", httpsend.Basic(o.User, o.Password))
	}
	return h, nil
}

// source returns the source of AWS credentials. Its region is the option's, or the one in the host's name.
func (o *Options) source() aws.Source {
	s := aws.Source{Region: o.AWSRegion, Profile: o.AWSProfile, RoleARN: o.AWSRoleARN, ExternalID: o.AWSExternalID, STSEndpoint: o.AWSSTSEndpoint}
	// aps-workspaces.eu-west-1.amazonaws.com
	if parts := strings.Split(o.Host, "."); s.Region == "" && len(parts) >= 4 && parts[2] == "amazonaws" {
		s.Region = parts[1]
	}
	return s
}
