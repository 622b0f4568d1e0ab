package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/logging"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
	"github.com/firelane/firelane/sink/httpsend"
)

const (
	// callLimit is how long one call of a service may take, credentials included.
	callLimit = 90 * time.Second
	// maxAnswer is how much of a service's answer is read, in bytes. That of 500 records is about 100 KiB.
	maxAnswer = 1 << 20
)

// ServiceOptions are the options of every destination that is an AWS service. Its options struct embeds them.
type ServiceOptions struct {
	Region      string `fluentbit:"region" fluentd:"region" identity:"true" help:"region; default: AWS_REGION, else the instance's"`
	RoleARN     string `fluentbit:"role_arn" identity:"true" help:"role to assume"`
	ExternalID  string `fluentbit:"external_id" help:"external id for role_arn"`
	STSEndpoint string `fluentbit:"sts_endpoint" help:"STS endpoint for role_arn"`
	Profile     string `fluentbit:"profile" help:"profile of the shared AWS configuration"`
	Endpoint    string `fluentbit:"endpoint" fluentd:"endpoint" identity:"true" help:"the service's endpoint, a host or URL; default: the region's"`
	Port        int    `fluentbit:"port" identity:"true" help:"port of endpoint; default: the one in the endpoint, else 443"`
	AutoRetry   *bool  `fluentbit:"auto_retry_requests" default:"true" help:"accepted; a request whose connection breaks is always tried again at once"`

	dial.TLSOptions
	dial.NetOptions
}

// CheckService reports mistakes that binding can't find.
func (o *ServiceOptions) CheckService(d config.Dialect) error {
	if _, err := o.endpoint(); err != nil {
		return &config.OptionError{Option: "endpoint", Reason: err.Error()}
	}
	return errors.Join(o.CheckTLS(d), o.CheckNet())
}

// endpoint returns the URL that the user set, "" for none. Without a scheme it is https, as in Fluent Bit.
func (o *ServiceOptions) endpoint() (string, error) {
	e := strings.TrimSpace(o.Endpoint)
	if e == "" {
		return "", nil
	}
	if !strings.Contains(e, "://") {
		e = "https://" + e
	}
	u, err := url.Parse(e)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("%q is not an endpoint; want a host or a URL such as https://host:port", o.Endpoint)
	}
	if o.Port != 0 && u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(o.Port))
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// Source returns where credentials come from, according to the options. A destination may complete it by Fluentd's options.
func (o *ServiceOptions) Source() Source {
	return Source{Region: o.Region, Profile: o.Profile, RoleARN: o.RoleARN, ExternalID: o.ExternalID, STSEndpoint: o.STSEndpoint}
}

// A Service is what an API or a client of the SDK needs: configuration, credentials and connections. It is safe for concurrent use.
type Service struct {
	*Credentials
	endpoint  string
	settings  httpsend.Config
	transport *http.Transport
	client    *http.Client
}

// NewService prepares a service, without connecting or reading the environment.
func NewService(o *ServiceOptions, s Source, d config.Dialect, env sink.Env) (*Service, error) {
	endpoint, err := o.endpoint()
	if err != nil {
		return nil, err
	}
	server := &url.URL{Scheme: "https"} // of any name: a service has several, such as one for each bucket
	if u, err := url.Parse(endpoint); err == nil && net.ParseIP(u.Hostname()) != nil {
		server = u
	}
	settings := httpsend.Config{URL: server, Net: &o.NetOptions, TLS: WithBundle(&o.TLSOptions), Secrets: true, Dialect: d, Log: env.Log}
	t, err := httpsend.NewTransport(settings)
	if err != nil {
		return nil, err
	}
	return &Service{Credentials: For(env.Common, s), endpoint: endpoint, settings: settings, transport: t, client: &http.Client{
		Transport:     bounded{t},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Settings are those of the service's connections.
func (s *Service) Settings() httpsend.Config { return s.settings }

// Close closes the idle connections.
func (s *Service) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Config returns the configuration of the service's SDK client: the shared credentials and region, this Service's
// connections, and no retries, which are the delivery loop's. The first call reads the environment.
func (s *Service) Config(ctx context.Context) (aws.Config, error) {
	if _, err := s.load(ctx); err != nil {
		return aws.Config{}, &CredentialsError{err}
	}
	s.mu.Lock()
	c := s.config.Copy()
	c.Region = s.region
	s.mu.Unlock()
	c.Credentials, c.HTTPClient = aws.CredentialsProviderFunc(s.retrieve), s.client
	c.Retryer, c.Logger = func() aws.Retryer { return aws.NopRetryer{} }, logging.Nop{}
	if s.endpoint != "" {
		c.BaseEndpoint = &s.endpoint
	}
	return c, nil
}

func (s *Service) retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, _, err := s.Get(ctx)
	if err != nil {
		return creds, &CredentialsError{err}
	}
	return creds, nil
}

// Do signs a request of the service called name, whose body is body, and sends it. Of the answer 1 MiB can be read.
func (s *Service) Do(name string, req *http.Request, body []byte) (*http.Response, error) {
	if err := NewSigner(s.Credentials, name).Sign(req.Context(), req, body); err != nil {
		return nil, &CredentialsError{err}
	}
	return s.client.Do(req)
}

// A CredentialsError means that there are no credentials; nothing was sent.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return "getting AWS credentials: " + e.Err.Error() }
func (e *CredentialsError) Unwrap() error { return e.Err }

// A Client makes a service's SDK client when it is first needed.
type Client[C any] struct {
	Service *Service
	New     func(aws.Config) C

	mu     sync.Mutex
	client *C
}

// Get returns the client.
func (c *Client[C]) Get(ctx context.Context) (C, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		cfg, err := c.Service.Config(ctx)
		if err != nil {
			var none C
			return none, err
		}
		made := c.New(cfg)
		c.client = &made
	}
	return *c.client, nil
}

// Call makes one attempt: do calls the service. It is repeated at once, but only once for each of these reasons: the
// connection broke, or the credentials were refused and there may be new ones. The call may take callLimit. An error of do is
// returned as it is; Reply gives its verdict.
func (s *Service) Call(ctx context.Context, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callLimit, fmt.Errorf("no reply in time (%s)", callLimit))
	defer cancel()
	err := do(ctx)
	if err != nil && ctx.Err() == nil && Reply(err).Cause == sink.Unreached {
		s.transport.CloseIdleConnections()
		err = do(ctx)
	}
	if err != nil && ctx.Err() == nil && Reply(err).Cause == sink.Unauthorised && s.Invalidate() {
		err = do(ctx)
	}
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// bounded limits the answers of a transport, which the SDK reads to their end.
type bounded struct{ *http.Transport }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return nil, errors.New("the server answers 101 Switching Protocols, which it was not asked for; check the endpoint")
	}
	resp.Body = &answer{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

// answer is an answer's body, of which only left bytes more are read.
type answer struct {
	io.ReadCloser
	left int
}

var errLongAnswer = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)

func (a *answer) Read(b []byte) (int, error) {
	if a.left == 0 {
		return 0, errLongAnswer
	}
	n, err := a.ReadCloser.Read(b[:min(len(b), a.left)])
	a.left -= n
	return n, err
}
