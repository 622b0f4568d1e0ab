package aws

import (
	"errors"
	"strconv"
	"strings"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// TroubleOf says in words what an error of Service.Call means; nil if that is clear from its cause and status. action is the
// permission that the call needs, such as logs:PutLogEvents, for services that don't say it.
func TroubleOf(err error, action string) *sink.Trouble {
	var none *CredentialsError
	r := RefusalOf(err)
	switch {
	case errors.As(err, &none):
		return &sink.Trouble{Kind: sink.Unauthenticated, What: "gets no requests: there are no AWS credentials to sign them", Want: "give the task a role (taskRoleArn)"}
	case r == nil:
		return nil
	case r.Throttled():
		return &sink.Trouble{Kind: sink.Overloaded, What: "throttles requests (" + r.brief() + ")", Want: "raise the service's quota, if it lasts; the router sends one request at a time meanwhile"}
	case r.Denied():
		return &sink.Trouble{Kind: sink.AccessDenied, What: "denied access (" + r.brief() + ")", Want: "allow the task role " + r.action(action) + ", and see whether the resource's policy denies it"}
	case r.Unauthorised():
		return &sink.Trouble{Kind: sink.Unauthenticated, What: "refused the credentials (" + r.brief() + ")", Want: "check the task role, the region and the host's clock"}
	}
	return nil
}

// brief is the status and the code.
func (r *Refusal) brief() string {
	if r.Status == 0 {
		return r.Code
	}
	return strings.TrimSpace(strconv.Itoa(r.Status) + " " + r.Code)
}

// action returns the permission that the service says is missing, else otherwise.
func (r *Refusal) action(otherwise string) string {
	// User: arn:aws:sts::111122223333:assumed-role/task/x is not authorized to perform: logs:PutLogEvents on resource: …
	if _, rest, ok := strings.Cut(r.Message, "not authorized to perform: "); ok {
		if name, _, _ := strings.Cut(rest, " "); name != "" {
			return httpsend.Clip(strings.TrimRight(name, ".,"), maxAction)
		}
	}
	if otherwise == "" {
		return "this call"
	}
	return otherwise
}

// maxAction is how long a permission's name may be, in bytes, to be logged whole.
const maxAction = 80
