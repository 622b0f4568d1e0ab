package bulk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	// credentialsLimit is how long fetching credentials may take.
	credentialsLimit = 15 * time.Second
	// refreshEarly is how long before their end credentials are replaced.
	refreshEarly = 5 * time.Minute
	// refreshPause is the least time between two refreshes that refusals bring about: credentials that were just
	// fetched and are refused will be refused again.
	refreshPause = 10 * time.Second
	// containerHost serves a task's credentials.
	containerHost = "http://169.254.170.2"
)

// A signer signs requests for AWS (Signature Version 4). Credentials are looked for at the first request, by the SDK's
// whole chain: environment, shared files, the task's role, the instance's.
type signer struct {
	opts    AWSOptions
	service string
	host    string // of the domain: may name the region
	v4      *v4.Signer
	now     func() time.Time

	mu        sync.Mutex
	region    string
	cache     *aws.CredentialsCache // nil until they could be looked for
	last      aws.Credentials       // for as long as they hold, if the next ones can't be had
	refreshed time.Time             // when they were last invalidated
}

func newSigner(o *Options, host string) *signer {
	s := &signer{opts: o.AWSOptions, service: strings.ToLower(o.AWSService), host: host, v4: v4.NewSigner(), now: time.Now}
	s.region = o.AWSRegion
	if e := o.Endpoint; e != nil {
		s.service, s.region = e.Service, e.Region
	}
	if s.region == "" {
		s.region = regionOf(host)
	}
	return s
}

// awsHost is a domain's or a collection's name: search-x-y.eu-west-1.es.amazonaws.com, id.eu-west-1.aoss.amazonaws.com.
var awsHost = regexp.MustCompile(`\.([a-z]{2}(?:-[a-z]+)+-\d)\.(?:es|aoss)\.amazonaws\.`)

func regionOf(host string) string {
	if m := awsHost.FindStringSubmatch(strings.ToLower(host) + "."); m != nil {
		return m[1]
	}
	return ""
}

// sign adds the signature of req, whose body is body. Content-Length isn't signed: Serverless refuses it.
func (s *signer) sign(ctx context.Context, req *http.Request, body []byte) error {
	creds, region, err := s.credentials(ctx)
	if err != nil {
		return fmt.Errorf("getting AWS credentials: %w", err)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	length := req.ContentLength
	req.ContentLength = 0
	err = s.v4.SignHTTP(ctx, creds, req, hash, s.service, region, s.now())
	req.ContentLength = length
	if err != nil {
		return fmt.Errorf("signing the request: %w", err)
	}
	return nil
}

// credentials returns the current ones. Where new ones can't be had, the last hold to their end.
func (s *signer) credentials(ctx context.Context) (aws.Credentials, string, error) {
	ctx, cancel := context.WithTimeout(ctx, credentialsLimit)
	defer cancel()
	cache, region, err := s.source(ctx)
	if err != nil {
		return aws.Credentials{}, "", err
	}
	creds, err := cache.Retrieve(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.last = creds
	case s.last.HasKeys() && s.last.CanExpire && s.now().Before(s.last.Expires.Add(refreshEarly)):
		creds = s.last
	default:
		return aws.Credentials{}, "", err
	}
	return creds, region, nil
}

// source is where credentials come from, found out at the first call that can.
func (s *signer) source(ctx context.Context) (*aws.CredentialsCache, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cache == nil {
		if err := s.load(ctx); err != nil {
			return nil, "", err
		}
	}
	return s.cache, s.region, nil
}

// invalidate has the next request fetch credentials anew. It says whether that is worth trying.
func (s *signer) invalidate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cache == nil || s.now().Sub(s.refreshed) < refreshPause {
		return false
	}
	s.refreshed = s.now()
	s.cache.Invalidate()
	s.last = aws.Credentials{}
	return true
}

// load finds out where credentials come from, and the region.
func (s *signer) load(ctx context.Context) error {
	early := func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = refreshEarly }
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(credentialsLimit)),
		awsconfig.WithCredentialsCacheOptions(early),
	}
	if s.region != "" {
		options = append(options, awsconfig.WithRegion(s.region))
	}
	if p := s.opts.AWSProfile; p != "" && p != "default" {
		options = append(options, awsconfig.WithSharedConfigProfile(p))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return err
	}
	if cfg.Region == "" {
		return errors.New("no region: set aws_region (Fluentd: region in <endpoint>) or AWS_REGION")
	}
	provider := s.provider(cfg)
	if c, ok := provider.(*aws.CredentialsCache); ok {
		s.cache = c
	} else {
		s.cache = aws.NewCredentialsCache(provider, early)
	}
	s.region = cfg.Region
	return nil
}

// provider is where credentials come from: what the options say, else the chain.
func (s *signer) provider(cfg aws.Config) aws.CredentialsProvider {
	role, external, session := s.opts.AWSRoleARN, s.opts.AWSExternalID, "firelane"
	if e := s.opts.Endpoint; e != nil {
		switch {
		case e.AccessKeyID != "":
			return credentials.NewStaticCredentialsProvider(e.AccessKeyID, string(e.SecretAccessKey), "")
		case e.RoleARN == "" && e.ContainerURI != "":
			return endpointcreds.New(containerHost + e.ContainerURI)
		}
		role, session = e.RoleARN, e.RoleSession
		if e.STSRegion != "" {
			cfg.Region = e.STSRegion
		}
		if role != "" && e.WebIdentityFile != "" {
			return stscreds.NewWebIdentityRoleProvider(s.sts(cfg), role, stscreds.IdentityTokenFile(e.WebIdentityFile),
				func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = session })
		}
	}
	if role == "" {
		return cfg.Credentials
	}
	return stscreds.NewAssumeRoleProvider(s.sts(cfg), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = session
		if external != "" {
			o.ExternalID = &external
		}
	})
}

// sts is a client of the token service, at aws_sts_endpoint where that is set.
func (s *signer) sts(cfg aws.Config) *sts.Client {
	return sts.NewFromConfig(cfg, func(o *sts.Options) {
		if e := s.opts.AWSSTSEndpoint; e != "" {
			if !strings.Contains(e, "://") {
				e = "https://" + e
			}
			o.BaseEndpoint = &e
		}
	})
}
