// Package puttest has what the stand-ins for Firehose and Kinesis Data Streams share: a server of AWS's JSON protocol, and of
// its CBOR, that verifies signatures and everything in a request's head, and faults.
package puttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"crypto/sha256"
	"encoding/hex"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The keys that are accepted.
const (
	AccessKey = "AKIAFIRELANE"
	SecretKey = "secret"
	Region    = "eu-west-1"
)

// An Error is a refusal of a whole call.
type Error struct {
	Status        int
	Code, Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Refuse makes an error with the status 400.
func Refuse(code, format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// A Server is a service with one operation. Its fields may be changed at any time with Set.
type Server struct {
	*httptest.Server

	signing, target string
	cbor            bool
	operation       func(body []byte, faults Faults) (any, *Error)

	mu     sync.Mutex
	faults Faults
	calls  int
	inCBOR int
}

// Faults are what goes wrong. The zero value: nothing.
type Faults struct {
	// Call, unless nil, refuses the nth call (from 1) as a whole, unless it returns nil.
	Call func(n int) *Error
	// Record, unless nil, refuses single records by their data: it returns a code, "" for none.
	Record func(data []byte) (code, message string)
	// Close closes the connection of the nth call without an answer, after the records are stored.
	Close func(n int) bool
	// Hang, unless nil, delays each answer until it is closed or the client has gone.
	Hang chan struct{}
}

// Start starts a server of a service with that signing name, for one operation (X-Amz-Target), which gets the body and
// the faults of its call. What it returns becomes the answer.
func Start(signing, target string, operation func(body []byte, faults Faults) (any, *Error)) *Server {
	return start(&Server{signing: signing, target: target, operation: operation})
}

// StartCBOR is Start for a service that takes CBOR, too. The operation gets it as JSON.
func StartCBOR(signing, target string, operation func(body []byte, faults Faults) (any, *Error)) *Server {
	return start(&Server{signing: signing, target: target, operation: operation, cbor: true})
}

func start(s *Server) *Server {
	s.Server = httptest.NewServer(s)
	return s
}

// Set changes the faults.
func (s *Server) Set(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Calls is how many calls there have been.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// CallsInCBOR is how many of them were in CBOR.
func (s *Server) CallsInCBOR() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inCBOR
}

// The types of a body.
const (
	typeJSON = "application/x-amz-json-1.1"
	typeCBOR = "application/x-amz-cbor-1.1"
)

// maxBody is the longest body that is read, in bytes.
const maxBody = 64 << 20

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.calls++
	inCBOR := s.cbor && r.Header.Get("Content-Type") == typeCBOR
	if inCBOR {
		s.inCBOR++
	}
	n, faults := s.calls, s.faults
	s.mu.Unlock()
	if faults.Hang != nil {
		select {
		case <-faults.Hang:
		case <-r.Context().Done():
			return
		}
	}
	answer, refusal := s.answer(r, body, n, faults)
	if faults.Close != nil && faults.Close(n) {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", typeJSON)
	if inCBOR {
		w.Header().Set("Content-Type", typeCBOR)
	}
	w.Header().Set("X-Amzn-Requestid", fmt.Sprint(n))
	if refusal != nil {
		w.WriteHeader(refusal.Status)
		answer = map[string]string{"__type": refusal.Code, "message": refusal.Message}
	}
	text, _ := json.Marshal(answer)
	if inCBOR {
		text = toCBOR(text)
	}
	_, _ = w.Write(text)
}

func (s *Server) answer(r *http.Request, body []byte, n int, faults Faults) (_ any, refusal *Error) {
	if faults.Call != nil {
		if e := faults.Call(n); e != nil {
			return nil, e
		}
	}
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/":
		return nil, &Error{http.StatusNotFound, "UnknownOperationException", r.Method + " " + r.URL.Path}
	case r.Header.Get("Content-Type") != typeJSON && !(s.cbor && r.Header.Get("Content-Type") == typeCBOR):
		return nil, &Error{http.StatusNotFound, "UnknownOperationException", r.Header.Get("Content-Type")}
	case r.Header.Get("X-Amz-Target") != s.target:
		return nil, Refuse("UnknownOperationException", "%s", r.Header.Get("X-Amz-Target"))
	case r.ContentLength != int64(len(body)):
		return nil, Refuse("SerializationException", "%d bytes with Content-Length %d", len(body), r.ContentLength)
	}
	err := s.verify(r, body)
	if err != nil {
		return nil, Refuse("InvalidSignatureException", "%v", err)
	}
	if r.Header.Get("Content-Type") == typeCBOR {
		if body, err = toJSON(body); err != nil {
			return nil, Refuse("SerializationException", "%v", err)
		}
	}
	return s.operation(body, faults)
}

// verify verifies a signature ("Signature Version 4 signing process"): it signs the headers that are signed again.
func (s *Server) verify(r *http.Request, body []byte) error {
	fields := map[string]string{}
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	for part := range strings.SplitSeq(auth, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[k] = v
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	want := strings.Join([]string{AccessKey, at.Format("20060102"), Region, s.signing, "aws4_request"}, "/")
	switch {
	case !ok || err != nil || fields["Credential"] != want:
		return fmt.Errorf("the credential is %s, want %s", fields["Credential"], want)
	case time.Since(at).Abs() > 5*time.Minute:
		return errors.New("signature expired")
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	again.Host = r.Host
	again.ContentLength = 0
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(body)
	creds := aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}
	if err := v4.NewSigner().SignHTTP(r.Context(), creds, again, hex.EncodeToString(sum[:]), s.signing, Region, at); err != nil {
		return err
	}
	if !strings.HasSuffix(again.Header.Get("Authorization"), "Signature="+fields["Signature"]) || fields["Signature"] == "" {
		return errors.New("the request signature we calculated does not match the signature you provided")
	}
	return nil
}

// Decode decodes a body, strictly: no member that in doesn't have.
func Decode(body []byte, in any) *Error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return Refuse("SerializationException", "%v", err)
	}
	if d.More() {
		return Refuse("SerializationException", "more follows the body's object")
	}
	return nil
}
