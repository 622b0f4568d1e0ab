package aws

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// apis are the services that are called without the SDK's clients.
var apis = []APIName{
	{Host: "logs", Target: "Logs_20140328", Env: "CLOUDWATCH_LOGS"},
	{Host: "firehose", Target: "Firehose_20150804", Env: "FIREHOSE"},
	{Host: "kinesis", Target: "Kinesis_20131202", Env: "KINESIS"},
}

// sdkHost is the host that the SDK would use.
func sdkHost(t *testing.T, service, region string, fips, dual bool) string {
	t.Helper()
	ctx := t.Context()
	var host string
	var err error
	switch service {
	case "logs":
		at, e := cloudwatchlogs.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, cloudwatchlogs.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual})
		host, err = at.URI.Host, e
	case "firehose":
		at, e := firehose.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, firehose.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual})
		host, err = at.URI.Host, e
	case "kinesis":
		at, e := kinesis.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, kinesis.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual, OperationType: aws.String("data")})
		host, err = at.URI.Host, e
	}
	if err != nil {
		t.Fatal(err)
	}
	return host
}

func TestHostsAreThoseOfTheSDK(t *testing.T) {
	for _, name := range apis {
		for _, region := range []string{
			"eu-west-1", "us-east-1", "il-central-1", "mx-central-1", "cn-north-1", "eusc-de-east-1", "us-gov-west-1", "us-gov-east-1",
			"us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1",
		} {
			for variant := range 4 {
				fips, dual := variant&1 != 0, variant&2 != 0
				got, want := (&API{APIName: name}).hostIn(region, fips, dual), sdkHost(t, name.Host, region, fips, dual)
				if got != want {
					t.Errorf("%s in %s, FIPS %v, dual stack %v: got %s, want %s", name.Host, region, fips, dual, got, want)
				}
			}
		}
	}
}

// connected makes an API for a server, whose clock is now.
func connected(t *testing.T, endpoint, region string, now func() time.Time) *API {
	t.Helper()
	s, err := NewService(&ServiceOptions{Endpoint: endpoint}, Source{Region: region, AccessKeyID: "AKID", SecretAccessKey: "secret"}, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if now != nil {
		s.now = now
	}
	return NewAPI(s, apis[1])
}

func TestTheEnvironmentNamesEndpoints(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		own  string
		want string
	}{
		{"none", nil, "", "https://firehose.eu-west-1.amazonaws.com/"},
		{"FIPS", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, "", "https://firehose-fips.eu-west-1.amazonaws.com/"},
		{"dual stack", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "", "https://firehose.eu-west-1.api.aws/"},
		{"all services", map[string]string{"AWS_ENDPOINT_URL": "http://all:1/"}, "", "http://all:1/"},
		{"this service", map[string]string{"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_FIREHOSE": "http://one:2"}, "", "http://one:2/"},
		{"the configuration's is used", map[string]string{"AWS_ENDPOINT_URL_FIREHOSE": "http://one:2"}, "http://three:3", "http://three:3/"},
		{"ignored", map[string]string{"AWS_ENDPOINT_URL_FIREHOSE": "http://one:2", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "", "https://firehose.eu-west-1.amazonaws.com/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			if got, err := connected(t, c.own, "eu-west-1", nil).URL(t.Context()); err != nil || got != c.want {
				t.Errorf("got %s and error %v, want %s", got, err, c.want)
			}
		})
	}
	if got, err := connected(t, "", "evil.example/", nil).URL(t.Context()); err == nil {
		t.Errorf("got %s for a region that is no name, want an error", got)
	}
}

// TestAWrongClockIsMadeUpFor: AWS refuses a signature that is more than 5 minutes old.
func TestAWrongClockIsMadeUpFor(t *testing.T) {
	var dates []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dates = append(dates, r.Header.Get("X-Amz-Date"))
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || time.Since(signed).Abs() > 5*time.Minute {
			w.Header().Set("X-Amzn-Errortype", "InvalidSignatureException:http://internal.amazon.com/coral/")
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	a := connected(t, server.URL, "eu-west-1", func() time.Time { return time.Now().Add(-time.Hour) })
	post := func() error {
		body := httpsend.NewPayload([]byte("{}"))
		defer body.Release()
		_, err := a.Post(t.Context(), "PutRecordBatch", body, nil, "", nil)
		return err
	}
	if err := post(); err == nil || !RefusalOf(err).Unauthorised() {
		t.Fatalf("got error %v, want a refusal of the signature", err)
	}
	if err := post(); err != nil {
		t.Errorf("got error %v with the dates %v, want the second one by the server's clock", err, dates)
	}
}
