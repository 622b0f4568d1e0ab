package aws

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// region matches a region's name: no other text may become a part of a host.
var region = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2,4}(-[a-z0-9]+)+$`) })

type partition struct{ region, domain, dual string }

// partitions are the domains of AWS's partitions, by the beginning of their regions' names, without and with IPv6 ("AWS service
// endpoints - General Reference"; the SDK's partitions.json). All other regions have those of the last one.
var partitions = []partition{
	{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"", "amazonaws.com", "api.aws"},
}

// URL is where the service's operations are: the endpoint that the user set, else that of AWS_ENDPOINT_URL_ and its name, else
// AWS_ENDPOINT_URL, else the region's.
func (a *API) URL(ctx context.Context) (string, error) {
	if _, err := a.load(ctx); err != nil {
		return "", &CredentialsError{err}
	}
	a.mu.Lock()
	config, where := a.config, a.region
	a.mu.Unlock()
	own := os.Getenv("AWS_ENDPOINT_URL_" + a.Env)
	if strings.EqualFold(os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		own, config.BaseEndpoint = "", nil
	}
	switch {
	case a.endpoint != "":
		return a.endpoint + "/", nil
	case own != "":
		return strings.TrimSuffix(own, "/") + "/", nil
	case config.BaseEndpoint != nil:
		return strings.TrimSuffix(*config.BaseEndpoint, "/") + "/", nil
	case !region().MatchString(where):
		return "", fmt.Errorf("%q is not a region's name; want one such as eu-west-1", where)
	}
	fips, dual := variants(ctx, config.ConfigSources)
	return "https://" + a.hostIn(where, fips, dual) + "/", nil
}

// IsAWS reports whether the endpoint is one of AWS's own for this service: a region's, a VPC endpoint or an account's. A stand-in or a
// proxy isn't, even if its host is in one of AWS's domains, and neither is an endpoint that isn't known.
func (a *API) IsAWS(ctx context.Context) bool {
	at, err := a.URL(ctx)
	if err != nil {
		return false
	}
	u, err := url.Parse(at)
	if err != nil {
		return false
	}
	labels := strings.Split(strings.ToLower(u.Hostname()), ".")
	if !slices.ContainsFunc(labels, func(l string) bool { return l == a.Host || l == a.Host+"-fips" || l == "data-"+a.Host }) {
		return false
	}
	return slices.ContainsFunc(partitions, func(p partition) bool {
		host := "." + strings.Join(labels, ".")
		return strings.HasSuffix(host, "."+p.domain) || strings.HasSuffix(host, "."+p.dual)
	})
}

// hostIn is the name of the service's host in a region. In us-gov the usual hosts of Kinesis and CloudWatch Logs are those for FIPS.
func (a *API) hostIn(where string, fips, dual bool) string {
	name, domain := a.Host, ""
	for _, p := range partitions {
		if strings.HasPrefix(where, p.region) {
			if domain = p.domain; dual {
				domain = p.dual
			}
			break
		}
	}
	if fips && (dual || a.Host == "firehose" || !strings.HasPrefix(where, "us-gov-")) {
		name += "-fips"
	}
	return name + "." + where + "." + domain
}

// variants reports whether the environment or the shared configuration asks for hosts that keep FIPS 140, and for those with IPv6.
func variants(ctx context.Context, sources []any) (fips, dual bool) {
	for _, s := range sources {
		if s, ok := s.(interface {
			GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
		}); ok && !fips {
			state, found, err := s.GetUseFIPSEndpoint(ctx)
			fips = err == nil && found && state == aws.FIPSEndpointStateEnabled
		}
		if s, ok := s.(interface {
			GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error)
		}); ok && !dual {
			state, found, err := s.GetUseDualStackEndpoint(ctx)
			dual = err == nil && found && state == aws.DualStackEndpointStateEnabled
		}
	}
	return fips, dual
}
