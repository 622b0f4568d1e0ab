package aws

import (
	"testing"

	"github.com/firelane/firelane/config"
)

func TestFluentdsOptionsForCredentialsAreASource(t *testing.T) {
	role := &AssumedRole{ARN: "arn:r", Session: "s", ExternalID: "x", Endpoint: "https://sts"}
	for name, c := range map[string]struct {
		options FluentdOptions
		want    Source
	}{
		"none": {FluentdOptions{}, Source{Region: "eu-west-1"}},
		"keys before a role": {FluentdOptions{AccessKeyID: "A", SecretKey: "B", SessionToken: "C", AssumeRole: role},
			Source{Region: "eu-west-1", AccessKeyID: "A", SecretAccessKey: "B", SessionToken: "C"}},
		"role": {FluentdOptions{AssumeRole: role},
			Source{Region: "eu-west-1", RoleARN: "arn:r", Session: "s", ExternalID: "x", STSEndpoint: "https://sts"}},
		"token":       {FluentdOptions{WebIdentity: &WebIdentity{ARN: "arn:r", Session: "s", File: "/t"}}, Source{Region: "eu-west-1", RoleARN: "arn:r", Session: "s", WebIdentityFile: "/t"}},
		"shared file": {FluentdOptions{SharedFile: &SharedFile{Profile: "p"}}, Source{Region: "eu-west-1", Profile: "p"}},
		"instance":    {FluentdOptions{Instance: []config.Pair{{Key: "retries", Value: "5"}}}, Source{Region: "eu-west-1"}},
	} {
		got := Source{Region: "eu-west-1"}
		if c.options.Complete(&got); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestATemporaryKeyIsSentWithItsToken(t *testing.T) {
	creds, _, err := For(nil, Source{Region: "eu-west-1", AccessKeyID: "A", SecretAccessKey: "B", SessionToken: "C"}).Get(t.Context())
	if err != nil || creds.SessionToken != "C" {
		t.Errorf("got %+v and error %v, want the token C", creds, err)
	}
}
