package cloudwatch

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/e2e/sigv4"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/cloudwatch/cloudwatchtest"
	"github.com/firelane/firelane/sink/sinktest"
)

// large is a record with a text that PutLogEvents doesn't take.
func large(pos uint64, text string) *sink.Record {
	r := sinktest.Record("app.web", pos, "log", text)
	r.Time = at(0, 0).Time
	return r
}

func otlp(o *Options) { o.LogKey, o.LargeEvents = "log", "otlp" }

func TestALargeEventGoesWholeToTheOTLPEndpoint(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, otlp)
	whole := strings.Repeat("x€\xff", 1<<19)
	s.deliver(t, line(1), large(2, whole), line(3), large(4, "y"+whole))
	want := strings.ReplaceAll(whole, "\xff", "\ufffd")
	stored := map[string]int{}
	for _, e := range s.Events("/ecs/web", "web") {
		stored[e.Message]++
	}
	for _, text := range []string{"line 1", "line 3", want, "y" + want} {
		if stored[text] != 1 {
			t.Errorf("the text of %d bytes that begins with %.6q is stored %d times, want once", len(text), text, stored[text])
		}
	}
	if n := s.Calls(cloudwatchtest.OTLP); n < 2 || n > 4 {
		t.Errorf("got %d calls of the OTLP endpoint, want one for each event, and one more to find that the stream is missing", n)
	}
}

func TestALargeEventThatTheOTLPEndpointRefusesIsJudgedAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		at    time.Duration // of the event
		fault cloudwatchtest.Fault
		want  sink.Verdict
		kind  string
	}{
		{name: "too old", at: -15 * 24 * time.Hour, want: sink.Never, kind: typeTooOld},
		{name: "too new", at: 3 * time.Hour, want: sink.Never, kind: typeTooNew},
		{name: "a region without large events", fault: cloudwatchtest.Fault{Status: http.StatusBadRequest, Code: "ValidationException", Message: "Log event too large"}, want: sink.Never, kind: "ValidationException"},
		{name: "no such endpoint", fault: cloudwatchtest.Fault{Status: http.StatusNotFound, Code: "UnknownOperationException"}, want: sink.Never, kind: "UnknownOperationException"},
		{name: "throttled", fault: cloudwatchtest.Fault{Code: "ThrottlingException"}, want: sink.Again},
		{name: "for a moment", fault: cloudwatchtest.Fault{Status: http.StatusInternalServerError, Code: "InternalFailure"}, want: sink.Again},
	} {
		s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
			if op == cloudwatchtest.OTLP {
				return c.fault
			}
			return f
		}}, otlp)
		s.CreateGroup("/ecs/web", "web")
		r := large(2, strings.Repeat("x", 2<<20))
		r.Time = at(0, c.at).Time
		got := s.send(t, line(1), r, line(3))
		if got.Verdict != sink.Done || len(got.Items) != 1 || got.Items[0].Index != 1 || got.Items[0].Verdict != c.want || c.kind != "" && got.Items[0].Type != c.kind {
			t.Errorf("%s: got %+v, want verdict %v for the large event alone", c.name, got, c.want)
		}
		if n := s.Stored(); n != 2 {
			t.Errorf("%s: %d events are stored, want the two others", c.name, n)
		}
	}
}

func TestRequestsOfTheOTLPEndpointAreSigned(t *testing.T) {
	fake := cloudwatchtest.New(cloudwatchtest.Options{Now: now})
	fake.CreateGroup("/ecs/web", "web")
	v := &sigv4.Verifier{
		Keys: sigv4.Keys{AccessKey: "AKID", SecretKey: "secret"}, Region: "eu-west-1", Service: "logs", Next: fake,
		Refused: func(reason string) { t.Error(reason) },
	}
	s := service{Server: fake, log: &logBuffer{}}.connect(t, v, options(otlp), config.FluentBit)
	s.deliver(t, large(1, strings.Repeat("x", 2<<20)))
	if n := s.Stored(); n != 1 {
		t.Errorf("%d events are stored, want 1", n)
	}
}

func FuzzTheOTLPEndpointMayAnswerAnything(f *testing.F) {
	f.Add([]byte("\n\x04\x08\x01\x12\x00"))
	f.Add([]byte("\n\x02\x08\x01"))
	f.Add([]byte(`{"partialSuccess":{"rejectedLogRecords":5}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		_, _ = rejectedBy(answer)
		_ = refusalOf(&http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}}, answer)
	})
}
