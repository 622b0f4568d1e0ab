// Package aws is shared by the destinations on AWS: it finds credentials, caches those of each source for the whole
// process, and signs requests (Signature Version 4).
package aws

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dial"
)

const (
	// credentialsLimit is how long fetching credentials may take.
	credentialsLimit = 15 * time.Second
	// refreshEarly is how long before their expiry credentials are replaced.
	refreshEarly = 5 * time.Minute
	// refreshPause is the shortest time between two calls of Invalidate that have an effect: new credentials that are
	// refused, too, would be refused again.
	refreshPause = 10 * time.Second
	// containerHost is the endpoint of a task's credentials.
	containerHost = "http://169.254.170.2"
	// defaultSession is the default name of an assumed role's session.
	defaultSession = "firelane"
)

// A Source is where credentials come from. If no field is set, that is the SDK's chain: environment, shared files, the task's
// role, the instance's role.
type Source struct {
	Region  string // "": the environment's
	Profile string // in the shared configuration

	AccessKeyID, SecretAccessKey string // static credentials
	SessionToken                 string // of static credentials that are temporary
	ContainerURI                 string // path of the container's credentials at containerHost, or a URL

	RoleARN, ExternalID, Session string // a role to assume; Session "": defaultSession
	WebIdentityFile              string // token file for RoleARN
	STSEndpoint, STSRegion       string // of the service that assumes RoleARN
}

// Credentials are those of one Source. They are fetched when they are first needed, and cached until shortly before they
// expire. Their methods are safe for concurrent use.
type Credentials struct {
	source Source
	now    func() time.Time

	mu        sync.Mutex
	region    string
	config    aws.Config            // as load read it
	cache     *aws.CredentialsCache // nil until load succeeds
	last      aws.Credentials       // used until they expire if fetching new ones fails
	refreshed time.Time             // the last Invalidate that had an effect
}

// For returns the process's credentials of that source.
func For(common *sink.Common, s Source) *Credentials {
	return common.Get(s, func() any { return &Credentials{source: s, region: s.Region, now: time.Now} }).(*Credentials)
}

// Get returns the current credentials and the region. If fetching new credentials fails, it returns the last ones until
// they expire.
func (c *Credentials) Get(ctx context.Context) (aws.Credentials, string, error) {
	ctx, cancel := context.WithTimeout(ctx, credentialsLimit)
	defer cancel()
	cache, err := c.load(ctx)
	if err != nil {
		return aws.Credentials{}, "", err
	}
	creds, err := cache.Retrieve(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.last = creds
	case c.last.HasKeys() && c.last.CanExpire && c.now().Before(c.last.Expires.Add(refreshEarly)):
		creds = c.last
	default:
		return aws.Credentials{}, "", err
	}
	return creds, c.region, nil
}

// Invalidate makes the next Get fetch new credentials. It returns false, and has no effect, if none have been fetched yet, or
// if the last Invalidate that had an effect was less than refreshPause ago.
func (c *Credentials) Invalidate() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cache == nil || c.now().Sub(c.refreshed) < refreshPause {
		return false
	}
	c.refreshed = c.now()
	c.cache.Invalidate()
	c.last = aws.Credentials{}
	return true
}

// load reads the configuration: where credentials come from, and the region. Once it has succeeded it returns
// the cached result.
func (c *Credentials) load(ctx context.Context) (*aws.CredentialsCache, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cache != nil {
		return c.cache, nil
	}
	early := func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = refreshEarly }
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(httpClient()),
		awsconfig.WithLogger(logging.Nop{}), // which would write to stderr directly
		awsconfig.WithEndpointCredentialOptions(useClient),
		awsconfig.WithCredentialsCacheOptions(early),
	}
	if c.region != "" {
		options = append(options, awsconfig.WithRegion(c.region))
	}
	if p := c.source.Profile; p != "" && p != "default" {
		options = append(options, awsconfig.WithSharedConfigProfile(p))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, errors.New("no region: set the output's region or AWS_REGION")
	}
	provider := c.source.provider(cfg)
	cache, ok := provider.(*aws.CredentialsCache)
	if !ok {
		cache = aws.NewCredentialsCache(provider, early)
	}
	c.cache, c.region, c.config = cache, cfg.Region, cfg
	return cache, nil
}

// httpClient makes the client that fetches credentials. It uses no proxy for a task's or an instance's credentials: the proxy
// can't reach them, or would fetch its own.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(credentialsLimit).
		WithTransportOptions(func(t *http.Transport) { t.Proxy = dial.Proxy })
}

// useClient has the provider of a container's credentials use httpClient: it ignores the configuration's client.
func useClient(o *endpointcreds.Options) { o.HTTPClient = httpClient() }

// provider returns the provider that the source names, or else the SDK's chain.
func (s *Source) provider(cfg aws.Config) aws.CredentialsProvider {
	if uri := s.ContainerURI; uri != "" {
		if !strings.Contains(uri, "://") {
			uri = containerHost + uri
		}
		cfg.Credentials = endpointcreds.New(uri, useClient)
	}
	switch {
	case s.AccessKeyID != "":
		return credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.SecretAccessKey, s.SessionToken)
	case s.RoleARN == "":
		return cfg.Credentials
	}
	if s.STSRegion != "" {
		cfg.Region = s.STSRegion
	}
	session := s.Session
	if session == "" {
		session = defaultSession
	}
	if s.WebIdentityFile != "" {
		return stscreds.NewWebIdentityRoleProvider(s.sts(cfg), s.RoleARN, stscreds.IdentityTokenFile(s.WebIdentityFile),
			func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = session })
	}
	return stscreds.NewAssumeRoleProvider(s.sts(cfg), s.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = session
		if s.ExternalID != "" {
			o.ExternalID = &s.ExternalID
		}
	})
}

// sts returns a client of the token service, at STSEndpoint if that is set.
func (s *Source) sts(cfg aws.Config) *sts.Client {
	return sts.NewFromConfig(cfg, func(o *sts.Options) {
		if e := s.STSEndpoint; e != "" {
			if !strings.Contains(e, "://") {
				e = "https://" + e
			}
			o.BaseEndpoint = &e
		}
	})
}

// A Signer signs requests to one service. It is safe for concurrent use.
type Signer struct {
	*Credentials
	service string
	v4      *v4.Signer
	ahead   atomic.Int64 // by how much the service's clock is ahead of this one, in nanoseconds
}

// maxSkew is how wrong a clock may be before signatures are dated by the service's: AWS refuses those that are 5 minutes off.
const maxSkew = 4 * time.Minute

// learnTime learns from the head of a refusal how wrong this machine's clock is.
func (s *Signer) learnTime(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	if ahead := date.Sub(s.now()); ahead.Abs() > maxSkew {
		s.ahead.Store(int64(ahead))
	} else {
		s.ahead.Store(0)
	}
}

// NewSigner makes a signer of requests to service (es, aoss).
func NewSigner(c *Credentials, service string) *Signer {
	return &Signer{Credentials: c, service: strings.ToLower(service), v4: v4.NewSigner()}
}

// Sign signs req, whose body is body. Content-Length isn't signed: OpenSearch Serverless refuses that.
func (s *Signer) Sign(ctx context.Context, req *http.Request, body []byte) error {
	return s.SignSum(ctx, req, sha256.Sum256(body))
}

// SignSum is Sign with the sum of the body.
func (s *Signer) SignSum(ctx context.Context, req *http.Request, sum [sha256.Size]byte) error {
	creds, region, err := s.Get(ctx)
	if err != nil {
		return fmt.Errorf("getting AWS credentials: %w", err)
	}
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	length := req.ContentLength
	req.ContentLength = 0
	err = s.v4.SignHTTP(ctx, creds, req, hash, s.service, region, s.now().Add(time.Duration(s.ahead.Load())))
	req.ContentLength = length
	if err != nil {
		return fmt.Errorf("signing the request: %w", err)
	}
	return nil
}

// Presign returns the query of a request without a body that has the signature in it, for a region; "": that of the credentials.
func (s *Signer) Presign(ctx context.Context, req *http.Request, region string) (url.Values, error) {
	creds, own, err := s.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("getting AWS credentials: %w", err)
	}
	sum := sha256.Sum256(nil)
	signed, _, err := s.v4.PresignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), s.service, cmp.Or(region, own), s.now().Add(time.Duration(s.ahead.Load())))
	if err != nil {
		return nil, fmt.Errorf("signing the request: %w", err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		return nil, fmt.Errorf("signing the request: %w", err)
	}
	return u.Query(), nil
}

// host matches the name of a domain (search-x-y.eu-west-1.es.amazonaws.com) or a collection
// (id.eu-west-1.aoss.amazonaws.com).
var host = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\.([a-z]{2}(?:-[a-z]+)+-\d)\.(?:es|aoss)\.amazonaws\.`)
})

// RegionOf returns the region in the host name of an OpenSearch domain or collection, "" for any other name.
func RegionOf(name string) string {
	if m := host().FindStringSubmatch(strings.ToLower(name) + "."); m != nil {
		return m[1]
	}
	return ""
}
