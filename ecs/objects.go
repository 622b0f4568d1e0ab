package ecs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
)

const (
	// maxObject is the largest size of an object with a configuration, in bytes.
	maxObject = 512 << 10
	// objectAttempts is how many attempts are made if S3 doesn't answer or is overloaded.
	objectAttempts = 5
	// objectTime is how long one attempt may take.
	objectTime = 15 * time.Second
	// objectPause is the time after the first attempt; it doubles with each further one.
	objectPause = 200 * time.Millisecond
	// defaultRegion is used if the task's region is unknown, as in the init image. S3 then names the bucket's region.
	defaultRegion = "us-east-1"
)

// objects fetches objects from S3 with the credentials of the task's role.
type objects struct {
	service *aws.Service
	region  string
}

func newObjects(region string) (*objects, error) {
	if region == "" {
		region = defaultRegion
	}
	o := &aws.ServiceOptions{Region: region}
	o.Verify, o.Keepalive = true, true
	service, err := aws.NewService(o, o.Source(), config.FluentBit, sink.Env{})
	if err != nil {
		return nil, err
	}
	return &objects{service: service, region: region}, nil
}

func (o *objects) close() { _ = o.service.Close() }

// get returns an object's text. If the bucket is in another region, it asks S3 there.
func (o *objects) get(ctx context.Context, bucket, key string) (string, error) {
	region, moved := o.region, false
	pause := objectPause
	for attempt := 1; ; attempt++ {
		text, err := o.attempt(ctx, region, bucket, key)
		if err == nil {
			return text, nil
		}
		if there := bucketRegion(err); there != "" && there != region && !moved {
			region, moved = there, true
			continue
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if final := explain(err, bucket, key, region); final != nil {
			return "", final
		}
		if attempt == objectAttempts {
			return "", fmt.Errorf("%w (after %d attempts)", aws.Reply(err).Err, attempt)
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// errRefused is wrapped by errors that a retry can't fix.
var errRefused = errors.New("refused")

func (o *objects) attempt(ctx context.Context, region, bucket, key string) (text string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, objectTime, fmt.Errorf("no answer within %s", objectTime))
	defer cancel()
	err = o.service.Call(ctx, func(ctx context.Context) error {
		cfg, err := o.service.Config(ctx)
		if err != nil {
			return err
		}
		c := s3.NewFromConfig(cfg, func(o *s3.Options) {
			o.Region = region
			o.ResponseChecksumValidation = sdk.ResponseChecksumValidationWhenRequired
		})
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		data, err := io.ReadAll(io.LimitReader(out.Body, maxObject+1))
		switch {
		case err != nil:
			return err
		case len(data) > maxObject:
			return fmt.Errorf("%w: it is larger than %d KiB", errRefused, maxObject>>10)
		case !utf8.Valid(data):
			return fmt.Errorf("%w: it is not text in UTF-8", errRefused)
		}
		text = strings.TrimPrefix(string(data), "\ufeff")
		return nil
	})
	return text, err
}

// bucketRegion returns the bucket's region if S3 names it in an error, otherwise "".
func bucketRegion(err error) string {
	var resp *awshttp.ResponseError
	if !errors.As(err, &resp) || resp.Response == nil || resp.Response.Response == nil {
		return ""
	}
	if region := resp.Response.Header.Get("X-Amz-Bucket-Region"); regionName().MatchString(region) {
		return region
	}
	return ""
}

// regionName matches a region that is safe to use in a host name.
var regionName = lazily(`^[a-z0-9-]{1,32}$`)

// explain returns an error that says what to do about a refusal of S3, nil if a retry may help. The codes are those in "Error
// responses" of the Amazon S3 API Reference.
func explain(err error, bucket, key, region string) error {
	if errors.Is(err, errRefused) {
		return err
	}
	var none *aws.CredentialsError
	if errors.As(err, &none) {
		return fmt.Errorf("%w; want a task role (taskRoleArn)", none)
	}
	r := aws.RefusalOf(err)
	if r == nil || r.Throttled() || r.Status >= 500 {
		return nil
	}
	switch r.Code {
	case "NoSuchKey":
		return fmt.Errorf("the bucket %s has no object %s (%w)", bucket, key, r)
	case "NoSuchBucket":
		return fmt.Errorf("the bucket %s doesn't exist (%w)", bucket, r)
	case "AccessDenied":
		return fmt.Errorf("the task role may not read it, or there is no such object; want s3:GetObject on it, and kms:Decrypt if a key encrypts it (%w)", r)
	case "PermanentRedirect", "MovedPermanently", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fmt.Errorf("the bucket %s is not in %s, and S3 doesn't say where (%w)", bucket, region, r)
	}
	return fmt.Errorf("S3 refuses: %w", r)
}
