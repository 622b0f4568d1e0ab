package aws

import "github.com/firelane/firelane/config"

// FluentdOptions are the options for credentials that the Fluentd plugins of AWS (kinesis, s3) have.
type FluentdOptions struct {
	AccessKeyID  config.Secret `fluentd:"aws_key_id" help:"access key; default: the task's role"`
	SecretKey    config.Secret `fluentd:"aws_sec_key" help:"its secret key"`
	SessionToken config.Secret `fluentd:"aws_ses_token" help:"its session token, for temporary keys"`
	IAMRetries   int           `fluentd:"aws_iam_retries" help:"accepted; credentials are fetched again until that works"`

	AssumeRole  *AssumedRole  `fluentd:"<assume_role_credentials>" help:"role to assume"`
	WebIdentity *WebIdentity  `fluentd:"<web_identity_credentials>" help:"role to assume with a token from a file"`
	Instance    []config.Pair `fluentd:"<instance_profile_credentials>" help:"accepted; a task's or an instance's role is used unless something else is configured"`
	SharedFile  *SharedFile   `fluentd:"<shared_credentials>" help:"credentials in the shared files"`
	Process     []config.Pair `fluentd:"<process_credentials>" ignored:"no program is run for credentials; name it as credential_process in a profile of AWS_CONFIG_FILE" help:"program that prints credentials"`
	HTTPProxy   config.Secret `fluentd:"http_proxy" ignored:"set HTTPS_PROXY in the router's environment" help:"proxy"`
	VerifyPeer  bool          `fluentd:"ssl_verify_peer" default:"true" help:"verify the service's certificate"`
}

// AssumedRole is Fluentd's <assume_role_credentials>.
type AssumedRole struct {
	ARN        string        `fluentd:"role_arn" required:"true" help:"role to assume"`
	Session    string        `fluentd:"role_session_name" help:"name of the session"`
	ExternalID string        `fluentd:"external_id" help:"external id for role_arn"`
	Endpoint   string        `fluentd:"sts_endpoint_url" help:"STS endpoint for role_arn"`
	Policy     string        `fluentd:"policy" ignored:"the session gets all that the role may do; narrow the role itself" help:"policy that narrows the session"`
	Duration   int           `fluentd:"duration_seconds" help:"accepted; credentials are renewed before they expire"`
	Proxy      config.Secret `fluentd:"sts_http_proxy" ignored:"set HTTPS_PROXY in the router's environment" help:"proxy for STS"`
}

// WebIdentity is Fluentd's <web_identity_credentials>.
type WebIdentity struct {
	ARN      string `fluentd:"role_arn" required:"true" help:"role to assume"`
	Session  string `fluentd:"role_session_name" help:"name of the session"`
	File     string `fluentd:"web_identity_token_file" required:"true" help:"file with the token"`
	Policy   string `fluentd:"policy" ignored:"the session gets all that the role may do; narrow the role itself" help:"policy that narrows the session"`
	Duration string `fluentd:"duration_seconds" help:"accepted; credentials are renewed before they expire"`
}

// SharedFile is Fluentd's <shared_credentials>.
type SharedFile struct {
	Path    string `fluentd:"path" ignored:"set AWS_SHARED_CREDENTIALS_FILE in the router's environment" help:"the file"`
	Profile string `fluentd:"profile_name" default:"default" help:"the profile"`
}

// CheckCredentials reports mistakes that binding can't find.
func (o *FluentdOptions) CheckCredentials() error {
	if (o.AccessKeyID == "") != (o.SecretKey == "") {
		return &config.OptionError{Option: "aws_key_id", Reason: "needs aws_sec_key, and the other way round; want both or neither"}
	}
	return nil
}

// Complete completes s by the options. The first one that is set counts: keys, role, token, shared file.
func (o *FluentdOptions) Complete(s *Source) {
	switch {
	case o.AccessKeyID != "":
		s.AccessKeyID, s.SecretAccessKey, s.SessionToken = string(o.AccessKeyID), string(o.SecretKey), string(o.SessionToken)
	case o.AssumeRole != nil:
		r := o.AssumeRole
		s.RoleARN, s.Session, s.ExternalID, s.STSEndpoint = r.ARN, r.Session, r.ExternalID, r.Endpoint
	case o.WebIdentity != nil:
		r := o.WebIdentity
		s.RoleARN, s.Session, s.WebIdentityFile = r.ARN, r.Session, r.File
	case o.SharedFile != nil:
		s.Profile = o.SharedFile.Profile
	}
}
