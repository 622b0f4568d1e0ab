package aws

import (
	"context"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/firelane/firelane/sink/httpsend"
)

// bodyKey is the key of a request's body in a context.
type bodyKey struct{}

// WithBody returns a context for one call of a client whose protocol is a RawBody: body is sent instead of the input.
func WithBody(ctx context.Context, body *httpsend.Payload) context.Context {
	return context.WithValue(ctx, bodyKey{}, body)
}

// RawBody is a protocol of the SDK that sends a body which is already encoded; the SDK would build it from one struct for each
// record. All else is the SDK's: headers, endpoint, signature, reply. The call's input needs the members that the SDK checks.
//
//	firehose.NewFromConfig(cfg, func(o *firehose.Options) { o.Protocol = aws.RawBody{ClientProtocol: o.Protocol} })
type RawBody struct{ smithyhttp.ClientProtocol }

// SerializeRequest implements smithyhttp.ClientProtocol.
func (p RawBody) SerializeRequest(ctx context.Context, op *smithy.OperationSchema, in smithy.Serializable, req *smithyhttp.Request) error {
	if err := p.ClientProtocol.SerializeRequest(ctx, op, in, req); err != nil {
		return err
	}
	body, ok := ctx.Value(bodyKey{}).(*httpsend.Payload)
	if !ok {
		return nil
	}
	with, err := req.SetStream(body)
	if err != nil {
		return err
	}
	*req = *with
	return nil
}
