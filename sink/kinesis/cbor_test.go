package kinesis

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws/put/puttest"
	"github.com/firelane/firelane/sink/kinesis/kinesistest"
	"github.com/firelane/firelane/sink/sinktest"
)

// asAWS has a destination take a stand-in for AWS.
func asAWS(dest sink.Destination) sink.Destination {
	d := dest.(*Destination)
	d.sender.CBOR = func(context.Context) bool { return !d.api.RefusesCBOR() }
	return d
}

func TestKinesisIsCalledInCBOR(t *testing.T) {
	s := serve(t)
	dest := asAWS(destination(t, options(s, nil), config.FluentBit))
	delivered(t, send(t, dest, lines(0, 3)...))
	s.Set(puttest.Faults{Record: func([]byte) (string, string) { return "InternalFailure", "later" }})
	if r := send(t, dest, lines(3, 3)...); len(r.Items) != 3 {
		t.Errorf("got %+v, want three items that are sent again", r)
	}
	s.Set(puttest.Faults{Call: func(int) *puttest.Error { return &puttest.Error{Status: 500, Code: "InternalFailure"} }})
	if r := send(t, dest, lines(3, 3)...); r.Status != 500 {
		t.Errorf("got %+v, want the refusal", r)
	}
	s.Set(puttest.Faults{})
	delivered(t, send(t, dest, lines(3, 3)...))
	if calls, inCBOR := s.Calls(), s.CallsInCBOR(); calls != 4 || inCBOR != calls {
		t.Errorf("%d of %d calls are in CBOR, want all of 4", inCBOR, calls)
	}
	if got := users(t, s); len(got) != 6 {
		t.Errorf("got %d records, want 6", len(got))
	}
}

// TestWhatRefusesCBORGetsJSON: after the first call, which it refuses, each request is one call.
func TestWhatRefusesCBORGetsJSON(t *testing.T) {
	serve(t) // for the credentials
	s := kinesistest.NewJSON(shards, "logs")
	t.Cleanup(s.Close)
	dest := asAWS(destination(t, options(s, nil), config.FluentBit))
	for i := range 3 {
		delivered(t, send(t, dest, lines(3*i, 3)...))
	}
	if got := users(t, s); len(got) != 9 {
		t.Errorf("got %d records, want 9", len(got))
	}
	if n := s.Calls(); n != 4 {
		t.Errorf("got %d calls, want 4", n)
	}
}

func TestCallsInCBORKeepTheContract(t *testing.T) {
	s, hanging := serve(t), kinesistest.New(shards, "logs")
	hanging.Set(puttest.Faults{Hang: make(chan struct{})})
	t.Cleanup(hanging.Close)
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination { return asAWS(destination(t, options(s, nil), config.FluentBit)) },
		Broken: func(t *testing.T) sink.Destination {
			return asAWS(destination(t, options(hanging, nil), config.FluentBit))
		},
	})
}

// TestCallsInCBORAreThoseOfTheSDKForJava: testdata has the body that version 2.33.4 of it sends for these two records, with this type
// and operation.
func TestCallsInCBORAreThoseOfTheSDKForJava(t *testing.T) {
	want, err := os.ReadFile("testdata/sdk-for-java.cbor")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t)
	var got []byte
	o := behind(t, s, func(w http.ResponseWriter, r *http.Request, _ bool) {
		got, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(got))
		s.ServeHTTP(w, r)
	})
	o.LogKey, o.PartitionKey = "log", "key"
	dest := asAWS(destination(t, o, config.FluentBit))
	delivered(t, send(t, dest,
		sinktest.Record("app", 0, "log", "a line\x00", "key", "u1"), sinktest.Record("app", 1, "log", strings.Repeat("\x00", 299), "key", "Grüße")))
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestOnlyAWSIsCalledInCBOR: stand-ins for it would store the data in another form.
func TestOnlyAWSIsCalledInCBOR(t *testing.T) {
	s := serve(t)
	for endpoint, want := range map[string]bool{
		"":    true,
		s.URL: false,
		"https://vpce-0123-abcd.kinesis.eu-west-1.vpce.amazonaws.com": true,
		"https://kinesis.cn-north-1.amazonaws.com.cn":                 true,
		"https://kinesis.eu-west-1.api.aws":                           true,
		"https://localhost.localstack.cloud:4566":                     false,
		"https://amazonaws.com.example.com":                           false,
		"https://notamazonaws.com":                                    false,
	} {
		d := destination(t, options(s, func(o *Options) { o.Endpoint = endpoint }), config.FluentBit).(*Destination)
		if got := d.sender.CBOR(t.Context()); got != want {
			t.Errorf("%s: got %v, want %v", endpoint, got, want)
		}
	}
}

// behind serves a stand-in through a handler, and returns options for it.
func behind(t *testing.T, s *kinesistest.Server, handle func(w http.ResponseWriter, r *http.Request, cbor bool)) *Options {
	t.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, r.Header.Get("Content-Type") == "application/x-amz-cbor-1.1")
	}))
	t.Cleanup(front.Close)
	return options(s, func(o *Options) { o.Endpoint = front.URL })
}

// hangUp breaks a connection without an answer.
func hangUp() { panic(http.ErrAbortHandler) }

func TestWhatBreaksAtCBORGetsJSON(t *testing.T) {
	serve(t)
	s := kinesistest.NewJSON(shards, "logs")
	t.Cleanup(s.Close)
	o := behind(t, s, func(w http.ResponseWriter, r *http.Request, cbor bool) {
		if cbor {
			hangUp()
		}
		s.ServeHTTP(w, r)
	})
	dest := asAWS(destination(t, o, config.FluentBit))
	for i := range 2 {
		delivered(t, send(t, dest, lines(3*i, 3)...))
	}
	if got := users(t, s); len(got) != 6 {
		t.Errorf("got %d records, want 6", len(got))
	}
}

// TestAServiceThatHasAnsweredInCBORStaysWithIt: a proxy's answers and broken connections are faults like any others.
func TestAServiceThatHasAnsweredInCBORStaysWithIt(t *testing.T) {
	s := serve(t)
	var faults atomic.Int32
	o := behind(t, s, func(w http.ResponseWriter, r *http.Request, cbor bool) {
		switch faults.Load() {
		case 1:
			http.Error(w, "bad gateway", http.StatusBadGateway)
		case 2:
			hangUp()
		default:
			s.ServeHTTP(w, r)
		}
	})
	dest := asAWS(destination(t, o, config.FluentBit))
	delivered(t, send(t, dest, lines(0, 1)...))
	for fault := range int32(2) {
		faults.Store(fault + 1)
		if r := send(t, dest, lines(1, 1)...); r.Verdict != sink.Again {
			t.Errorf("fault %d: got %+v, want that it is tried again", fault, r)
		}
	}
	faults.Store(0)
	delivered(t, send(t, dest, lines(1, 1)...))
	if calls, inCBOR := s.Calls(), s.CallsInCBOR(); calls != 2 || inCBOR != 2 {
		t.Errorf("%d of %d calls are in CBOR, want both", inCBOR, calls)
	}
}

// TestRefusedCredentialsDoNotTellWhatAnEndpointTakes: who refuses them has not read the body.
func TestRefusedCredentialsDoNotTellWhatAnEndpointTakes(t *testing.T) {
	s := serve(t)
	var refuse atomic.Bool
	refuse.Store(true)
	o := behind(t, s, func(w http.ResponseWriter, r *http.Request, cbor bool) {
		if refuse.Load() {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}`))
			return
		}
		s.ServeHTTP(w, r)
	})
	dest := asAWS(destination(t, o, config.FluentBit))
	if r := send(t, dest, lines(0, 1)...); r.Cause != sink.Unauthorised {
		t.Errorf("got %+v, want refused credentials", r)
	}
	refuse.Store(false)
	delivered(t, send(t, dest, lines(0, 1)...))
	if s.CallsInCBOR() != 1 {
		t.Error("the call isn't in CBOR")
	}
}
