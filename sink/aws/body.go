package aws

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/firelane/firelane/sink/httpsend"
)

// callKey is the key of a RawCall in a context.
type callKey struct{}

// A RawCall is one call of a client whose protocol is a RawBody.
type RawCall struct {
	body   *httpsend.Payload
	stored bool
}

// Stored reports whether the answer says that nothing failed. The call's output is empty then.
func (c *RawCall) Stored() bool { return c.stored }

// WithBody returns a context for one call of a client whose protocol is a RawBody: body is sent instead of the input.
func WithBody(ctx context.Context, body *httpsend.Payload) (context.Context, *RawCall) {
	c := &RawCall{body: body}
	return context.WithValue(ctx, callKey{}, c), c
}

// RawBody is a protocol of the SDK that sends a body which is already encoded; the SDK would build it from one struct for each
// record. All else is the SDK's: headers, endpoint, signature, errors. The call's input needs the members that the SDK checks.
//
//	firehose.NewFromConfig(cfg, func(o *firehose.Options) { o.Protocol = aws.NewRawBody(o.Protocol, "FailedPutCount") })
type RawBody struct {
	smithyhttp.ClientProtocol
	failed []byte    // "FailedPutCount", with its quotes; nil: none
	bodies sync.Pool // of *bytes.Buffer: answers
}

// NewRawBody makes a RawBody. failed is the member of an answer that has the number of records that failed; an answer in which
// that is 0 is not read further: it has a result for each record, of which nobody wants to know. "": there is no such member.
func NewRawBody(p smithyhttp.ClientProtocol, failed string) *RawBody {
	b := &RawBody{ClientProtocol: p}
	if failed != "" {
		b.failed = []byte(`"` + failed + `"`)
	}
	return b
}

// maxKeptAnswer is the largest buffer in bytes that is kept for the next answer.
const maxKeptAnswer = 256 << 10

// SerializeRequest implements smithyhttp.ClientProtocol.
func (p *RawBody) SerializeRequest(ctx context.Context, op *smithy.OperationSchema, in smithy.Serializable, req *smithyhttp.Request) error {
	if err := p.ClientProtocol.SerializeRequest(ctx, op, in, req); err != nil {
		return err
	}
	call, ok := ctx.Value(callKey{}).(*RawCall)
	if !ok {
		return nil
	}
	with, err := req.SetStream(call.body)
	if err != nil {
		return err
	}
	*req = *with
	return nil
}

// DeserializeResponse implements smithyhttp.ClientProtocol.
func (p *RawBody) DeserializeResponse(
	ctx context.Context, op *smithy.OperationSchema, types *smithy.TypeRegistry, resp *smithyhttp.Response, out smithy.Deserializable,
) error {
	call, ok := ctx.Value(callKey{}).(*RawCall)
	if !ok || p.failed == nil || resp.StatusCode != http.StatusOK {
		return p.ClientProtocol.DeserializeResponse(ctx, op, types, resp, out)
	}
	buf, ok := p.bodies.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	buf.Reset()
	if _, err := buf.ReadFrom(resp.Body); err != nil {
		return &smithy.DeserializationError{Err: fmt.Errorf("reading the answer: %w", err)}
	}
	if call.stored = noneFailed(buf.Bytes(), p.failed); call.stored {
		if buf.Cap() <= maxKeptAnswer {
			p.bodies.Put(buf)
		}
		return nil
	}
	resp.Body = struct { // the SDK reads it, also after this call
		io.Reader
		io.Closer
	}{buf, resp.Body}
	return p.ClientProtocol.DeserializeResponse(ctx, op, types, resp, out)
}

// noneFailed reports whether an answer, which HTTP says is complete, has the member with the value 0, and no error. In a string of
// JSON the quotes would be escaped, so that it can't be taken for the member.
func noneFailed(answer, member []byte) bool {
	_, value, ok := bytes.Cut(answer, member)
	value = bytes.TrimLeft(value, " \t\r\n:")
	if !ok || len(value) < 2 || value[0] != '0' || value[1] != ',' && value[1] != '}' && value[1] > ' ' {
		return false
	}
	end := bytes.TrimRight(answer, " \t\r\n")
	return end[0] == '{' && end[len(end)-1] == '}' && !bytes.Contains(answer, []byte(`"ErrorCode"`))
}
