package aws

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

// An Identity is what AWS says about credentials. It has no secret.
type Identity struct {
	Region  string
	Source  string    // the SDK's name of where they come from, such as EnvConfigCredentials
	Expires time.Time // zero: never
	Account string    // "": not known
	ARN     string
	Server  time.Time // the time of the answer by AWS's clock; zero: not known
}

// Identity fetches credentials and asks the token service whose they are. With an error, the identity has what is known.
func (c *Credentials) Identity(ctx context.Context) (id Identity, err error) {
	creds, region, err := c.Get(ctx)
	if err != nil {
		return id, &CredentialsError{err}
	}
	id = Identity{Region: region, Source: creds.Source}
	if creds.CanExpire {
		id.Expires = creds.Expires.Add(refreshEarly) // the cache has moved it
	}
	c.mu.Lock()
	cfg := c.config.Copy()
	c.mu.Unlock()
	cfg.Region = region
	t := httpClient().GetTransport()
	defer t.CloseIdleConnections()
	cfg.HTTPClient = &http.Client{Transport: bounded{t}, Timeout: credentialsLimit}
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
	cfg.Retryer, cfg.Logger = func() aws.Retryer { return aws.NopRetryer{} }, logging.Nop{}
	source := c.source
	out, err := source.sts(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		var refused *awshttp.ResponseError
		if errors.As(err, &refused) && refused.Response != nil {
			id.Server, _ = http.ParseTime(refused.Response.Header.Get("Date"))
		}
		return id, plain(err)
	}
	id.Account, id.ARN = aws.ToString(out.Account), aws.ToString(out.Arn)
	id.Server, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
	return id, nil
}
