package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/e2e/sigv4"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/cloudwatch/cloudwatchtest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination {
			return serve(t, cloudwatchtest.Options{}, func(o *Options) { o.Stream, o.StreamPrefix = "", "from-" })
		},
		Broken: func(t *testing.T) sink.Destination {
			silent := make(chan struct{})
			s := service{log: &logBuffer{}}.connect(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-silent:
				case <-r.Context().Done():
				}
			}), options(nil), config.FluentBit)
			t.Cleanup(func() { close(silent) })
			return s
		},
	})
}

func TestGroupsAndStreamsAreCreatedOnceWhenTheyAreMissing(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) {
		o.Retention, o.NewGroupTags, o.GroupClass = 30, "team=web, cost = 12,empty=,=x", "INFREQUENT_ACCESS"
	})
	for range 3 {
		s.deliver(t, line(1), line(2))
	}
	g, _ := s.Group("/ecs/web")
	if g.Retention != 30 || g.Class != "INFREQUENT_ACCESS" || fmt.Sprint(g.Tags) != "map[cost:12 empty: team:web]" {
		t.Errorf("got %+v, want retention, class and tags", g)
	}
	if n := s.Streams()["/ecs/web:web"]; n != 6 {
		t.Errorf("got %d events, want 6", n)
	}
	if got := fmt.Sprint(s.Calls("CreateLogGroup"), s.Calls("CreateLogStream"), s.Calls("PutRetentionPolicy"), s.Calls("PutLogEvents")); got != "1 2 1 4" {
		t.Errorf("calls: got %s, want 1 group, 2 attempts of the stream, 1 retention and 4 puts", got)
	}
}

func TestAStreamThatExistsNeedsNoOtherRightThanPutLogEvents(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		if op != "PutLogEvents" {
			f.Code = "AccessDeniedException"
		}
		return f
	}}, nil)
	s.CreateGroup("/ecs/web", "web")
	s.deliver(t, line(1))
}

func TestSeveralWorkersCreateAStreamOnce(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		if op == "CreateLogStream" {
			f.Delay = 50 * time.Millisecond // until all have asked
		}
		return f
	}}, nil)
	s.CreateGroup("/ecs/web")
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() { s.deliver(t, line(w)) })
	}
	workers.Wait()
	if n := s.Streams()["/ecs/web:web"]; n != 8 || s.Calls("CreateLogStream") > 2 {
		t.Errorf("got %d events after %d CreateLogStream, want 8 after one", n, s.Calls("CreateLogStream"))
	}
}

func TestAGroupOrStreamThatSomeoneElseCreatesInBetweenIsUsed(t *testing.T) {
	var someone atomic.Pointer[cloudwatchtest.Server]
	s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		switch op {
		case "CreateLogGroup":
			someone.Load().CreateGroup("/ecs/web")
		case "CreateLogStream":
			if _, ok := someone.Load().Group("/ecs/web"); ok {
				someone.Load().CreateGroup("/ecs/web", "web")
			}
		}
		return f
	}}, func(o *Options) { o.Retention = 7 })
	someone.Store(s.Server)
	s.deliver(t, line(1))
	if g, _ := s.Group("/ecs/web"); g.Retention != 0 {
		t.Error("the retention of a group that someone else made was changed")
	}
}

func TestAGroupThatIsDeletedIsCreatedAgain(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, nil)
	s.deliver(t, line(1))
	s.DeleteGroup("/ecs/web")
	s.deliver(t, line(2))
	if got := s.messages("/ecs/web", "web"); got != `{"log":"line 2"}` {
		t.Errorf("got %s, want line 2", got)
	}
}

func TestWithoutAutoCreateGroupEventsWaitForTheGroup(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.CreateGroup = false })
	r := s.send(t, line(1), line(2))
	if r.Cause != sink.Answered || len(r.Items) != 2 || r.Items[1].Verdict != sink.Again || !r.Items[1].Busy ||
		!strings.Contains(r.Err.Error(), "PutLogEvents /ecs/web:web: the log group doesn't exist") {
		t.Fatalf("got %+v, want both again, with the group's name", r)
	}
	if got := says(&r); got != "has no log group /ecs/web" || r.Trouble.Want != "create it, or turn auto_create_group on" {
		t.Errorf("got %s; %s, want the group and the option", got, r.Trouble.Want)
	}
	if s.Calls("CreateLogGroup") != 0 {
		t.Error("the group was created")
	}
	s.CreateGroup("/ecs/web")
	s.deliver(t, line(1), line(2))
}

func TestARetentionThatFailsForNowIsSetLater(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{Call: func(op string, n int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		if op == "PutRetentionPolicy" && n == 1 {
			f.Code = "ThrottlingException"
		}
		return f
	}}, func(o *Options) { o.Retention = 7 })
	if r := s.send(t, line(1)); r.Verdict != sink.Again || r.Cause != sink.Throttled || !strings.Contains(r.Err.Error(), "PutRetentionPolicy /ecs/web: 400 ThrottlingException") {
		t.Fatalf("got %+v, want again, throttled", r)
	}
	s.deliver(t, line(1))
	if g, _ := s.Group("/ecs/web"); g.Retention != 7 || len(s.Events("/ecs/web", "web")) != 1 {
		t.Errorf("got %+v, want retention 7 and one event", g)
	}
}

func TestARetentionThatIsForbiddenIsToldAndStopsNothing(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		if op == "PutRetentionPolicy" {
			f.Code = "AccessDeniedException"
		}
		return f
	}}, func(o *Options) { o.Retention = 7 })
	s.deliver(t, line(1))
	if !strings.Contains(s.log.String(), "allow logs:PutRetentionPolicy") {
		t.Errorf("log: %s", s.log)
	}
}

func TestEventsAreSentInTheOrderOfTheirTimes(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.LogKey = "log" })
	s.deliver(t, at(3, 3*time.Second), at(1, time.Second), at(4, 3*time.Second), at(2, 2*time.Second))
	if got := s.messages("/ecs/web", "web"); got != "line 1|line 2|line 3|line 4" {
		t.Errorf("got %s", got)
	}
	if e := s.Events("/ecs/web", "web")[0]; e.Timestamp != 1_700_000_001_123 {
		t.Errorf("got time %d, want milliseconds", e.Timestamp)
	}
}

func TestACallSpansLessThanADay(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.LogKey = "log" })
	s.CreateGroup("/ecs/web", "web")
	s.deliver(t, at(5, 0), at(1, -48*time.Hour), at(3, -24*time.Hour), at(2, -24*time.Hour-time.Millisecond), at(4, -time.Second))
	if got := s.messages("/ecs/web", "web"); len(s.Events("/ecs/web", "web")) != 5 || s.Calls("PutLogEvents") != 3 {
		t.Errorf("got %s in %d calls, want 5 events in 3", got, s.Calls("PutLogEvents"))
	}
}

func TestRequestsLargerThanTheServiceTakesAreDividedIntoCalls(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.LogKey = "log" })
	s.CreateGroup("/ecs/web", "web")
	s.deliver(t, lines(25_000)...)
	if n, calls := s.Stored(), s.Calls("PutLogEvents"); n != 25_000 || calls != 3 {
		t.Errorf("got %d events in %d calls, want 25000 in 3", n, calls)
	}
	big := sinktest.Record("app", 1, "log", strings.Repeat("x", 600<<10))
	s.deliver(t, big, big, line(1), big)
	if n, calls := s.Stored(), s.Calls("PutLogEvents"); n != 25_004 || calls != 6 {
		t.Errorf("got %d events in %d calls, want 25004 in 6", n, calls)
	}
}

func TestEachStreamHasItsCallAndSeveralAreInFlightAtOnce(t *testing.T) {
	var mu sync.Mutex
	inflight, most := 0, 0
	s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		mu.Lock()
		inflight++
		most = max(most, inflight)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond) // the call's own time
		mu.Lock()
		inflight--
		mu.Unlock()
		return f
	}}, func(o *Options) { o.Stream, o.StreamPrefix, o.LogKey = "", "s-", "log" })
	var records []*sink.Record
	for i := range 120 {
		records = append(records, sinktest.Record(fmt.Sprint("app.", i%12), uint64(i), "log", fmt.Sprint(i)))
	}
	s.deliver(t, records...)
	for i := range 12 {
		if got := s.messages("/ecs/web", fmt.Sprint("s-app.", i)); !strings.HasPrefix(got, fmt.Sprintf("%d|%d|", i, i+12)) || strings.Count(got, "|") != 9 {
			t.Errorf("stream %d: got %s", i, got)
		}
	}
	if most < 2 || most > maxCalls {
		t.Errorf("got %d calls at once, want 2 to %d", most, maxCalls)
	}
}

func TestEventsThatTheServiceRejectsAreNeverSentAgain(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.LogKey, o.Retention = "log", 7 })
	r := s.send(t, at(0, 3*time.Hour), at(1, 0), at(2, -15*24*time.Hour), at(3, -8*24*time.Hour), at(4, time.Hour), at(5, -20*24*time.Hour))
	if r.Verdict != sink.Done || r.Err != nil {
		t.Fatalf("got %+v", r)
	}
	// Events of several days are several calls, and each has its own rejections.
	var got []string
	for _, i := range r.Items {
		got = append(got, fmt.Sprintf("%d %d %s", i.Index, i.Verdict, i.Type))
	}
	if want := "0 2 too_new|2 2 too_old|3 2 expired|5 2 too_old"; strings.Join(got, "|") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if got := s.messages("/ecs/web", "web"); got != "line 1|line 4" {
		t.Errorf("stored %s, want lines 1 and 4", got)
	}
}

func TestRejectedEventsAreNamedByTheirPlaceInTheCallsOrder(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.LogKey = "log" })
	old := -14 * 24 * time.Hour
	r := s.send(t, at(0, old+time.Minute), at(1, old-time.Minute), at(2, old+time.Second), at(3, old-time.Second))
	if len(r.Items) != 2 || r.Items[0].Index != 1 || r.Items[1].Index != 3 {
		t.Errorf("got %+v, want items 1 and 3", r.Items)
	}
	if got := s.messages("/ecs/web", "web"); got != "line 2|line 0" {
		t.Errorf("stored %s, want lines 2 and 0", got)
	}
}

// A refusal of a call, and what becomes of its item.
func TestRefusalsAreSorted(t *testing.T) {
	for _, c := range []struct {
		op      string
		fault   cloudwatchtest.Fault
		verdict sink.Verdict
		cause   sink.Cause
		split   sink.Split
		err     string
	}{
		{"PutLogEvents", cloudwatchtest.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}, sink.Again, sink.Throttled, sink.No, "PutLogEvents /ecs/web:web: 400 ThrottlingException: Rate exceeded"},
		{"PutLogEvents", cloudwatchtest.Fault{Status: 503, Code: "ServiceUnavailableException"}, sink.Again, sink.Throttled, sink.No, "503 ServiceUnavailableException"},
		{"PutLogEvents", cloudwatchtest.Fault{Status: 500, Code: "InternalFailure"}, sink.Again, sink.Answered, sink.No, "500 InternalFailure"},
		{"PutLogEvents", cloudwatchtest.Fault{Code: "AccessDeniedException", Message: "not authorized to perform: logs:PutLogEvents"}, sink.Again, sink.Unauthorised, sink.No, "logs:PutLogEvents"},
		{"PutLogEvents", cloudwatchtest.Fault{Code: "UnrecognizedClientException"}, sink.Again, sink.Unauthorised, sink.No, ""},
		{"PutLogEvents", cloudwatchtest.Fault{Code: "InvalidParameterException", Message: "Log event too large"}, sink.Again, sink.Answered, sink.ByItem, "Log event too large"},
		{"PutLogEvents", cloudwatchtest.Fault{Status: 413, Code: "RequestEntityTooLarge"}, sink.Again, sink.Answered, sink.BySize, ""},
		{"PutLogEvents", cloudwatchtest.Fault{Code: "DataAlreadyAcceptedException"}, sink.Done, sink.Answered, sink.No, ""},
		{"PutLogEvents", cloudwatchtest.Fault{Close: true}, sink.Again, sink.Unreached, sink.No, "PutLogEvents /ecs/web:web: EOF"},
		{"CreateLogStream", cloudwatchtest.Fault{Code: "AccessDeniedException"}, sink.Again, sink.Unauthorised, sink.No, "CreateLogStream /ecs/web:web: 400 AccessDeniedException"},
		{"CreateLogGroup", cloudwatchtest.Fault{Code: "ThrottlingException"}, sink.Again, sink.Throttled, sink.No, "CreateLogGroup /ecs/web: 400"},
	} {
		s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
			if op == c.op {
				return c.fault
			}
			return f
		}}, nil)
		r := s.send(t, line(1))
		if r.Verdict != c.verdict || r.Cause != c.cause || r.Split != c.split || len(r.Items) != 0 {
			t.Errorf("%s %+v: got %+v", c.op, c.fault, r)
		}
		if (r.Err == nil) != (c.verdict == sink.Done) || r.Err != nil && !strings.Contains(r.Err.Error(), c.err) {
			t.Errorf("%s %+v: got error %v, want %s", c.op, c.fault, r.Err, c.err)
		}
	}
}

// says is what a reply's trouble is, in words.
func says(r *sink.Reply) string {
	if r.Trouble == nil {
		return ""
	}
	return r.Trouble.Text()
}

// A refusal that concerns the group or stream, and leaves the destination open to others.
func TestRefusalsOfOneGroupDoNotStopOthers(t *testing.T) {
	for _, c := range []struct {
		op, code, message string
		verdict           sink.Verdict
		says              string
	}{
		{"CreateLogGroup", "OperationAbortedException", "", sink.Again, ""},
		{"CreateLogGroup", "LimitExceededException", "", sink.Again, "may create no more log groups or streams, log group /bad"},
		{"PutLogEvents", "AccessDeniedException", "", sink.Again, "denied access (400 AccessDeniedException), log group /bad"},
		{"PutLogEvents", "ResourceNotFoundException", "The specified log stream does not exist.", sink.Again, "has no log stream web of log group /bad yet"}, // not yet everywhere
		{"PutLogEvents", "InvalidParameterException", "1 validation error detected: Value 'x' at 'logGroupName' failed to satisfy constraint", sink.Never, ""},
	} {
		s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, body []byte) (f cloudwatchtest.Fault) {
			if op == c.op && strings.Contains(string(body), "/bad") {
				f.Code, f.Message = c.code, c.message
			}
			return f
		}}, func(o *Options) { o.Group, o.LogKey = "/$(kind)", "log" })
		bad := sinktest.Record("app", 1, "log", "line 1", "kind", "bad")
		good := sinktest.Record("app", 2, "log", "line 2", "kind", "good")
		for _, records := range [][]*sink.Record{{bad, good, bad}, {bad, bad}} {
			r := s.send(t, records...)
			if r.Verdict != sink.Done || r.Cause != sink.Answered || r.Err == nil || len(r.Items) != 2 {
				t.Errorf("%s %s: got %+v, want two items refused", c.op, c.code, r)
				continue
			}
			if got := says(&r); got != c.says {
				t.Errorf("%s %s: got %q, want %q", c.op, c.code, got, c.says)
			}
			for _, i := range r.Items {
				if i.Verdict != c.verdict || i.Type != c.code || i.Busy != (c.verdict == sink.Again) || !strings.Contains(i.Reason, c.op+" /bad") {
					t.Errorf("%s %s: got item %+v", c.op, c.code, i)
				}
			}
		}
		if got := s.messages("/good", "web"); got != "line 2" {
			t.Errorf("%s %s: the other group has %q", c.op, c.code, got)
		}
	}
}

func TestNothingThatWasDeliveredIsHalvedAndSentAgain(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, body []byte) (f cloudwatchtest.Fault) {
		if op == "PutLogEvents" && strings.Contains(string(body), "/bad") {
			f.Code, f.Message = "InvalidParameterException", "Log event too large"
		}
		return f
	}}, func(o *Options) { o.Group, o.LogKey = "/$(kind)", "log" })
	bad := func(i int) *sink.Record {
		return sinktest.Record("app", uint64(i), "log", fmt.Sprint(i), "kind", "bad")
	}
	good := sinktest.Record("app", 2, "log", "line 2", "kind", "good")
	r := s.send(t, bad(0), good, bad(2))
	if r.Split != sink.No || len(r.Items) != 2 || r.Items[0].Verdict != sink.Again || r.Items[0].Busy || r.Items[1].Index != 2 {
		t.Errorf("got %+v, want the two bad ones again, without the good one", r)
	}
	if r := s.send(t, bad(0), bad(2)); r.Split != sink.ByItem || r.Verdict != sink.Again {
		t.Errorf("got %+v, want to be halved", r)
	}
	if r := s.send(t, bad(0), sinktest.Record("app", 2, "log", "x", "kind", "bad2")); r.Split != sink.ByItem {
		t.Errorf("two streams: got %+v, want to be halved", r)
	}
}

func TestAThrottledStreamClosesTheGate(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, body []byte) (f cloudwatchtest.Fault) {
		if op == "PutLogEvents" && strings.Contains(string(body), "/bad") {
			f.Code, f.Header = "ThrottlingException", http.Header{"Retry-After": {"3"}}
		}
		return f
	}}, func(o *Options) { o.Group = "/$(kind)" })
	r := s.send(t, sinktest.Record("app", 1, "kind", "bad"), sinktest.Record("app", 2, "kind", "good"))
	if r.Verdict != sink.Done || r.Cause != sink.Throttled || r.RetryAfter != 3*time.Second || len(r.Items) != 1 || r.Items[0].Index != 0 || !r.Items[0].Busy {
		t.Errorf("got %+v, want item 0 again, throttled", r)
	}
}

func TestALostReplyMakesTheRequestAgain(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{Call: func(op string, n int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		f.Lose = op == "PutLogEvents" && n == 1
		return f
	}}, nil)
	s.CreateGroup("/ecs/web", "web")
	s.deliver(t, line(1))
	if n := s.Stored(); n != 2 { // at least once: the service can't tell
		t.Errorf("got %d events, want 2", n)
	}
}

func TestASequenceTokenIsSentWhereItIsStillAskedFor(t *testing.T) {
	s := serve(t, cloudwatchtest.Options{Tokens: true}, nil)
	for i := range 3 {
		s.deliver(t, line(i))
	}
	if n := s.Stored(); n != 3 {
		t.Errorf("got %d events, want 3", n)
	}
}

func TestRequestsAreSignedAndNameTheFormatAndTheAgent(t *testing.T) {
	var mu sync.Mutex
	headers := map[string]http.Header{}
	fake := cloudwatchtest.New(cloudwatchtest.Options{Now: now, Call: func(op string, _ int, r *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		mu.Lock()
		headers[op] = r.Header
		mu.Unlock()
		return f
	}})
	var refused []string
	v := &sigv4.Verifier{
		Keys: sigv4.Keys{AccessKey: "AKID", SecretKey: "secret"}, Region: "eu-west-1", Service: "logs", Next: fake,
		Refused: func(reason string) { refused = append(refused, reason) },
	}
	s := service{Server: fake, log: &logBuffer{}}.connect(t, v, options(func(o *Options) {
		o.LogFormat, o.UserAgent, o.StreamPrefix, o.Stream = "json/emf", "container insights", "s-", ""
	}), config.FluentBit)
	s.deliver(t, line(1), sinktest.Record("other", 1, "log", "x"), line(3))
	if len(refused) > 0 {
		t.Error(refused)
	}
	if h := headers["PutLogEvents"]; h.Get("X-Amzn-Logs-Format") != "json/emf" || !strings.Contains(h.Get("User-Agent"), "container-insights") {
		t.Errorf("PutLogEvents: got %v", h)
	}
	if h := headers["CreateLogGroup"]; h.Get("X-Amzn-Logs-Format") != "" {
		t.Errorf("CreateLogGroup: got %v, want no format", h)
	}
}

func TestExpiredCredentialsAreFetchedAgainOnce(t *testing.T) {
	fetched := 0
	container := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched++
		fmt.Fprintf(w, `{"AccessKeyId":"AKID","SecretAccessKey":"S","Token":"token-%d","Expiration":%q}`, fetched, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	})
	fake := cloudwatchtest.New(cloudwatchtest.Options{Now: now, Call: func(op string, _ int, r *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		if r.Header.Get("X-Amz-Security-Token") == "token-1" {
			f.Code, f.Message = "ExpiredTokenException", "The security token included in the request is expired"
		}
		return f
	}})
	server := serveHTTP(t, container)
	s := service{Server: fake, log: &logBuffer{}}.connect(t, fake, options(func(o *Options) {
		o.AccessKeyID, o.CredentialsEndpoint = "", server
	}), config.FluentBit)
	s.deliver(t, line(1))
	if fetched != 2 || s.Stored() != 1 {
		t.Errorf("fetched credentials %d times and stored %d events, want 2 and 1", fetched, s.Stored())
	}
}

func TestWithoutCredentialsNothingIsSent(t *testing.T) {
	server := serveHTTP(t, http.NotFoundHandler())
	s := serve(t, cloudwatchtest.Options{}, func(o *Options) { o.AccessKeyID, o.CredentialsEndpoint = "", server })
	r := s.send(t, line(1))
	if r.Verdict != sink.Again || r.Cause != sink.Unauthorised || !strings.Contains(r.Err.Error(), "getting AWS credentials") || s.Calls("PutLogEvents") != 0 {
		t.Errorf("got %+v after %d calls", r, s.Calls("PutLogEvents"))
	}
}

func TestACancelledSendWaitsForNoOtherCreation(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	s := serve(t, cloudwatchtest.Options{Call: func(op string, _ int, _ *http.Request, _ []byte) (f cloudwatchtest.Fault) {
		if op == "CreateLogStream" {
			close(begun)
			<-end
		}
		return f
	}}, nil)
	s.CreateGroup("/ecs/web")
	var first sync.WaitGroup
	first.Go(func() { s.deliver(t, line(1)) })
	<-begun
	req, _ := sinktest.Encode(s, line(2))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r := s.Send(ctx, req); r.Verdict != sink.Again || !errors.Is(r.Err, context.DeadlineExceeded) {
		t.Errorf("got %+v, want again, out of time", r)
	}
	close(end)
	first.Wait()
}
