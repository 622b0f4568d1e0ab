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
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws/put/puttest"
	"github.com/firelane/firelane/sink/kinesis/kinesistest"
	"github.com/firelane/firelane/sink/sinktest"
)

// asAWS makes a destination treat any endpoint as AWS's.
func asAWS(dest sink.Destination) sink.Destination {
	dest.(*Destination).isAWS = func(context.Context) bool { return true }
	return dest
}

func TestKinesisIsCalledInCBOR(t *testing.T) {
	s := serve(t)
	dest := asAWS(destination(t, options(s, nil), config.FluentBit))
	delivered(t, send(t, dest, lines(0, 3)...))
	s.Set(puttest.Faults{Record: func([]byte) (string, string) { return "InternalFailure", "later" }})
	if r := send(t, dest, lines(3, 3)...); len(r.Items) != 3 || r.Items[2].Type != "InternalFailure" || r.Items[2].Reason != "later" {
		t.Errorf("got %+v, want three items that are sent again, with the reason", r)
	}
	s.Set(puttest.Faults{Call: func(int) *puttest.Error { return puttest.Refuse("ResourceNotFoundException", "Stream logs not found.") }})
	if r := send(t, dest, lines(3, 3)...); r.Err == nil || !strings.Contains(r.Err.Error(), "400 ResourceNotFoundException: Stream logs not found.") {
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

// TestAFailedFirstCallInCBORIsFollowedByJSON: from the next attempt on.
func TestAFailedFirstCallInCBORIsFollowedByJSON(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter){
		"refuses the type": func(w http.ResponseWriter) { http.Error(w, "what is this?", http.StatusUnsupportedMediaType) },
		"forbids it":       func(w http.ResponseWriter) { http.Error(w, "<h1>Forbidden</h1>", http.StatusForbidden) },
		"breaks off":       func(http.ResponseWriter) { hangUp() },
		"answers in HTML":  func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<h1>Welcome</h1>") },
	} {
		t.Run(name, func(t *testing.T) {
			serve(t) // for the credentials
			s := kinesistest.NewJSON(shards, "logs")
			t.Cleanup(s.Close)
			dest := asAWS(destination(t, behind(t, s, func(w http.ResponseWriter, r *http.Request, cbor bool) {
				if cbor {
					fail(w)
					return
				}
				s.ServeHTTP(w, r)
			}), config.FluentBit))
			if r := send(t, dest, lines(0, 3)...); r.Verdict != sink.Again || len(r.Items) > 0 {
				t.Fatalf("got %+v, want that all is tried again", r)
			}
			for i := range 2 {
				delivered(t, send(t, dest, lines(3*i, 3)...))
			}
			if got := users(t, s); len(got) != 6 || s.Calls() != 2 {
				t.Errorf("got %d records by %d calls, want 6 by 2", len(got), s.Calls())
			}
		})
	}
}

// TestUnrelatedFailuresDoNotSwitchToJSON: a gateway's, a body that is too large, and refused credentials.
func TestUnrelatedFailuresDoNotSwitchToJSON(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter){
		"a gateway": func(w http.ResponseWriter) { http.Error(w, "bad gateway", http.StatusBadGateway) },
		"too large": func(w http.ResponseWriter) { http.Error(w, "too large", http.StatusRequestEntityTooLarge) },
		"credentials": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			var failing atomic.Bool
			failing.Store(true)
			dest := asAWS(destination(t, behind(t, s, func(w http.ResponseWriter, r *http.Request, cbor bool) {
				if failing.Load() {
					fail(w)
					return
				}
				s.ServeHTTP(w, r)
			}), config.FluentBit))
			if r := send(t, dest, lines(0, 1)...); r.Verdict != sink.Again {
				t.Errorf("got %+v, want that it is tried again", r)
			}
			failing.Store(false)
			delivered(t, send(t, dest, lines(0, 1)...))
			if s.CallsInCBOR() != 1 {
				t.Error("the call isn't in CBOR")
			}
		})
	}
}

// TestATimeoutSaysNothingOfCBOR: neither that it is understood, nor that it isn't.
func TestATimeoutSaysNothingOfCBOR(t *testing.T) {
	serve(t)
	s := kinesistest.NewJSON(shards, "logs")
	t.Cleanup(s.Close)
	var calls atomic.Int32
	dest := asAWS(destination(t, behind(t, s, func(w http.ResponseWriter, r *http.Request, cbor bool) {
		switch calls.Add(1) {
		case 1:
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case 2:
			if !cbor {
				t.Error("the second call is in JSON")
			}
			s.ServeHTTP(w, r)
		default:
			s.ServeHTTP(w, r)
		}
	}), config.FluentBit))
	req, err := sinktest.Encode(dest, lines(0, 1)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for range 2 {
		if r := dest.Send(ctx, req); r.Verdict != sink.Again {
			t.Fatalf("got %+v, want that it is tried again", r)
		}
		ctx = t.Context()
	}
	delivered(t, dest.Send(ctx, req))
}

// TestAServiceThatHasAnsweredInCBORStaysWithIt: a proxy's answers and broken connections are faults like any others.
func TestAServiceThatHasAnsweredInCBORStaysWithIt(t *testing.T) {
	s := serve(t)
	var faults atomic.Int32
	dest := asAWS(destination(t, behind(t, s, func(w http.ResponseWriter, r *http.Request, cbor bool) {
		if !cbor {
			t.Error("a call in JSON")
		}
		switch faults.Load() {
		case 1:
			http.Error(w, "what is this?", http.StatusUnsupportedMediaType)
		case 2:
			hangUp()
		default:
			s.ServeHTTP(w, r)
		}
	}), config.FluentBit))
	delivered(t, send(t, dest, lines(0, 1)...))
	for fault := range int32(2) {
		faults.Store(fault + 1)
		if r := send(t, dest, lines(1, 1)...); r.Verdict != sink.Again {
			t.Errorf("fault %d: got %+v, want that it is tried again", fault, r)
		}
	}
	faults.Store(0)
	delivered(t, send(t, dest, lines(1, 1)...))
}

// TestAnAnswerInCBORIsReadWhateverItsType: proxies change types.
func TestAnAnswerInCBORIsReadWhateverItsType(t *testing.T) {
	s := serve(t)
	dest := asAWS(destination(t, behind(t, s, func(w http.ResponseWriter, r *http.Request, _ bool) {
		s.ServeHTTP(untyped{w}, r)
	}), config.FluentBit))
	delivered(t, send(t, dest, lines(0, 1)...))
	s.Set(puttest.Faults{Record: func([]byte) (string, string) { return "InternalFailure", "later" }})
	if r := send(t, dest, lines(1, 1)...); len(r.Items) != 1 || r.Items[0].Reason != "later" {
		t.Errorf("got %+v, want an item that is sent again", r)
	}
}

// untyped answers with the type application/octet-stream.
type untyped struct{ http.ResponseWriter }

func (w untyped) WriteHeader(status int) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.ResponseWriter.WriteHeader(status)
}

func (w untyped) Write(b []byte) (int, error) {
	w.Header().Set("Content-Type", "application/octet-stream")
	return w.ResponseWriter.Write(b)
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

// behind starts a server with this handler, which may pass calls on to a stand-in, and returns options for that server.
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

// TestOnlyAWSIsCalledInCBOR: stand-ins for it may store the data in another form.
func TestOnlyAWSIsCalledInCBOR(t *testing.T) {
	s := serve(t)
	for endpoint, want := range map[string]bool{
		"":    true,
		s.URL: false,
		"https://vpce-0123-abcd.kinesis.eu-west-1.vpce.amazonaws.com": true,
		"https://111122223333.data-kinesis.eu-west-1.amazonaws.com":   true,
		"https://kinesis-fips.us-east-1.amazonaws.com":                true,
		"https://kinesis.cn-north-1.amazonaws.com.cn":                 true,
		"https://Kinesis.eu-west-1.api.aws":                           true,
		"https://localhost.localstack.cloud:4566":                     false,
		"https://kinesis.amazonaws.com.example.com":                   false,
		"https://kinesis.notamazonaws.com":                            false,
		"https://stand-in-1.eu-west-1.elb.amazonaws.com":              false,
		"https://ec2-1-2-3-4.compute-1.amazonaws.com":                 false,
		"https://abc.execute-api.eu-west-1.amazonaws.com":             false,
	} {
		d := destination(t, options(s, func(o *Options) { o.Endpoint = endpoint }), config.FluentBit).(*Destination)
		if got := d.sender.CBOR(t.Context()); got != want {
			t.Errorf("%s: got %v, want %v", endpoint, got, want)
		}
	}
}

func TestAFixedKeyIsValidText(t *testing.T) {
	s := serve(t)
	o := &AggregatedOptions{Stream: "logs", FixedKey: "a\xff", Options: options(s, nil).Options}
	dest := made(t)(NewAggregated(o, config.Fluentd, sink.Env{}))
	delivered(t, send(t, asAWS(dest), lines(0, 1)...))
	if got := s.Records("logs"); len(got) != 1 || got[0].Key != "a\ufffd" {
		t.Errorf("got %+v, want one record with a key of valid UTF-8", got)
	}
}
