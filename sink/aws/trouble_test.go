package aws

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestTroublesOfServicesNameWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&CredentialsError{errors.New("no EC2 IMDS role found")}, "unauthenticated: gets no requests: there are no AWS credentials to sign them; give the task a role (taskRoleArn)"},
		{&Refusal{Status: 400, Code: "ThrottlingException", Message: "Rate exceeded"}, "overloaded: throttles requests (400 ThrottlingException); "},
		{&Refusal{Status: 400, Code: "AccessDeniedException", Message: "User: arn:aws:sts::1:assumed-role/t/x is not authorized to perform: logs:CreateLogStream on resource: arn:aws:logs:…"},
			"access_denied: denied access (400 AccessDeniedException); allow the task role logs:CreateLogStream, and see whether"},
		{&Refusal{Status: 403, Code: "AccessDenied", Message: "Access Denied"}, "access_denied: denied access (403 AccessDenied); allow the task role s3:PutObject, and"},
		{&Refusal{Status: 400, Code: "ExpiredTokenException"}, "unauthenticated: refused the credentials (400 ExpiredTokenException); "},
		{&Refusal{Status: 500, Code: "InternalFailure"}, "none"},
		{errors.New("connection refused"), "none"},
	} {
		got := "none"
		if tr := TroubleOf(fmt.Errorf("calling: %w", c.err), "s3:PutObject"); tr != nil {
			got = fmt.Sprintf("%s: %s; %s", tr.Kind, tr.What, tr.Want)
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%v:\ngot  %s\nwant %s", c.err, got, c.want)
		}
	}
}
