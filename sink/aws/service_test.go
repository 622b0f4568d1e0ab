package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/httpsend"
)

// A batchAnswer is what a call of PutRecordBatch answers.
type batchAnswer struct {
	FailedPutCount   int
	RequestResponses []struct{ ErrorCode string }
}

// put makes one call of PutRecordBatch with a body of its own.
func put(t *testing.T, server http.HandlerFunc, keys ...string) (out batchAnswer, err error) {
	t.Helper()
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	source := Source{Region: "eu-west-1", AccessKeyID: "AKID", SecretAccessKey: "secret"}
	if len(keys) > 0 {
		source = Source{Region: "eu-west-1", ContainerURI: keys[0]}
	}
	service, err := NewService(&ServiceOptions{Endpoint: s.URL}, source, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Close() })
	api := NewAPI(service, APIName{Host: "firehose", Target: "Firehose_20150804", Env: "FIREHOSE"})
	err = service.Call(t.Context(), func(ctx context.Context) error {
		body := httpsend.NewPayload([]byte(`{"raw"`), []byte(`:true}`))
		defer body.Release()
		_, err := api.Post(ctx, "PutRecordBatch", body, nil, "FailedPutCount", &out)
		return err
	})
	return out, err
}

func TestABodyIsSentAsItIsAndSigned(t *testing.T) {
	out, err := put(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"raw":true}` || r.Header.Get("X-Amz-Target") != "Firehose_20150804.PutRecordBatch" ||
			r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/firehose/aws4_request") {
			t.Errorf("got %s with %v, want the raw body, signed", body, r.Header)
		}
		_, _ = io.WriteString(w, `{"FailedPutCount":1,"RequestResponses":[{"RecordId":"1"},{"ErrorCode":"ServiceUnavailableException"}]}`)
	})
	if err != nil || out.FailedPutCount != 1 || out.RequestResponses[1].ErrorCode != "ServiceUnavailableException" {
		t.Errorf("got %+v and error %v, want the answer", out, err)
	}
}

func TestRefusalsOfAWSAreSorted(t *testing.T) {
	for _, c := range []struct {
		status    int
		code      string
		cause     sink.Cause
		requests  int
		wantError string
	}{
		{400, "ThrottlingException", sink.Throttled, 1, "400 ThrottlingException: why"},
		{400, "ProvisionedThroughputExceededException", sink.Throttled, 1, ""},
		{503, "ServiceUnavailableException", sink.Throttled, 1, ""},
		{400, "ResourceNotFoundException", sink.Answered, 1, "400 ResourceNotFoundException: why"},
		{500, "InternalFailure", sink.Answered, 1, ""},
		{400, "AccessDeniedException", sink.Unauthorised, 2, "400 AccessDeniedException: why"}, // static keys, too, are read again once
		{403, "ExpiredTokenException", sink.Unauthorised, 2, ""},
	} {
		requests := 0
		_, err := put(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			_, _ = io.Copy(io.Discard, r.Body) // otherwise closing resets the connection, and what was answered is lost
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, `{"__type":"`+c.code+`","message":"why"}`)
		})
		r := Reply(err)
		if r.Verdict != sink.Again || r.Cause != c.cause || r.Status != c.status || requests != c.requests ||
			c.wantError != "" && r.Err.Error() != c.wantError {
			t.Errorf("%d %s: got %+v after %d requests, want cause %d after %d", c.status, c.code, r, requests, c.cause, c.requests)
		}
	}
}

func TestAnAnswerOfAWSIsBounded(t *testing.T) {
	_, err := put(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // otherwise closing resets the connection, and what was answered is lost
		_, _ = io.WriteString(w, `{"RequestResponses":[`)
		for range maxAnswer/1000 + 1 {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1000)); err != nil {
				return
			}
		}
	})
	if r := Reply(err); !errors.Is(err, errLongAnswer) || r.Cause != sink.Unreached {
		t.Errorf("got %v, want an error that names the limit", err)
	}
}

func TestAServerThatClosesIsTriedAgainAtOnce(t *testing.T) {
	var requests atomic.Int64
	_, err := put(t, func(http.ResponseWriter, *http.Request) {
		requests.Add(1)
		panic(http.ErrAbortHandler)
	})
	if r := Reply(err); requests.Load() != 2 || !r.CutOff || r.Verdict != sink.Again {
		t.Errorf("got %+v after %d requests, want two and CutOff", r, requests.Load())
	}
}

func TestAnEndpointIsAHostOrAURL(t *testing.T) {
	for _, c := range []struct {
		endpoint string
		port     int
		want     string // "": refused
	}{
		{"logs.example", 0, "https://logs.example"},
		{"logs.example", 8443, "https://logs.example:8443"},
		{"::1", 8443, ""},
		{"http://localhost:5000/", 0, "http://localhost:5000"},
		{"http://localhost:5000", 443, "http://localhost:5000"},
		{"ftp://logs.example", 0, ""},
		{"https://", 0, ""},
	} {
		got, err := (&ServiceOptions{Endpoint: c.endpoint, Port: c.port}).endpoint()
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s, port %d: got %q and error %v, want %q", c.endpoint, c.port, got, err, c.want)
		}
	}
}
