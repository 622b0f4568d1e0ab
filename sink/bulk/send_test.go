package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/bulk/bulktest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestEveryRecordArrivesOnce(t *testing.T) {
	s, d := cluster(t, bulktest.Options{}, fluentBit(func(o *Options) { o.Logstash = true }))
	req := request(t, d, 1000)
	if r := send(t, d, req); r.Verdict != sink.Done || len(r.Items) != 0 || r.Err != nil {
		t.Fatalf("got reply %+v, want done", r)
	}
	docs := s.Documents("logstash-2026.11.23")
	if len(docs) != 1000 || string(docs[7].Source) != `{"@timestamp":"2026-11-23T10:22:55.123456789Z","n":7,"log":"line 7"}` {
		t.Fatalf("got %d documents, the eighth %s, want 1000", len(docs), docs[7].Source)
	}
}

// TestLostReplyGivesOneCopy: the server takes the body and the reply is lost; the one retry meets 409s, which are done.
func TestLostReplyGivesOneCopy(t *testing.T) {
	s, d := cluster(t, bulktest.Options{Request: func(n int, _ *http.Request) bulktest.Fault { return bulktest.Fault{Lose: n == 1} }}, fluentBit(nil))
	if r := send(t, d, request(t, d, 10)); r.Verdict != sink.Done || len(r.Items) != 0 {
		t.Fatalf("got reply %+v, want done", r)
	}
	if n, c := len(s.Documents("")), s.Conflicts(); n != 10 || c != 10 || s.Requests() != 2 {
		t.Errorf("got %d documents and %d conflicts after %d requests, want 10, 10 and 2", n, c, s.Requests())
	}
}

func TestTwoLostRepliesAreAgainAndUnreached(t *testing.T) {
	s, d := cluster(t, bulktest.Options{Request: func(int, *http.Request) bulktest.Fault { return bulktest.Fault{Lose: true} }}, fluentBit(nil))
	r := send(t, d, request(t, d, 10))
	if r.Verdict != sink.Again || r.Cause != sink.Unreached || r.Err == nil || s.Requests() != 2 {
		t.Fatalf("got reply %+v after %d requests, want again, unreached and 2 requests", r, s.Requests())
	}
}

func TestOneBadDocumentIsNeverAndOneBusyIsAgain(t *testing.T) {
	_, d := cluster(t, bulktest.Options{
		Fields: map[string]string{"n": "long"},
		Item: func(_, _, _ string, doc []byte) bulktest.ItemFault {
			if strings.Contains(string(doc), `"n":5,`) {
				return bulktest.ItemFault{Status: 429, Type: "rejected_execution_exception", Reason: "busy"}
			}
			return bulktest.ItemFault{}
		}}, fluentBit(nil))
	req := request(t, d, 8)
	req.Body, _ = d.Append(req.Body, event(8, object("n", "no number")))
	req.Ends = append(req.Ends, len(req.Body))
	r := send(t, d, req)
	want := []sink.Verdict{0, 0, 0, 0, 0, sink.Again, 0, 0, sink.Never}
	if got := verdicts(&r, 9); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got the verdicts %v, want %v", got, want)
	}
	if bad := r.Items[1]; !strings.Contains(bad.Reason, "field [n] of type [long]") {
		t.Errorf("got %+v, want the field in the reason", bad)
	}
}

func TestTypeIsDroppedWhereItIsRefused(t *testing.T) {
	for version, want := range map[string]int{"1.3.0": 1, "2.19.1": 2, "3.5.0": 2} {
		s, d := cluster(t, bulktest.Options{Version: version}, fluentBit(func(o *Options) { o.Type = ptr("_doc") }))
		r := send(t, d, request(t, d, 3))
		if r.Reencode {
			if r.Verdict != sink.Again {
				t.Errorf("%s: got reply %+v, want again", version, r)
			}
			r = send(t, d, request(t, d, 3))
		}
		if r.Verdict != sink.Done || len(s.Documents("")) != 3 || s.Requests() != want {
			t.Errorf("%s: got %d requests, %d documents and reply %+v, want %d requests and 3 documents", version, s.Requests(), len(s.Documents("")), r, want)
		}
	}
}

func TestTypeIsAddedWhereItIsWanted(t *testing.T) {
	s, d := cluster(t, bulktest.Options{Distribution: "elasticsearch", Version: "6.8.23"}, fluentBit(nil))
	if r := send(t, d, request(t, d, 3)); !r.Reencode {
		t.Fatalf("first reply: got %+v, want reencode", r)
	}
	if r := send(t, d, request(t, d, 3)); r.Verdict != sink.Done || len(s.Documents("")) != 3 {
		t.Fatalf("second reply: got %+v, want done", r)
	}
}

// TestRequestEncodedBeforeAnAdaptationIsReencoded: a second worker's request was encoded before the first worker's adaptation.
func TestRequestEncodedBeforeAnAdaptationIsReencoded(t *testing.T) {
	_, d := cluster(t, bulktest.Options{}, fluentBit(func(o *Options) { o.Type = ptr("_doc") }))
	first, second := request(t, d, 3), request(t, d, 3)
	for _, req := range []*sink.Request{first, second} {
		if r := send(t, d, req); !r.Reencode || r.Split != sink.No {
			t.Fatalf("got reply %+v, want reencode", r)
		}
	}
}

func TestIDsAreLeftOutWhereTheyAreRefused(t *testing.T) {
	s, d := cluster(t, bulktest.Options{NoIDs: true}, fluentBit(nil))
	if r := send(t, d, request(t, d, 3)); !r.Reencode || len(r.Items) != 3 {
		t.Fatalf("first reply: got %+v, want reencode and 3 items", r)
	}
	if r := send(t, d, request(t, d, 3)); r.Verdict != sink.Done || len(r.Items) != 0 || len(s.Documents("")) != 3 {
		t.Fatalf("second reply: got %+v, want done", r)
	}
}

// TestItemRefusedAfterAdaptationIsNever: an item that was encoded as the server wants it, and is refused all the same.
func TestItemRefusedAfterAdaptationIsNever(t *testing.T) {
	_, d := cluster(t, bulktest.Options{Item: func(_, _, _ string, _ []byte) bulktest.ItemFault {
		return bulktest.ItemFault{Status: 400, Type: "illegal_argument_exception", Reason: "Document ID is not supported in create/index operation request"}
	}}, fluentBit(nil))
	if r := send(t, d, request(t, d, 2)); !r.Reencode {
		t.Fatalf("with ids: got %+v, want reencode", r)
	}
	if r := send(t, d, request(t, d, 2)); r.Reencode || len(r.Items) != 2 || r.Items[0].Verdict != sink.Never {
		t.Fatalf("without ids: got %+v, want 2 items never", r)
	}
}

func TestDataStreamTakesRecords(t *testing.T) {
	s, d := cluster(t, bulktest.Options{DataStreams: []string{"logs-app-prod"}}, fluentBit(func(o *Options) { o.Index = "logs-app-prod" }))
	if r := send(t, d, request(t, d, 3)); r.Verdict != sink.Done || len(r.Items) != 0 || len(s.Documents("logs-*")) != 3 {
		t.Fatalf("got reply %+v, want done and 3 documents", r)
	}
}

func TestGzipArrives(t *testing.T) {
	s, d := cluster(t, bulktest.Options{}, fluentBit(func(o *Options) { o.Compress = "gzip" }))
	for i := range 3 { // the compressor is used again
		if r := send(t, d, request(t, d, 500*(i+1))); r.Verdict != sink.Done {
			t.Fatalf("got reply %+v, want done", r)
		}
	}
	if n := len(s.Documents("")); n != 1500 {
		t.Errorf("got %d documents, want 1500", n)
	}
}

func TestGzipFallsBackToPlainAndStaysThere(t *testing.T) {
	s, d := cluster(t, bulktest.Options{NoGzip: true}, fluentBit(func(o *Options) { o.Compress = "gzip" }))
	for range 2 {
		if r := send(t, d, request(t, d, 10)); r.Verdict != sink.Done {
			t.Fatalf("got reply %+v, want done", r)
		}
	}
	if len(s.Documents("")) != 10 || s.Requests() != 3 {
		t.Errorf("got %d documents after %d requests, want 10 after 3", len(s.Documents("")), s.Requests())
	}
}

func TestTooLargeIsHalvedUntilOneRecordIsLeft(t *testing.T) {
	_, d := cluster(t, bulktest.Options{MaxBody: 200}, fluentBit(nil))
	if r := send(t, d, request(t, d, 10)); r.Split != sink.BySize || r.Verdict != sink.Again || r.Status != 413 {
		t.Fatalf("got reply %+v, want again, split by size and 413", r)
	}
	one := &sink.Request{}
	one.Body, _ = d.Append(nil, event(1, object("log", strings.Repeat("x", 300))))
	one.Ends = []int{len(one.Body)}
	if r := send(t, d, one); r.Split != sink.BySize || r.Err == nil {
		t.Fatalf("got reply %+v, want split by size and an error", r)
	}
}

// TestMalformedItemIsFoundByHalving: a request that one item makes invalid is halved, and the item alone is refused.
func TestMalformedItemIsFoundByHalving(t *testing.T) {
	_, d := cluster(t, bulktest.Options{}, fluentBit(nil))
	bad := []byte(`{"create":{"_index":"web","nonsense":1}}` + "\n{}\n")
	req := request(t, d, 3)
	req.Body = append(req.Body, bad...)
	req.Ends = append(req.Ends, len(req.Body))
	if r := send(t, d, req); r.Split != sink.ByItem || len(r.Items) != 0 || r.Verdict != sink.Again {
		t.Fatalf("got reply %+v, want again and split by item", r)
	}
	r := send(t, d, &sink.Request{Body: bad, Ends: []int{len(bad)}})
	if r.Split != sink.No || len(r.Items) != 1 || r.Items[0].Verdict != sink.Never || r.Items[0].Status != 400 || !strings.Contains(r.Items[0].Reason, "[nonsense]") {
		t.Fatalf("got reply %+v, want never, and the reason naming what is wrong", r)
	}
}

func TestThrottledSaysHowLong(t *testing.T) {
	_, d := cluster(t, bulktest.Options{Request: func(int, *http.Request) bulktest.Fault {
		return bulktest.Fault{Status: 503, Header: http.Header{"Retry-After": {"7"}}, Body: "<html>busy</html>"}
	}}, fluentBit(nil))
	r := send(t, d, request(t, d, 10))
	if r.Cause != sink.Throttled || r.RetryAfter != 7*time.Second || r.Verdict != sink.Again || !strings.Contains(r.Err.Error(), "503 Service Unavailable: busy") {
		t.Fatalf("got reply %+v, want throttled for 7s", r)
	}
}

func TestReplyOf20MBWorks(t *testing.T) {
	_, d := cluster(t, bulktest.Options{Request: func(int, *http.Request) bulktest.Fault { return bulktest.Fault{Pad: 20 << 20} }}, fluentBit(nil))
	if r := send(t, d, request(t, d, 10)); r.Verdict != sink.Done || r.Err != nil {
		t.Fatalf("got reply %+v, want done", r)
	}
}

func TestCutReplySendsTheRestAgain(t *testing.T) {
	s, d := cluster(t, bulktest.Options{
		Fields:  map[string]string{"log": "long"}, // every item fails, so that the reply is read item by item
		Request: func(int, *http.Request) bulktest.Fault { return bulktest.Fault{Cut: 800} }}, fluentBit(nil))
	r := send(t, d, request(t, d, 10))
	v := verdicts(&r, 10)
	if v[0] != sink.Never || v[9] != sink.Again || r.Err == nil || s.Requests() != 1 {
		t.Fatalf("got verdicts %v and reply %+v, want the first never and the last again", v, r)
	}
}

func TestSilentServerIsGivenUpInTime(t *testing.T) {
	_, d := cluster(t, bulktest.Options{Request: func(int, *http.Request) bulktest.Fault { return bulktest.Fault{Delay: time.Minute} }},
		fluentBit(func(o *Options) { o.RequestTimeout = ptr(50 * time.Millisecond) }))
	r := send(t, d, request(t, d, 10))
	if r.Verdict != sink.Again || r.Cause != sink.Unreached || !strings.Contains(r.Err.Error(), "no reply in time (50ms)") {
		t.Fatalf("got reply %+v, want again, unreached and no reply in time", r)
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	arrived := make(chan struct{})
	_, d := cluster(t, bulktest.Options{Request: func(int, *http.Request) bulktest.Fault {
		close(arrived)
		return bulktest.Fault{Delay: time.Minute}
	}}, fluentBit(nil))
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-arrived; cancel() }()
	if r := d.Send(ctx, request(t, d, 10)); r.Verdict != sink.Again || !errors.Is(r.Err, context.Canceled) {
		t.Fatalf("got reply %+v, want again and the context's error", r)
	}
}

// TestBodyIsLeftAloneAfterSend: a server that answers before it has read everything must not leave the transport
// reading the caller's bytes. The race detector sees it if it does.
func TestBodyIsLeftAloneAfterSend(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }))
	defer h.Close()
	o := fluentBit(nil)
	pointTo(t, o, h.URL)
	d := newDestination(t, o, config.FluentBit)
	req := itemsOf(200_000)
	for range 5 {
		if r := send(t, d, req); r.Verdict != sink.Again {
			t.Fatalf("got reply %+v, want again", r)
		}
		clear(req.Body)
	}
}

func TestDeadConnectionCostsNothing(t *testing.T) {
	s, d := cluster(t, bulktest.Options{}, fluentBit(nil))
	if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done {
		t.Fatalf("got reply %+v, want done", r)
	}
	// The server stops, and starts again at the same address, as with a load balancer.
	o := d.opts
	h := httptest.NewUnstartedServer(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.Listener = l
	h.Start()
	pointTo(t, o, h.URL)
	d = newDestination(t, o, config.FluentBit)
	for range 3 {
		if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done {
			t.Fatalf("got reply %+v, want done", r)
		}
		h.CloseClientConnections()
	}
	h.Close()
}

func TestNextServerTakesOver(t *testing.T) {
	s := bulktest.New(bulktest.Options{})
	h := httptest.NewServer(s)
	defer h.Close()
	d := newDestination(t, fluentd(func(o *Options) { o.Hosts = "127.0.0.1:1," + h.URL }), config.Fluentd) // nobody listens on port 1
	for i := range 5 {
		if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done {
			t.Fatalf("request %d: got %+v, want done", i, r)
		}
	}
	if s.Requests() != 5 {
		t.Errorf("got %d requests, want 5", s.Requests())
	}
}

func TestRequestHasWhatTheOptionsAskFor(t *testing.T) {
	var got atomic.Pointer[http.Request]
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Clone(context.Background()))
		_, _ = w.Write([]byte(`{"errors":false}`))
	}))
	defer h.Close()
	tests := []struct {
		set  func(*Options)
		path string
		auth string
	}{
		{nil, "/_bulk?filter_path=took%2Cerrors%2Citems.%2A.status%2Citems.%2A.error", ""},
		{func(o *Options) { o.Path, o.Pipeline = "es/", "a b" }, "/es/_bulk?filter_path=took%2Cerrors%2Citems.%2A.status%2Citems.%2A.error&pipeline=a+b", ""},
		{func(o *Options) { o.User, o.Password = "u", "p" }, "", "Basic dTpw"},
		{func(o *Options) { o.APIKey = "a2V5" }, "", "ApiKey a2V5"},
		{func(o *Options) { o.CustomHeaders = `{"Authorization": "Bearer x"}` }, "", "Bearer x"},
	}
	for _, tt := range tests {
		o := fluentBit(tt.set)
		pointTo(t, o, h.URL)
		if r := send(t, newDestination(t, o, config.FluentBit), itemsOf(1)); r.Verdict != sink.Done {
			t.Fatalf("got reply %+v, want done", r)
		}
		r := got.Load()
		if tt.path != "" && r.RequestURI != tt.path {
			t.Errorf("got the path %s, want %s", r.RequestURI, tt.path)
		}
		if a := r.Header.Get("Authorization"); a != tt.auth {
			t.Errorf("got Authorization %q, want %q", a, tt.auth)
		}
		if r.Header.Get("Content-Type") != "application/x-ndjson" || r.ContentLength != int64(len(itemsOf(1).Body)) || r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("got headers %v and length %d, want ndjson, the body's length and no gzip", r.Header, r.ContentLength)
		}
	}
}

func TestTLSWithItsOwnAuthority(t *testing.T) {
	s := bulktest.New(bulktest.Options{})
	h := httptest.NewTLSServer(s)
	defer h.Close()
	o := fluentBit(func(o *Options) { o.TLS = true })
	pointTo(t, o, h.URL)
	d := newDestination(t, o, config.FluentBit)
	if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Again || r.Cause != sink.Unreached || !strings.Contains(r.Err.Error(), "certificate") {
		t.Fatalf("unknown authority: got %+v, want again and unreached for the certificate", r)
	}
	o.CAFile = writeCA(t, h.Certificate())
	d = newDestination(t, o, config.FluentBit)
	if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done {
		t.Fatalf("known authority: got %+v, want done", r)
	}
	o.CAFile, o.Verify = "", false
	d = newDestination(t, o, config.FluentBit)
	if r := send(t, d, request(t, d, 1)); r.Verdict != sink.Done || len(s.Documents("")) != 1 {
		t.Fatalf("tls.verify off: got %+v, want done", r)
	}
}

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination {
			h := httptest.NewServer(bulktest.New(bulktest.Options{}))
			t.Cleanup(h.Close)
			return unclosed(t, h.URL)
		},
		Broken: func(t *testing.T) sink.Destination {
			h := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			}))
			t.Cleanup(h.Close)
			return unclosed(t, h.URL)
		},
	})
}

// unclosed is a destination at a URL that the test closes itself.
func unclosed(t *testing.T, base string) sink.Destination {
	o := fluentBit(nil)
	pointTo(t, o, base)
	d, err := New(o, config.FluentBit, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
