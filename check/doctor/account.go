package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/firelane/firelane/sink/aws"
)

// account finds out whose the AWS credentials are.
func (e *exam) account(ctx context.Context) {
	if e.AWS == nil {
		return
	}
	ctx, cancel := limited(ctx, e.fetch)
	defer cancel()
	sent := e.now()
	if c, _, err := e.AWS.Get(ctx); err == nil {
		e.mask = e.mask.with(c.SecretAccessKey, c.SessionToken)
	}
	id, err := e.AWS.Identity(ctx)
	if id.Source != "" {
		text := "from " + sourceName(id.Source)
		if !id.Expires.IsZero() {
			text += "; valid until " + id.Expires.UTC().Format("2006-01-02 15:04 MST")
		}
		e.ok("credentials", "%s; region %s", text, id.Region)
		if !id.Expires.IsZero() && id.Expires.Before(e.now()) {
			e.fail("credentials", "get new credentials: those of a task's role are replaced by ECS", "the credentials have expired")
		}
	} else {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		var none *aws.CredentialsError
		if errors.As(err, &none) {
			err = none.Err
		}
		e.fail("credentials", "give the task a role (taskRoleArn, not executionRoleArn), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; and set AWS_REGION or the option region",
			"no AWS credentials: %s", lastLine(err))
		return
	}
	e.clock(id.Server, sent)
	if err == nil {
		e.ok("identity", "account %s, %s", id.Account, id.ARN)
		for _, g := range e.needs {
			e.ok("policy", "the task's role needs %s on %s; whether its policy has that is not known without writing", listed(g.Actions), located(g.Resource, id))
		}
		return
	}
	r := aws.RefusalOf(err)
	switch {
	case r == nil:
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		e.note("identity", "not known: STS can't be reached from here (%s), which delivering doesn't need; in a VPC without NAT it takes a VPC endpoint for sts", lastLine(err))
	case r.Unauthorised():
		e.fail("identity", "use credentials that are valid: AWS doesn't accept these", "AWS refuses the credentials: %v", r)
	default:
		e.note("identity", "not known: STS answers %v", r)
	}
}

// located is an ARN with the region and the account that weren't known before.
func located(arn string, id aws.Identity) string {
	parts := strings.SplitN(arn, ":", 6) // arn:partition:service:region:account:resource
	if len(parts) == 6 && parts[3] == "*" {
		parts[3] = id.Region
	}
	if len(parts) == 6 && parts[4] == "*" {
		parts[4] = id.Account
	}
	return strings.Join(parts, ":")
}

// sources are the SDK's names of where credentials come from, for people.
var sources = []struct{ prefix, name string }{
	{"EnvConfigCredentials", "the environment (AWS_ACCESS_KEY_ID)"},
	{"CredentialsEndpointProvider", "the task's role (the endpoint of AWS_CONTAINER_CREDENTIALS_*)"},
	{"SharedConfigCredentials", "the shared configuration of AWS (a profile)"},
	{"EC2RoleProvider", "the instance's role (the instance's metadata)"},
	{"AssumeRoleProvider", "a role that is assumed (role_arn)"},
	{"WebIdentityCredentials", "a role that is assumed with a token file"},
	{"SSOProvider", "IAM Identity Center"},
	{"ProcessProvider", "a command (credential_process)"},
	{"StaticCredentials", "the options"},
}

func sourceName(s string) string {
	for _, known := range sources {
		if strings.HasPrefix(s, known.prefix) {
			return known.name
		}
	}
	return s
}

// lastLine is the end of an error of the SDK, which lists everything that it tried.
func lastLine(err error) string {
	text := err.Error()
	if parts := strings.Split(text, ", "); len(text) > 200 && len(parts) > 1 {
		text = parts[len(parts)-1]
	}
	return text
}
