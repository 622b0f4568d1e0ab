package newrelic

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/httpsend"
)

// Options are the options of Fluent Bit's nrlogs, of New Relic's own output newrelic for Fluent Bit (licenseKey, endpoint)
// and for Fluentd.
type Options struct {
	LicenseKey  config.Secret `fluentbit:"license_key,licensekey" fluentd:"license_key" help:"New Relic's license key; Fluentd: default NEW_RELIC_LICENSE_KEY"`
	APIKey      config.Secret `fluentbit:"api_key,apikey" fluentd:"api_key" help:"an Insights insert key, instead of the license key; Fluentd: default NEW_RELIC_API_KEY"`
	BaseURI     string        `fluentbit:"base_uri,endpoint" fluentd:"base_uri" default:"https://log-api.newrelic.com/log/v1" identity:"true" help:"URL of the Log API; for accounts in the EU https://log-api.eu.newrelic.com/log/v1"`
	Compress    string        `fluentbit:"compress" default:"gzip" help:"gzip, or false"`
	Compression string        `fluentbit:"compression" oneof:"gzip,zstd" default:"gzip" help:"gzip or zstd"`
	Proxy       config.Secret `fluentbit:"proxy" help:"URL of a proxy; default: HTTP_PROXY and HTTPS_PROXY of the environment"`
	IgnoreProxy bool          `fluentbit:"ignoresystemproxy" help:"don't use HTTP_PROXY, HTTPS_PROXY and NO_PROXY"`
	CABundle    string        `fluentbit:"cabundlefile" help:"PEM file of the certificate authorities to trust"`
	CADir       string        `fluentbit:"cabundledir" help:"folder of such files"`
	Validate    bool          `fluentbit:"validateproxycerts" default:"true" help:"verify certificates"`

	Timeout     *string `fluentbit:"httpclienttimeout" help:"no effect: a request has a limit of 90s"`
	LowData     *string `fluentbit:"lowdatamode" help:"no effect: the attribute plugin is sent once a request"`
	SendMetrics *string `fluentbit:"sendmetrics" help:"no effect: see /metrics"`
	MaxBuffer   *string `fluentbit:"maxbuffersize,maxrecords,maxtimebetweenflushes" help:"no effect, as in the output of New Relic"`

	dial.TLSOptions
	dial.NetOptions
	sink.OutputOptions
}

// key returns the header that has the key, and the key: "" for none.
func (o *Options) key(d config.Dialect) (header, key string) {
	license, api := string(o.LicenseKey), string(o.APIKey)
	if d == config.Fluentd {
		if api == "" {
			api = os.Getenv("NEW_RELIC_API_KEY")
		}
		if license == "" {
			license = os.Getenv("NEW_RELIC_LICENSE_KEY")
		}
		if api != "" { // it takes precedence there
			license = ""
		}
	}
	if license != "" {
		return "X-License-Key", license
	}
	return "X-Insert-Key", api
}

// Check is called by config after binding.
func (o *Options) Check(d config.Dialect) error {
	for _, err := range []error{o.CheckOutput(d), o.CheckNet(), o.CheckTLS(d)} {
		if err != nil {
			return err
		}
	}
	if name, key := o.key(d); strings.TrimSpace(key) == "" || httpsend.CheckHeader(name, key) != nil {
		return &config.OptionError{Option: "license_key", Reason: "is missing or has control characters; want New Relic's license key, or api_key"}
	}
	if _, err := o.url(); err != nil {
		return &config.OptionError{Option: "base_uri", Reason: err.Error()}
	}
	_, err := httpsend.ParseProxy("proxy", string(o.Proxy))
	return err
}

func (o *Options) url() (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(o.BaseURI))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not a URL; want, for example, https://log-api.eu.newrelic.com/log/v1", o.BaseURI)
	}
	return u, nil
}

// Warnings is called by config after binding.
func (o *Options) Warnings() []string {
	w := o.OutputOptions.Warnings()
	if _, warning := httpsend.GzipOnly(o.Compress); warning != "" {
		w = append(w, warning)
	}
	if strings.HasPrefix(string(o.LicenseKey), "eu") && strings.Contains(o.BaseURI, "//log-api.newrelic.com/") {
		w = append(w, "base_uri: the license key is one of the EU; want https://log-api.eu.newrelic.com/log/v1")
	}
	return w
}

// compressor returns the compressor of the requests, nil for none.
func (o *Options) compressor(d config.Dialect, common *sink.Common) (httpsend.Compressor, error) {
	gzip, _ := httpsend.GzipOnly(o.Compress)
	switch {
	case d == config.Fluentd:
		return httpsend.SharedCompressor(common, "gzip")
	case !gzip:
		return nil, nil
	}
	return httpsend.SharedCompressor(common, o.Compression)
}
