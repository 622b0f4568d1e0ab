package s3

import (
	"context"
	"fmt"
	"net/http"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/probe"
)

var (
	_ probe.Prober = (*Options)(nil)
	_ probe.Prober = (*FluentdOptions)(nil)
)

// Targets implements probe.Prober.
func (o *Options) Targets(ctx context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	made, err := New(o, d, env)
	if err != nil {
		return nil, err
	}
	return made.(*store).targets(ctx)
}

// Targets implements probe.Prober.
func (o *FluentdOptions) Targets(ctx context.Context, d config.Dialect, env sink.Env) ([]probe.Target, error) {
	made, err := NewFluentd(o, d, env)
	if err != nil {
		return nil, err
	}
	return made.(*store).targets(ctx)
}

func (s *store) targets(ctx context.Context) ([]probe.Target, error) {
	client, err := s.client.Get(ctx)
	if err != nil {
		return nil, err
	}
	opts := client.Options()
	e, err := opts.EndpointResolverV2.ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: &s.bucket, Region: &opts.Region, Endpoint: opts.BaseEndpoint, ForcePathStyle: &s.pathStyle,
	}.WithDefaults())
	if err != nil {
		return nil, err
	}
	server := e.URI
	server.Path, server.RawPath = "", ""
	return []probe.Target{probe.OfService(s.service, &server, func(ctx context.Context, say func(probe.Fact)) {
		say(s.ask(ctx, client))
	})}, nil
}

// ask asks for the bucket ("HeadBucket - Amazon S3": 404 for none, 403 for no permission, 301 for another region).
func (s *store) ask(ctx context.Context, client *s3.Client) probe.Fact {
	out, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	region := client.Options().Region
	r := aws.RefusalOf(err)
	switch {
	case err == nil:
		text := "the bucket " + s.bucket + " exists"
		if at := sdk.ToString(out.BucketRegion); at != "" && at != region {
			return probe.Fact{Step: "bucket", Level: probe.Error, Text: fmt.Sprintf("the bucket %s is in %s, and region is %s", s.bucket, at, region), Fix: "write region " + at}
		}
		return probe.Fact{Step: "bucket", Text: text + "; whether s3:PutObject is allowed is not known without writing"}
	case r != nil && r.Status == http.StatusNotFound:
		return probe.Fact{Step: "bucket", Level: probe.Error, Text: "the bucket " + s.bucket + " doesn't exist", Fix: "create it, or correct bucket"}
	case r != nil && r.Status == http.StatusMovedPermanently:
		return probe.Fact{Step: "bucket", Level: probe.Error, Text: fmt.Sprintf("the bucket %s is in another region than %s", s.bucket, region), Fix: "write the bucket's region"}
	}
	return probe.Refused("bucket", err, "s3:ListBucket", "s3:PutObject")
}
