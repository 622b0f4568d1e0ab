package httpsend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
)

// OAuthOptions are the options of OAuth 2.0 with client credentials (RFC 6749, section 4.4), as in Fluent Bit 5.1.
type OAuthOptions struct {
	Enable       bool          `fluentbit:"oauth2.enable" help:"send an OAuth 2.0 token, got with the client's credentials"`
	TokenURL     string        `fluentbit:"oauth2.token_url" help:"URL of the token endpoint"`
	ClientID     string        `fluentbit:"oauth2.client_id" help:"the client's id"`
	ClientSecret config.Secret `fluentbit:"oauth2.client_secret" help:"the client's secret, for basic and post"`
	Scope        string        `fluentbit:"oauth2.scope" help:"scope to ask for"`
	Audience     string        `fluentbit:"oauth2.audience" help:"audience to ask for"`
	Resource     string        `fluentbit:"oauth2.resource" help:"resource to ask for"`
	AuthMethod   string        `fluentbit:"oauth2.auth_method" oneof:"basic,post,private_key_jwt" default:"basic" help:"how the client proves who it is"`
	JWTKeyFile   string        `fluentbit:"oauth2.jwt_key_file" help:"private_key_jwt: PEM file of the RSA key"`
	JWTCertFile  string        `fluentbit:"oauth2.jwt_cert_file" help:"private_key_jwt: PEM or DER file of its certificate"`
	JWTAudience  string        `fluentbit:"oauth2.jwt_aud" help:"private_key_jwt: audience of the assertion; default: oauth2.token_url"`
	JWTHeader    string        `fluentbit:"oauth2.jwt_header" other:"(not written)" oneof:"kid,x5t,x5t#S256" default:"kid" help:"private_key_jwt: header that has the certificate's thumbprint"`
	JWTTTL       int           `fluentbit:"oauth2.jwt_ttl_seconds" default:"300" help:"private_key_jwt: seconds that an assertion is valid"`
	RefreshSkew  int           `fluentbit:"oauth2.refresh_skew_seconds" default:"60" help:"how many seconds before it expires a token is replaced"`
	OAuthTimeout time.Duration `fluentbit:"oauth2.timeout" help:"limit of a request for a token; default: that of other requests"`
	OAuthConnect time.Duration `fluentbit:"oauth2.connect_timeout" help:"limit of connecting to the token endpoint; default: net.connect_timeout"`
	OAuthAgent   string        `fluentbit:"oauth2.user_agent" help:"User-Agent of requests for a token"`
}

// CheckOAuth reports mistakes that binding can't find.
func (o *OAuthOptions) CheckOAuth() error {
	if !o.Enable {
		return nil
	}
	u, err := url.Parse(o.TokenURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &config.OptionError{Option: "oauth2.token_url", Reason: fmt.Sprintf("%q is not a URL; want that of the token endpoint", o.TokenURL)}
	}
	if o.ClientID == "" {
		return &config.OptionError{Option: "oauth2.client_id", Reason: "is missing; want the client's id"}
	}
	if o.AuthMethod == "private_key_jwt" {
		if o.JWTKeyFile == "" || o.JWTCertFile == "" {
			return &config.OptionError{Option: "oauth2.jwt_key_file", Reason: "private_key_jwt needs oauth2.jwt_key_file and oauth2.jwt_cert_file; want both"}
		}
		return nil
	}
	if o.ClientSecret == "" {
		return &config.OptionError{Option: "oauth2.client_secret", Reason: "is missing; want the client's secret"}
	}
	return nil
}

const (
	// maxToken is the largest reply of a token endpoint, in bytes.
	maxToken = 64 << 10
	// tokenLife is how long a token is used whose life the endpoint doesn't say, as in Fluent Bit.
	tokenLife = 300 * time.Second
	// tokenPause is the shortest time between two tokens that are got because the last one was refused.
	tokenPause = 10 * time.Second
)

// OAuth gets and caches a token. It is safe for concurrent use.
type OAuth struct {
	opts   *OAuthOptions
	client *Client
	now    func() time.Time

	lock    chan struct{} // holds a value while the fields below are used
	token   string
	until   time.Time // when the token is replaced
	fetched time.Time
}

// NewOAuth prepares OAuth with the network, TLS and log of c; nil if it isn't enabled.
func NewOAuth(o *OAuthOptions, c Config) (*OAuth, error) {
	if !o.Enable {
		return nil, nil
	}
	u, err := url.Parse(o.TokenURL)
	if err != nil {
		return nil, err
	}
	c.URL, c.Name, c.Secrets = u, u.Scheme+"://"+u.Host, true
	c.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if o.OAuthAgent != "" {
		c.Header.Set("User-Agent", o.OAuthAgent)
	}
	if o.OAuthTimeout > 0 {
		c.Timeout = o.OAuthTimeout
	}
	if o.OAuthConnect > 0 {
		network := *c.Net
		network.ConnectTimeout = o.OAuthConnect
		c.Net = &network
	}
	client, err := New(c)
	if err != nil {
		return nil, err
	}
	return &OAuth{opts: o, client: client, now: time.Now, lock: make(chan struct{}, 1)}, nil
}

// Sign adds the token to a request, for Post.Sign.
func (a *OAuth) Sign(ctx context.Context, req *http.Request, _ []byte) error {
	select {
	case a.lock <- struct{}{}:
		defer func() { <-a.lock }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if a.token == "" || !a.now().Before(a.until) {
		if err := a.fetch(ctx); err != nil {
			return fmt.Errorf("getting a token from %s: %w", a.client.Name, err)
		}
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	return nil
}

// Invalidate makes the next Sign get a new token, and reports whether it does: not if the last one is younger than
// tokenPause.
func (a *OAuth) Invalidate() bool {
	a.lock <- struct{}{}
	defer func() { <-a.lock }()
	if a.token == "" || a.now().Sub(a.fetched) < tokenPause {
		return false
	}
	a.token = ""
	return true
}

// Close closes the idle connections.
func (a *OAuth) Close() { a.client.CloseIdle() }

func (a *OAuth) fetch(ctx context.Context) error {
	form := url.Values{"grant_type": {"client_credentials"}}
	for name, value := range map[string]string{"scope": a.opts.Scope, "audience": a.opts.Audience, "resource": a.opts.Resource} {
		if value != "" {
			form.Set(name, value)
		}
	}
	post := Post{Header: http.Header{}}
	switch a.opts.AuthMethod {
	case "post":
		form.Set("client_id", a.opts.ClientID)
		form.Set("client_secret", string(a.opts.ClientSecret))
	case "private_key_jwt":
		assertion, err := a.assertion()
		if err != nil {
			return err
		}
		form.Set("client_id", a.opts.ClientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	default:
		post.Header.Set("Authorization", Basic(a.opts.ClientID, a.opts.ClientSecret))
	}
	post.Body = []byte(form.Encode())
	var refused error
	err := a.client.Do(ctx, post, func(_ context.Context, resp *http.Response) {
		if resp.StatusCode != http.StatusOK {
			refused = ReadFailure(resp).err()
			return
		}
		refused = a.read(resp.Body)
	})
	return errors.Join(err, refused)
}

// read reads the reply of the endpoint.
func (a *OAuth) read(body io.Reader) error {
	var reply struct {
		Token   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Expires json.Number `json:"expires_in"`
	}
	if err := json.NewDecoder(io.LimitReader(body, maxToken)).Decode(&reply); err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	if reply.Token == "" || !isHeaderValue(reply.Token) {
		return errors.New("the reply has no access_token")
	}
	if reply.Type != "" && !strings.EqualFold(reply.Type, "bearer") {
		return fmt.Errorf("the token is of type %q; want bearer", Clip(reply.Type, 40))
	}
	life := tokenLife
	if s, err := reply.Expires.Int64(); err == nil && s > 0 {
		life = time.Duration(min(s, 1<<31)) * time.Second
	}
	a.fetched = a.now()
	a.token, a.until = reply.Token, a.fetched.Add(max(life-time.Duration(a.opts.RefreshSkew)*time.Second, life/10))
	return nil
}
