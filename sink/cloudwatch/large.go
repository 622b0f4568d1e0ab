package cloudwatch

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// The values of the option large_events, besides cut.
const (
	largeDeadLetter = "dead_letter"
	largeOTLP       = "otlp"
)

// A large event is sent to the service's OTLP endpoint ("OTLP Endpoints - Amazon CloudWatch", Logs endpoint), in a request of its
// own. The service shortens the event to 1 MiB, and keeps the rest as a large log object. The event's item is largeMark, its time
// in milliseconds, a colon, and the body of the request.
const largeMark = 'L'

func isLarge(item []byte) bool { return item[0] == largeMark }

// Numbers of fields in OTLP's messages (opentelemetry/proto/logs/v1/logs.proto).
const (
	fieldResourceLogs   protowire.Number = 1
	fieldScopeLogs      protowire.Number = 2
	fieldLogRecords     protowire.Number = 2
	fieldTime           protowire.Number = 1
	fieldObservedTime   protowire.Number = 11
	fieldBody           protowire.Number = 5
	fieldString         protowire.Number = 1 // of AnyValue
	fieldPartialSuccess protowire.Number = 1 // of the answer
	fieldRejected       protowire.Number = 1
	fieldErrorMessage   protowire.Number = 2
)

// appendLarge appends the item of an event. size is the length of its message in bytes, converted to UTF-8.
func appendLarge(dst []byte, t record.Time, text []byte, size int) []byte {
	dst = strconv.AppendUint(append(dst, largeMark), uint64(t.Sec)*1000+uint64(t.Nsec)/1e6, 10)
	dst = append(dst, ':')
	const times = 2 * (1 + 8) // two tags, two fixed64
	body := protowire.SizeTag(fieldString) + protowire.SizeBytes(size)
	rec := times + protowire.SizeTag(fieldBody) + protowire.SizeBytes(body)
	scope := protowire.SizeTag(fieldLogRecords) + protowire.SizeBytes(rec)
	resource := protowire.SizeTag(fieldScopeLogs) + protowire.SizeBytes(scope)
	for _, m := range []struct {
		field protowire.Number
		size  int
	}{{fieldResourceLogs, resource}, {fieldScopeLogs, scope}, {fieldLogRecords, rec}} {
		dst = appendHeader(dst, m.field, m.size)
	}
	ns := uint64(t.Sec)*1e9 + uint64(t.Nsec)
	for _, field := range []protowire.Number{fieldTime, fieldObservedTime} {
		dst = protowire.AppendFixed64(protowire.AppendTag(dst, field, protowire.Fixed64Type), ns)
	}
	dst = appendHeader(appendHeader(dst, fieldBody, body), fieldString, size)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[n:]
	}
	return dst
}

// appendHeader appends the tag and the length of a field of size bytes.
func appendHeader(dst []byte, field protowire.Number, size int) []byte {
	return binary.AppendUvarint(protowire.AppendTag(dst, field, protowire.BytesType), uint64(size))
}

// putLarge sends a large event. If the endpoint rejects the event, out says so in the same way as PutLogEvents.
func (d *Destination) putLarge(ctx context.Context, item, key []byte) (out rejection, err error) {
	_, body, _ := bytes.Cut(item, []byte(":"))
	group, stream := splitKey(key)
	err = d.do(ctx, "OTLP", string(key), func(ctx context.Context) error {
		url, err := d.api.URL(ctx)
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"v1/logs", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		req.Header.Set("X-Aws-Log-Group", text(group))
		req.Header.Set("X-Aws-Log-Stream", text(stream))
		resp, err := d.api.Do("logs", req, body)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return refusalOf(resp, answer)
		}
		out, err = rejectedBy(answer)
		return err
	})
	return out, err
}

// text is a name as the head of a request has it.
func text(name []byte) string { return strings.ToValidUTF8(string(name), "\ufffd") }

// refusalOf makes an error of an answer with a status other than 200. Its body is JSON, or a google.rpc.Status.
func refusalOf(resp *http.Response, body []byte) error {
	r := aws.NewRefusal(resp, body)
	if strings.Contains(string(body), codeMissing) {
		r.Code = codeMissing
	}
	if r.Message == "" {
		r.Message = httpsend.Clip(strings.ToValidUTF8(string(body), ""), httpsend.MaxReason)
	}
	return r
}

// rejectedBy reads an answer with status 200. If the event was rejected, the answer's message says which time limit it exceeds ("Sending logs using the OTLP
// endpoint - Amazon CloudWatch Logs", Responses).
func rejectedBy(answer []byte) (rejection, error) {
	partial, _ := protoField(answer, fieldPartialSuccess)
	if _, count := protoField(partial, fieldRejected); count == 0 {
		return rejection{}, nil
	}
	message, _ := protoField(partial, fieldErrorMessage)
	var why struct {
		TooOld  int `json:"tooOldLogEventCount"`
		TooNew  int `json:"tooNewLogEventCount"`
		Expired int `json:"expiredLogEventCount"`
	}
	_ = json.Unmarshal(message, &why)
	zero, one := 0, 1
	switch {
	case why.TooOld > 0:
		return rejection{TooOldEnd: &one}, nil
	case why.TooNew > 0:
		return rejection{TooNewStart: &zero}, nil
	case why.Expired > 0:
		return rejection{ExpiredEnd: &one}, nil
	}
	reason := httpsend.Clip(strings.ToValidUTF8(string(message), ""), httpsend.MaxReason)
	return rejection{}, &aws.Refusal{Status: http.StatusBadRequest, Code: "partial_success", Message: reason}
}

// protoField returns the last field of a message with the number want: its bytes or its varint. Both are zero if the field is missing
// or m isn't a valid message.
func protoField(m []byte, want protowire.Number) (text []byte, number uint64) {
	for len(m) > 0 {
		field, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return nil, 0
		}
		m = m[n:]
		if n = protowire.ConsumeFieldValue(field, kind, m); n < 0 {
			return nil, 0
		}
		if field == want {
			switch kind {
			case protowire.BytesType:
				text, _ = protowire.ConsumeBytes(m)
			case protowire.VarintType:
				number, _ = protowire.ConsumeVarint(m)
			}
		}
		m = m[n:]
	}
	return text, number
}
