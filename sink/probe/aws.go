package probe

import (
	"fmt"

	"github.com/firelane/firelane/sink/aws"
)

// Refused is the fact that a call of an AWS service failed. action is the permission that the call needs, such as
// logs:DescribeLogGroups; needs are those that delivering does.
func Refused(step string, err error, action, needs string) Fact {
	r := aws.RefusalOf(err)
	switch {
	case r == nil:
		return Fact{step, Error, fmt.Sprintf("no answer: %v", aws.Reply(err).Err), "check the endpoint, and what is said above about the connection"}
	case r.Throttled():
		return Fact{step, Note, fmt.Sprintf("not known: the service is overloaded, or the account is over its quota (%v)", r), "try again"}
	case r.Denied():
		return Fact{step, Note, fmt.Sprintf("not known: these credentials may not call %s (%v)", action, r),
			"delivering needs " + needs + " in the role's policy; " + action + " is needed only for this check"}
	case r.Unauthorised():
		return Fact{step, Error, fmt.Sprintf("the service refuses the credentials: %v", r), "see what is said above about credentials and the clock"}
	}
	return Fact{step, Error, fmt.Sprintf("the service refuses the call: %v", r), ""}
}
