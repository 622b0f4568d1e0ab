// Package awstest compares requests with those of the SDK's clients.
package awstest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// A Call is what of a request a service reads, besides its signature.
type Call struct {
	Method, Path, Type, Operation string
	Format                        string // X-Amzn-Logs-Format
	Body                          any    // JSON
}

// A Recorder is a service that gives every call the same answer.
type Recorder struct {
	*httptest.Server
	answer string

	mu    sync.Mutex
	calls []Call
}

// Record starts a Recorder with that answer, which the test's end stops.
func Record(t testing.TB, answer string) *Recorder {
	r := &Recorder{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *Recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	c := Call{
		Method: req.Method, Path: req.URL.Path, Type: req.Header.Get("Content-Type"), Operation: req.Header.Get("X-Amz-Target"),
		Format: req.Header.Get("X-Amzn-Logs-Format"),
	}
	if err := json.Unmarshal(body, &c.Body); err != nil {
		c.Body = err.Error()
	}
	r.mu.Lock()
	r.calls = append(r.calls, c)
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = io.WriteString(w, r.answer)
}

// Config is the configuration of an SDK's client of this service.
func (r *Recorder) Config() aws.Config {
	return aws.Config{Region: "eu-west-1", BaseEndpoint: &r.URL, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "")}
}

// Calls returns the calls so far, and forgets them.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

// Same reports an error for each call that isn't the SDK's.
func Same(t testing.TB, ours, sdks []Call) {
	t.Helper()
	if len(ours) != len(sdks) {
		t.Fatalf("got %d calls, want the SDK's %d", len(ours), len(sdks))
	}
	for i := range ours {
		if !reflect.DeepEqual(ours[i], sdks[i]) {
			t.Errorf("call %d: got\n%+v, want the SDK's\n%+v", i, ours[i], sdks[i])
		}
	}
}
