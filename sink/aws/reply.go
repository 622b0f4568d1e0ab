package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// A Refusal is a service's reply to a call that it refused.
type Refusal struct {
	Status  int    // HTTP
	Code    string // such as ResourceNotFoundException
	Message string
	Wait    time.Duration // Retry-After; 0: none
	Token   string        // expectedSequenceToken; "": none
}

func (r *Refusal) Error() string {
	text := r.Code
	if r.Status != 0 {
		text = fmt.Sprintf("%d %s", r.Status, r.Code)
	}
	if r.Message != "" {
		text += ": " + r.Message
	}
	return text
}

// RefusalOf returns the refusal in an error of an API or of the SDK, nil if the service sent no reply.
func RefusalOf(err error) *Refusal {
	var own *Refusal
	if errors.As(err, &own) {
		return own
	}
	var resp *awshttp.ResponseError
	var api smithy.APIError
	named := errors.As(err, &api)
	answered := errors.As(err, &resp) && resp.Response != nil && resp.HTTPStatusCode() != 0
	if !answered && !named {
		return nil
	}
	r := &Refusal{Code: "without a code"}
	if answered {
		r.Status, r.Wait = resp.HTTPStatusCode(), httpsend.RetryAfter(resp.Response.Header, time.Now())
	}
	if named {
		r.Code, r.Message = api.ErrorCode(), httpsend.Clip(api.ErrorMessage(), httpsend.MaxReason)
	} else if resp.Err != nil {
		r.Message = httpsend.Clip(resp.Err.Error(), httpsend.MaxReason)
	}
	if r.Status >= 200 && r.Status < 300 && !named {
		return nil // the answer broke off, or can't be read
	}
	return r
}

// Reply returns the verdict for an error of Service.Call: again, with its cause. A destination may refine it by what it
// knows of its service.
func Reply(err error) sink.Reply {
	reply := sink.Reply{Verdict: sink.Again, Err: plain(err), Trouble: TroubleOf(err, "")}
	var none *CredentialsError
	r := RefusalOf(err)
	switch {
	case errors.As(err, &none):
		reply.Cause = sink.Unauthorised
	case r == nil:
		reply.CutOff = httpsend.IsCutOff(err)
	default:
		reply.Status, reply.Cause, reply.RetryAfter = r.Status, sink.Answered, r.Wait
		switch {
		case r.Status == http.StatusRequestEntityTooLarge:
			reply.Split = sink.BySize
		case r.Throttled():
			reply.Cause = sink.Throttled
		case r.Unauthorised():
			reply.Cause = sink.Unauthorised
		}
	}
	return reply
}

// Throttled reports whether the service is overloaded, or the caller over its quota.
func (r *Refusal) Throttled() bool {
	switch r.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	if _, ok := retry.DefaultThrottleErrorCodes[r.Code]; ok {
		return true
	}
	return strings.HasPrefix(r.Code, "ServiceUnavailable")
}

// Unauthorised reports whether the service refused the credentials, or what they may do.
func (r *Refusal) Unauthorised() bool {
	switch strings.TrimSuffix(r.Code, "Exception") {
	case "AccessDenied", "ExpiredToken", "UnrecognizedClient", "InvalidSignature", "SignatureDoesNotMatch", "InvalidAccessKeyId",
		"InvalidClientTokenId", "InvalidToken", "MissingAuthenticationToken", "IncompleteSignature", "RequestExpired",
		"RequestTimeTooSkewed", "AuthFailure", "NotAuthorized", "OptInRequired", "TokenRefreshRequired":
		return true
	}
	return r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden
}

// Denied reports whether the service knows the credentials, and they may not do what was asked.
func (r *Refusal) Denied() bool {
	switch strings.TrimSuffix(r.Code, "Exception") {
	case "AccessDenied", "NotAuthorized":
		return true
	}
	return r.Status == http.StatusForbidden && !r.named()
}

// unrelatedToFormat reports whether the service would have refused the call in another format, too: for load, for the body's size, or
// for the credentials.
func (r *Refusal) unrelatedToFormat() bool {
	return r.Throttled() || r.Status == http.StatusRequestEntityTooLarge || r.Unauthorised() && r.named()
}

// named reports whether the service says why by a code. An answer to HEAD has no body, and its code is the status's text.
func (r *Refusal) named() bool { return r.Code != "Forbidden" && r.Code != "without a code" }

// plain returns an error without the layers of text that it puts around each.
func plain(err error) error {
	var none *CredentialsError
	if errors.As(err, &none) {
		return none
	}
	if r := RefusalOf(err); r != nil {
		return r
	}
	var op *smithy.OperationError
	for errors.As(err, &op) {
		err = op.Err
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) {
		err = send.Err
	}
	return httpsend.PlainError(context.Background(), err)
}
