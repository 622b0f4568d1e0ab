package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/sink/httpsend"
)

// An API is a service whose operations are requests of JSON ("AWS JSON 1.1 protocol", Smithy), or of CBOR with the same members. The
// SDK's clients aren't used for these: they would build each request from one struct for each record, and the schemas of all their operations are read at every
// start of the process. It is safe for concurrent use.
type API struct {
	*Service
	APIName
	Agent string // the User-Agent; "": the default

	signer  *Signer
	answers sync.Pool // of *bytes.Buffer

	readsCBOR   atomic.Bool // a call in CBOR was understood
	refusesCBOR atomic.Bool // a call in CBOR failed, possibly because of that
}

// An APIName is how a service is called.
type APIName struct {
	Host   string // in its host's name and in signatures: firehose
	Target string // before the names of operations: Firehose_20150804
	Env    string // in AWS_ENDPOINT_URL_…: FIREHOSE
}

// NewAPI makes the API of that name, without connecting or reading the environment.
func NewAPI(s *Service, name APIName) *API {
	return &API{Service: s, APIName: name, signer: NewSigner(s.Credentials, name.Host)}
}

// maxKeptAnswer is the largest buffer in bytes that is kept for the next answer.
const maxKeptAnswer = 256 << 10

// Post calls an operation with a body, and reads its answer into out, a pointer to a struct; nil: it isn't needed. The body is JSON,
// unless header says otherwise. If failed isn't empty, it names the member that counts failures: where an answer has it with the value 0,
// stored is true and out isn't set, since the results of the records aren't needed. A refusal is a *Refusal. An error doesn't name the
// operation.
func (a *API) Post(ctx context.Context, op string, body *httpsend.Payload, header map[string]string, failed string, out any) (stored bool, err error) {
	req, err := a.request(ctx, op, body, header)
	if err != nil {
		return false, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		if httpsend.IsCutOff(err) {
			a.learnCBOR(req, true)
		}
		return false, err
	}
	defer resp.Body.Close()
	buf, ok := a.answers.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	buf.Reset()
	defer func() {
		if buf.Cap() <= maxKeptAnswer {
			a.answers.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(resp.Body); err != nil {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	return a.read(req, resp, buf.Bytes(), failed, out)
}

// read reads an answer for Post.
func (a *API) read(req *http.Request, resp *http.Response, answer []byte, failed string, out any) (stored bool, err error) {
	ok, inCBOR := resp.StatusCode == http.StatusOK, isCBOR(resp.Header) || isCBOR(req.Header) && isCBORMap(answer)
	if ok && failed != "" && (inCBOR && noneFailedCBOR(answer, failed) || !inCBOR && noneFailed(answer, failed)) {
		a.learnCBOR(req, false)
		return true, nil
	}
	if inCBOR {
		a.learnCBOR(req, false)
		var unread error
		if answer, unread = CBORToJSON(nil, answer); unread != nil {
			if ok {
				return false, fmt.Errorf("the answer isn't what the service promises: %w", unread)
			}
			answer = nil // its beginning would be taken for a message
		}
	}
	if !ok {
		refusal := NewRefusal(resp, answer)
		if refusal.Unauthorised() {
			a.signer.learnTime(resp.Header)
		}
		if !refusal.unrelatedToFormat() {
			a.learnCBOR(req, true)
		}
		return false, refusal
	}
	if out == nil {
		return false, nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		a.learnCBOR(req, true)
		return false, fmt.Errorf("the answer isn't what the service promises: %w", err)
	}
	a.learnCBOR(req, false)
	return false, nil
}

// learnCBOR notes what the end of a call in CBOR says about the service: the call failed, possibly because it was in CBOR, or it was
// understood. A call in JSON says nothing.
func (a *API) learnCBOR(req *http.Request, failed bool) {
	switch {
	case !isCBOR(req.Header):
	case failed:
		a.refusesCBOR.Store(true)
	default:
		a.readsCBOR.Store(true)
	}
}

// RefusesCBOR reports whether the service, or what is between it and the router, seems not to take CBOR.
func (a *API) RefusesCBOR() bool { return a.refusesCBOR.Load() && !a.readsCBOR.Load() }

// request makes a signed request.
func (a *API) request(ctx context.Context, op string, body *httpsend.Payload, header map[string]string) (*http.Request, error) {
	url, err := a.URL(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(body.Len())
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", a.Target+"."+op)
	if a.Agent != "" {
		req.Header.Set("User-Agent", a.Agent)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	hash := sha256.New()
	if _, err := body.WriteTo(hash); err != nil {
		return nil, err
	}
	if err := a.signer.SignSum(ctx, req, [sha256.Size]byte(hash.Sum(nil))); err != nil {
		return nil, &CredentialsError{err}
	}
	_, err = body.Seek(0, io.SeekStart)
	return req, err
}

// noneFailed reports whether an answer, which HTTP says is complete, has the member with the value 0, and no error. In a string of
// JSON the quotes would be escaped, so that it can't be taken for the member.
func noneFailed(answer []byte, member string) bool {
	_, value, ok := bytes.Cut(answer, []byte(`"`+member+`"`))
	value = bytes.TrimLeft(value, " \t\r\n:")
	if !ok || len(value) < 2 || value[0] != '0' || value[1] != ',' && value[1] != '}' && value[1] > ' ' {
		return false
	}
	end := bytes.TrimRight(answer, " \t\r\n")
	return end[0] == '{' && end[len(end)-1] == '}' && !bytes.Contains(answer, []byte(`"ErrorCode"`))
}

// NewRefusal makes a refusal of an answer with a status other than 200: its body is JSON, or a text.
func NewRefusal(resp *http.Response, body []byte) *Refusal {
	r := &Refusal{Status: resp.StatusCode, Code: resp.Header.Get("X-Amzn-Errortype"), Wait: httpsend.RetryAfter(resp.Header, time.Now())}
	var members struct {
		Type          string `json:"__type"`
		Code, Message string
		Token         string `json:"expectedSequenceToken"`
	}
	if json.Unmarshal(body, &members) == nil {
		r.Message, r.Token = members.Message, members.Token
		for _, code := range []string{members.Code, members.Type} {
			if code != "" {
				r.Code = code
			}
		}
	}
	if r.Message == "" && r.Code == "" {
		r.Message = strings.ToValidUTF8(string(body), "")
	}
	r.Code, _, _ = strings.Cut(r.Code, ":") // the header may have a URL after it
	if r.Code = r.Code[strings.LastIndexByte(r.Code, '#')+1:]; r.Code == "" {
		r.Code = "without a code"
	}
	r.Code, r.Message = httpsend.Clip(r.Code, httpsend.MaxReason), httpsend.Clip(r.Message, httpsend.MaxReason)
	return r
}
