// Package opentelemetrytest is a small fake of a server of OTLP/HTTP for logs, for tests. It parses requests with
// OpenTelemetry's own types, and refuses what its specification forbids: unknown fields, ids of a wrong length, severities out
// of range, keys that are empty or occur twice, strings that aren't UTF-8. It can be told to fail, and to reject records.
//
// Its sources are the pages "OTLP Specification" (OTLP/HTTP Request, Response, Partial Success, Failures) and "Logs Data
// Model" of OpenTelemetry's documentation.
package opentelemetrytest

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Options say how the server behaves.
type Options struct {
	MaxBody int64  // bytes after decompression; 0: 20 MiB, a Collector's default (confighttp, max_request_body_size)
	JSON    bool   // answer in JSON
	User    string // with Pass, basic authentication; "": none
	Pass    string

	// Reject, unless nil, returns why a record is rejected, "" if it isn't: partial success.
	Reject func(r Record) string
	// Bad, unless nil, reports whether a record makes the server refuse the whole request with 400.
	Bad func(r Record) bool
	// Fault, unless nil, is asked before request n (from 1) is read: a status other than 0 is the answer, with these headers.
	Fault func(n int, r *http.Request) (status int, h http.Header)
}

// A Record is a stored LogRecord, as text.
type Record struct {
	Resource, Body, Attributes string
	Time                       uint64
	Severity, TraceID, SpanID  string
}

// Server is the fake, an http.Handler.
type Server struct {
	opts Options

	mu       sync.Mutex
	requests int
	records  []Record
}

// New makes a server.
func New(o Options) *Server {
	if o.MaxBody == 0 {
		o.MaxBody = 20 << 20
	}
	return &Server{opts: o}
}

// Requests is the number of requests so far.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Records are those that are stored, in the order of arrival.
func (s *Server) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// A refusal is an answer other than 200.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	n := s.requests
	s.mu.Unlock()
	if s.opts.Fault != nil {
		if status, h := s.opts.Fault(n, r); status != 0 {
			_, _ = io.Copy(io.Discard, r.Body)
			for k, v := range h {
				w.Header()[k] = v
			}
			s.refuse(w, &refusal{status, "told to fail"})
			return
		}
	}
	reply, err := s.export(r)
	var no *refusal
	switch {
	case errors.As(err, &no):
		s.refuse(w, no)
	case err != nil:
		s.refuse(w, &refusal{400, err.Error()})
	case s.opts.JSON:
		w.Header().Set("Content-Type", "application/json")
		if reply.PartialSuccess == nil {
			_, _ = io.WriteString(w, "{}")
			return
		}
		text, _ := json.Marshal(reply.PartialSuccess.ErrorMessage)
		fmt.Fprintf(w, `{"partialSuccess":{"rejectedLogRecords":"%d","errorMessage":%s}}`, reply.PartialSuccess.RejectedLogRecords, text)
	default:
		body, _ := proto.Marshal(reply)
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(body)
	}
}

// refuse answers with a google.rpc.Status.
func (s *Server) refuse(w http.ResponseWriter, no *refusal) {
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(no.status)
	body := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3)
	_, _ = w.Write(protowire.AppendString(protowire.AppendTag(body, 2, protowire.BytesType), no.text))
}

func (s *Server) export(r *http.Request) (*collector.ExportLogsServiceResponse, error) {
	switch user, pass, _ := r.BasicAuth(); {
	case r.URL.Path != "/v1/logs":
		return nil, &refusal{404, "404 page not found"}
	case r.Method != http.MethodPost:
		return nil, &refusal{405, "405 method not allowed, supported: [POST]"}
	case r.Header.Get("Content-Type") != "application/x-protobuf":
		return nil, &refusal{415, "415 unsupported media type, supported: [application/json, application/x-protobuf]"}
	case s.opts.User != "" && (user != s.opts.User || pass != s.opts.Pass):
		return nil, &refusal{401, "Unauthorized"}
	}
	body, err := s.read(r)
	if err != nil {
		return nil, err
	}
	var req collector.ExportLogsServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	if err := known(req.ProtoReflect()); err != nil {
		return nil, err
	}
	all, err := records(&req)
	if err != nil {
		return nil, err
	}
	reply := &collector.ExportLogsServiceResponse{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rec := range all {
		if s.opts.Bad != nil && s.opts.Bad(rec) {
			return nil, &refusal{400, "bad record: " + rec.Body}
		}
	}
	for _, rec := range all {
		if why := s.reject(rec); why != "" {
			if reply.PartialSuccess == nil {
				reply.PartialSuccess = &collector.ExportLogsPartialSuccess{}
			}
			reply.PartialSuccess.RejectedLogRecords++
			reply.PartialSuccess.ErrorMessage = why
			continue
		}
		s.records = append(s.records, rec)
	}
	return reply, nil
}

func (s *Server) reject(r Record) string {
	if s.opts.Reject == nil {
		return ""
	}
	return s.opts.Reject(r)
}

func (s *Server) read(r *http.Request) ([]byte, error) {
	var from io.Reader = r.Body
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "":
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		from = z
	case "zstd":
		z, err := zstd.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		from = z
	default:
		return nil, &refusal{415, "unsupported Content-Encoding: " + enc}
	}
	body, err := io.ReadAll(io.LimitReader(from, s.opts.MaxBody+1))
	if err == nil && int64(len(body)) > s.opts.MaxBody {
		return nil, &refusal{413, "http: request body too large"}
	}
	return body, err
}

// known fails if a message has fields that the schema doesn't have.
func known(m protoreflect.Message) (err error) {
	if len(m.GetUnknown()) > 0 {
		return fmt.Errorf("%s has unknown fields", m.Descriptor().FullName())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				if err == nil {
					err = known(v.List().Get(i).Message())
				}
			}
		default:
			err = known(v.Message())
		}
		return err == nil
	})
	return err
}

func records(req *collector.ExportLogsServiceRequest) (all []Record, err error) {
	for _, resource := range req.ResourceLogs {
		if resource.Resource == nil {
			return nil, errors.New("ResourceLogs without a resource")
		}
		of, err := attributes(resource.Resource.Attributes)
		if err != nil {
			return nil, err
		}
		for _, scope := range resource.ScopeLogs {
			for _, l := range scope.LogRecords {
				r, err := recordOf(l)
				if err != nil {
					return nil, err
				}
				r.Resource = of
				all = append(all, r)
			}
		}
	}
	return all, nil
}

func recordOf(l *logs.LogRecord) (r Record, err error) {
	switch {
	case l.TimeUnixNano == 0:
		return r, errors.New("a record has no time")
	case l.SeverityNumber < 0 || l.SeverityNumber > 24:
		return r, fmt.Errorf("severity_number %d is out of range", l.SeverityNumber)
	case len(l.TraceId) != 0 && len(l.TraceId) != 16:
		return r, fmt.Errorf("trace_id has %d bytes", len(l.TraceId))
	case len(l.SpanId) != 0 && len(l.SpanId) != 8:
		return r, fmt.Errorf("span_id has %d bytes", len(l.SpanId))
	}
	r = Record{Time: l.TimeUnixNano, TraceID: hex.EncodeToString(l.TraceId), SpanID: hex.EncodeToString(l.SpanId), Body: text(l.Body)}
	r.Severity = strings.TrimSpace(fmt.Sprintf("%d %s", l.SeverityNumber, l.SeverityText))
	r.Attributes, err = attributes(l.Attributes)
	return r, err
}

func attributes(list []*common.KeyValue) (string, error) {
	seen := map[string]bool{}
	for _, kv := range list {
		if kv.Key == "" || seen[kv.Key] {
			return "", fmt.Errorf("attribute %q is empty or occurs twice", kv.Key)
		}
		seen[kv.Key] = true
	}
	return pairs(list), nil
}

func pairs(list []*common.KeyValue) string {
	var out []string
	for _, kv := range list {
		out = append(out, kv.Key+"="+text(kv.Value))
	}
	return strings.Join(out, " ")
}

// text is a value as text: strings in quotes, maps in braces, bytes in hexadecimal.
func text(v *common.AnyValue) string {
	switch x := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return strconv.Quote(x.StringValue)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(x.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(x.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(x.DoubleValue, 'f', -1, 64) + "f"
	case *common.AnyValue_BytesValue:
		return "0x" + hex.EncodeToString(x.BytesValue)
	case *common.AnyValue_ArrayValue:
		var out []string
		for _, e := range x.ArrayValue.Values {
			out = append(out, text(e))
		}
		return "[" + strings.Join(out, " ") + "]"
	case *common.AnyValue_KvlistValue:
		return "{" + pairs(x.KvlistValue.Values) + "}"
	}
	return "nil"
}
