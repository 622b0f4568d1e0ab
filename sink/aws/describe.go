package aws

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// SignIn says for people how requests to a service are signed. region is "" if it isn't known here.
func (s Source) SignIn(service, region string) string {
	text := "AWS Signature Version 4, service " + strings.ToLower(service)
	if region != "" {
		text += ", region " + region
	} else {
		text += ", region of AWS_REGION"
	}
	switch {
	case s.RoleARN != "":
		text += ", as role " + s.RoleARN
	case s.AccessKeyID != "":
		text += ", with an access key of the configuration"
	case s.Profile != "":
		text += ", profile " + s.Profile
	}
	return text
}

// Grants is what a task's role must allow if an output needs grants: with a role to assume that is only to assume it, since the grants
// are then that role's, and with an access key nothing.
func (s Source) Grants(grants ...sink.IAMGrant) []sink.IAMGrant {
	switch {
	case s.AccessKeyID != "" || s.WebIdentityFile != "":
		return nil
	case s.RoleARN != "":
		return []sink.IAMGrant{{Actions: []string{"sts:AssumeRole"}, Resource: sink.LiteralARN(s.RoleARN)}}
	}
	return grants
}

// ARN is the name of a resource of a service. The account is any, and so is the region if it is "".
func ARN(service, region, resource string) string {
	where := "*"
	if region != "" {
		where = sink.LiteralARN(region)
	}
	return fmt.Sprintf("arn:%s:%s:%s:*:%s", Partition(region), service, where, resource)
}

// Partition is the part of AWS that a region belongs to, as in the beginning of an ARN.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// DescribeService describes an output that is a service with an endpoint in each region, such as logs, firehose and kinesis. It lacks
// the name, and what the service is called. verify is whether certificates are verified.
func (o *ServiceOptions) DescribeService(service string, s Source, verify bool, grants ...sink.IAMGrant) sink.Description {
	out := sink.Description{AWSRegion: s.Region, SignIn: s.SignIn(service, s.Region), Actions: s.Grants(grants...)}
	endpoint, err := o.endpoint()
	if err != nil {
		return out
	}
	if endpoint == "" {
		if s.Region == "" {
			return out
		}
		endpoint = "https://" + service + "." + s.Region + "." + suffix(s.Region)
	}
	if u, err := url.Parse(endpoint); err == nil {
		out.URL, out.Servers = endpoint, []sink.Server{httpsend.ServerOf(u, verify)}
	}
	return out
}

// suffix is the domain of a region's services.
func suffix(region string) string {
	if Partition(region) == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
