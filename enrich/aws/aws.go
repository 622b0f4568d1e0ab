// Package aws is Fluent Bit's filter aws: it adds metadata of the EC2 instance to records.
package aws

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/fetch"
	"github.com/firelane/firelane/record"
)

// Options are those of aws.
type Options struct {
	Version      string   `fluentbit:"imds_version" oneof:"v1,v2" default:"v2" help:"version of the metadata service's protocol; v2 asks for a token first"`
	Zone         bool     `fluentbit:"az" default:"true" help:"add the availability zone as az"`
	InstanceID   bool     `fluentbit:"ec2_instance_id" default:"true" help:"add the instance's id as ec2_instance_id"`
	InstanceType bool     `fluentbit:"ec2_instance_type" default:"false" help:"add the instance's type as ec2_instance_type"`
	PrivateIP    bool     `fluentbit:"private_ip" default:"false" help:"add the instance's private address as private_ip"`
	VPC          bool     `fluentbit:"vpc_id" default:"false" help:"add the id of the VPC as vpc_id"`
	AMI          bool     `fluentbit:"ami_id" default:"false" help:"add the id of the image as ami_id"`
	Account      bool     `fluentbit:"account_id" default:"false" help:"add the account's number as account_id"`
	Hostname     bool     `fluentbit:"hostname" default:"false" help:"add the instance's host name as hostname"`
	Tags         bool     `fluentbit:"tags_enabled" default:"false" help:"add the instance's tags, which must be allowed in its metadata"`
	Include      []string `fluentbit:"tags_include" help:"tags to add; default: all"`
	Exclude      []string `fluentbit:"tags_exclude" help:"tags not to add"`
	Retry        int      `fluentbit:"retry_interval_s" default:"300" help:"seconds after which what could not be fetched is asked for again"`
	Entity       bool     `fluentbit:"enable_entity" default:"false" help:"add aws_entity_ec2_instance_id and aws_entity_account_id"`
}

// Check implements config's check after binding.
func (o *Options) Check(config.Dialect) error {
	if len(o.Include) > 0 && len(o.Exclude) > 0 {
		return &config.OptionError{Option: "tags_exclude", Reason: "excludes tags_include; use one of them"}
	}
	return nil
}

// wantsTag reports whether a tag is to be added.
func (o *Options) wantsTag(name string) bool {
	if len(o.Include) > 0 {
		return slices.Contains(o.Include, name)
	}
	return !slices.Contains(o.Exclude, name)
}

const (
	// service is the URL of the metadata service, unless the environment variable serviceVariable has another one, as for AWS's SDKs.
	service         = "http://169.254.169.254"
	serviceVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT"

	// firstWait is how long the first records wait for the metadata, and fetchTime how long all requests of one attempt may take.
	// The service answers a container in milliseconds, or never if the instance's hop limit is 1.
	firstWait = time.Second
	fetchTime = 20 * time.Second
)

// filter is the filter. Its cache has one entry.
type filter struct{ cache *fetch.Cache[state] }

// A state is the metadata that is known, and the filter that sets it.
type state struct {
	known map[string][]enrich.Field // by the name of the group
	set   enrich.Filter
}

// New makes the step of an aws. It makes no request before the first record.
func New(o *Options, d config.Dialect, env enrich.Env) (enrich.Filter, error) {
	base := os.Getenv(serviceVariable)
	if base == "" {
		base = service
	}
	return newFilter(o, d, env, strings.TrimSuffix(base, "/"))
}

func newFilter(o *Options, d config.Dialect, env enrich.Env, base string) (enrich.Filter, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	s := &source{o: *o, base: base, client: fetch.NewClient(nil), log: env.Log}
	retry := time.Duration(max(1, min(o.Retry, 86400))) * time.Second
	return &filter{fetch.New(fetch.Options{Max: 1, Retry: retry, Timeout: fetchTime, FirstWait: firstWait}, s.fetch)}, nil
}

// Apply implements enrich.Filter. Metadata that isn't known yet is left out.
func (f *filter) Apply(ev *record.Event, s *enrich.Scratch) bool {
	if now := f.cache.Get(nil); now.set != nil {
		return now.set.Apply(ev, s)
	}
	return true
}

// Close implements enrich.Closer.
func (f *filter) Close() { f.cache.Close() }
