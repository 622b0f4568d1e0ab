// Package scrape implements Fluent Bit's inputs prometheus_scrape, which reads metrics from a page in Prometheus's text format, and
// fluentbit_metrics, which reads those of the router itself.
package scrape

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

const (
	maxPage     = 2 << 20         // bytes of a page, whatever the options say
	connectTime = 5 * time.Second // for a connection, and again for its TLS handshake
)

// Options are the options of prometheus_scrape.
type Options struct {
	Tag      string        `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	Host     string        `fluentbit:"host" default:"127.0.0.1" help:"server's name or address"`
	Port     int           `fluentbit:"port" default:"80" help:"server's port"`
	Path     string        `fluentbit:"metrics_path" default:"/metrics" help:"path of the page"`
	Interval time.Duration `fluentbit:"scrape_interval" default:"10s" help:"time between two readings"`
	MaxSize  config.Size   `fluentbit:"buffer_max_size" default:"10M" help:"largest page; here at most 2 MiB"`
	User     string        `fluentbit:"http_user" help:"user of basic authentication"`
	Password config.Secret `fluentbit:"http_passwd" help:"password of basic authentication"`
	Token    config.Secret `fluentbit:"bearer_token" help:"bearer token"`
	TLS      bool          `fluentbit:"tls" default:"off" other:"off" help:"read the page by HTTPS"`
	Verify   bool          `fluentbit:"tls.verify" default:"on" other:"on" help:"verify the server's certificate"`
	CAFile   string        `fluentbit:"tls.ca_file" help:"CA certificates that the server's certificate is verified with, PEM"`
	VHost    string        `fluentbit:"tls.vhost" help:"name that the server's certificate has, instead of host"`
	input.CommonOptions
}

// Check reports mistakes that the types of the options don't rule out.
func (o *Options) Check(config.Dialect) error {
	if o.Port < 1 || o.Port > 65535 {
		return &config.OptionError{Option: "port", Reason: "must be from 1 to 65535"}
	}
	return nil
}

// Warnings returns a line for an interval of 0.
func (o *Options) Warnings() []string { return poll.ScrapeWarnings(o.Interval) }

// A page is a URL that metrics are read from.
type page struct {
	url    string
	limit  int64
	opts   *Options
	client *http.Client
}

// New makes the input prometheus_scrape. It returns an error if the CA file can't be read.
func New(o *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	p, err := newPage(o)
	if err != nil {
		return nil, fmt.Errorf("prometheus_scrape: %w", err)
	}
	return poll.NewMetrics(o.Tag, o.Interval, false, p.collect, env), nil
}

func newPage(o *Options) (*page, error) {
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(o.Host, strconv.Itoa(o.Port)), Path: "/" + strings.TrimPrefix(o.Path, "/")}
	if path, query, ok := strings.Cut(u.Path, "?"); ok {
		u.Path, u.RawQuery = path, query
	}
	transport := &http.Transport{
		DialContext: (&net.Dialer{Timeout: connectTime}).DialContext, TLSHandshakeTimeout: connectTime,
		DisableKeepAlives: true,
	}
	if o.TLS {
		u.Scheme = "https"
		cfg := &tls.Config{InsecureSkipVerify: !o.Verify, ServerName: o.VHost, MinVersion: tls.VersionTLS12} //nolint:gosec // the option says so
		if o.CAFile != "" {
			pem, err := config.ReadFile(o.CAFile)
			if err != nil {
				return nil, &config.OptionError{Option: "tls.ca_file", Reason: err.Error()}
			}
			cfg.RootCAs = x509.NewCertPool()
			if !cfg.RootCAs.AppendCertsFromPEM(pem) {
				return nil, &config.OptionError{Option: "tls.ca_file", Reason: "has no certificate in PEM"}
			}
		}
		transport.TLSClientConfig = cfg
	}
	limit := min(max(int64(o.MaxSize), 1), maxPage)
	if o.MaxSize == config.Unlimited {
		limit = maxPage
	}
	return &page{
		url: u.String(), opts: o, limit: limit,
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// collect reads the page once.
func (p *page) collect(ctx context.Context, at record.Time, add poll.AddMetric) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	if p.opts.User != "" {
		req.SetBasicAuth(p.opts.User, string(p.opts.Password))
	}
	if p.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+string(p.opts.Token))
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err // it contains the URL
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("reading %s: status %d; want 200", p.url, resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, p.limit+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", p.url, err)
	}
	if int64(len(text)) > p.limit {
		return fmt.Errorf("reading %s: the page is larger than %d bytes; see buffer_max_size (at most 2 MiB here)", p.url, p.limit)
	}
	bad, err := metric.Parse(text, func(s *metric.Sample, its record.Time, timed bool) {
		if !timed {
			its = at
		}
		add(s, its)
	})
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%d lines of %s are skipped: they are not in Prometheus's text format", bad, p.url))
	}
	return err
}

// InternalOptions are the options of fluentbit_metrics.
type InternalOptions struct {
	Tag      string        `fluentbit:"tag" help:"tag of every event; unless written, the name of the input"`
	Interval time.Duration `fluentbit:"scrape_interval" default:"2s" help:"time between two readings"`
	AtOnce   bool          `fluentbit:"scrape_on_start" default:"false" help:"read them at the start, too"`
	input.CommonOptions
}

// Warnings returns a line for an interval of 0.
func (o *InternalOptions) Warnings() []string { return poll.ScrapeWarnings(o.Interval) }

// NewInternal makes the input fluentbit_metrics.
func NewInternal(o *InternalOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	return poll.NewMetrics(o.Tag, o.Interval, o.AtOnce, func(_ context.Context, at record.Time, add poll.AddMetric) error {
		if env.Internal == nil {
			return nil
		}
		env.Internal(func(s *metric.Sample) { add(s, at) })
		return nil
	}, env), nil
}
