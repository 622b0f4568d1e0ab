package splunk

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/internal/webtest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
	"github.com/firelane/firelane/sink/splunk/splunktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const token = "11111111-2222-3333-4444-555555555555"

func made(t testing.TB, h http.Handler, d config.Dialect, lines string) sink.Destination {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if d == config.Fluentd {
		lines += "\nprotocol http\nhec_token " + token + "\nhec_host " + u.Hostname() + "\nhec_port " + u.Port()
	} else {
		if !strings.Contains(lines, "splunk_token") && !strings.Contains(lines, "http_user") {
			lines += "\nsplunk_token " + token
		}
		lines += "\nhost " + u.Hostname() + "\nport " + u.Port()
	}
	dest, err := New(sinktest.Bind[Options](t, d, lines), d, sink.Env{Hostname: "host-1", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dest.Close() })
	return dest
}

func server(o splunktest.Options) *splunktest.Server {
	o.Token = token
	return splunktest.New(o)
}

func send(t testing.TB, d sink.Destination, records ...*sink.Record) sink.Reply {
	t.Helper()
	req, err := sinktest.Encode(d, records...)
	if err != nil {
		t.Fatal(err)
	}
	return d.Send(t.Context(), req)
}

func TestContract(t *testing.T) {
	for _, d := range []config.Dialect{config.FluentBit, config.Fluentd} {
		t.Run(d.String(), func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{
				New: func(t *testing.T) sink.Destination { return made(t, server(splunktest.Options{}), d, "") },
				Broken: func(t *testing.T) sink.Destination {
					return made(t, server(splunktest.Options{Options: webtest.Options{
						Request: func(int, *http.Request) webtest.Fault { return webtest.Fault{Hang: true} },
					}}), d, "")
				},
			})
		})
	}
	t.Run("acknowledgments that don't come", func(t *testing.T) {
		sinktest.Run(t, sinktest.Case{
			New: func(t *testing.T) sink.Destination {
				return made(t, server(splunktest.Options{UseACK: true}), config.FluentBit, "")
			},
			Broken: func(t *testing.T) sink.Destination {
				return made(t, server(splunktest.Options{UseACK: true, Acks: func(int, int) bool { return false }}), config.FluentBit, "")
			},
		})
	})
}

func TestARecordBecomesAnEventAsInFluentBit(t *testing.T) {
	nested := sinktest.Record("app.web", 1)
	nested.Body = append(record.AppendStr(record.AppendMapHeader(nil, 2), "log"), record.AppendStr(nil, "a")...)
	nested.Body = append(record.AppendStr(nested.Body, "k8s"), sinktest.Map("pod", "p", "index", "i")...)
	for name, c := range map[string]struct {
		lines string
		r     *sink.Record
		want  string
	}{
		"as it is": {"", sinktest.Record("app.web", 1, "log", "a"), `{"time":1700000000.123456,"event":{"log":"a"}}`},
		"with literals": {
			"event_host h\nevent_source s\nevent_sourcetype st\nevent_index main", sinktest.Record("app.web", 1, "log", "a"),
			`{"time":1700000000.123456,"host":"h","source":"s","sourcetype":"st","index":"main","event":{"log":"a"}}`,
		},
		"with fields of the record": {
			"event_host $k8s['pod']\nevent_source $TAG\nevent_sourcetype st\nevent_sourcetype_key $none\nevent_index main\nevent_index_key $k8s['index']\nevent_field pod $k8s['pod']\nevent_field none $none",
			nested,
			`{"time":1700000000.123456,"host":"p","source":"app.web","sourcetype":"st","index":"i","fields":{"pod":"p"},"event":{"log":"a","k8s":{"pod":"p","index":"i"}}}`,
		},
		"a field alone":                     {"event_key $log", sinktest.Record("t", 1, "log", `a "b"`), `{"time":1700000000.123456,"event":"a \"b\""}`},
		"the record if that is missing":     {"event_key $log", sinktest.Record("t", 1, "m", "a"), `{"time":1700000000.123456,"event":{"m":"a"}}`},
		"without time":                      {"auto_extract_timestamp on", sinktest.Record("t", 1, "m", "a"), `{"event":{"m":"a"}}`},
		"without time, with a host":         {"auto_extract_timestamp on\nevent_host h", sinktest.Record("t", 1, "m", "a"), `{"host":"h","event":{"m":"a"}}`},
		"raw":                               {"splunk_send_raw on", sinktest.Record("t", 1, "event", "a", "index", "i"), `{"event":"a","index":"i"}`},
		"an empty host is left out":         {"event_host $none", sinktest.Record("t", 1), `{"time":1700000000.123456,"event":{}}`},
		"none of the indexed fields exists": {"event_field a $b", sinktest.Record("t", 1), `{"time":1700000000.123456,"event":{}}`},
	} {
		item, err := made(t, http.NotFoundHandler(), config.FluentBit, c.lines).Append(nil, c.r)
		if err != nil || string(item) != c.want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", name, item, err, c.want)
		}
	}
}

func TestARecordBecomesAnEventAsInFluentd(t *testing.T) {
	nested := sinktest.Record("app.web", 1)
	nested.Body = append(record.AppendStr(record.AppendMapHeader(nil, 1), "k8s"), sinktest.Map("pod", "p", "ns", "n", "x", "y")...)
	for name, c := range map[string]struct {
		lines string
		r     *sink.Record
		want  string
	}{
		"as it is": {"", sinktest.Record("app.web", 1, "log", "a"), `{"time":1700000000.123456,"host":"host-1","event":{"log":"a"}}`},
		"with literals": {
			"host h\nsource ${tag}\nsourcetype $st\nindex main", sinktest.Record("app.web", 1, "log", "a"),
			`{"time":1700000000.123456,"host":"h","source":"app.web","sourcetype":"$st","index":"main","event":{"log":"a"}}`,
		},
		"with fields, which are removed": {
			"host_key h\nindex_key i\ntime_key t\n<fields>\nlevel\nteam owner\n</fields>",
			sinktest.Record("app.web", 1, "h", "here", "i", "main", "t", "1.5", "level", "info", "owner", "a", "log", "x"),
			`{"time":"1.5","host":"here","index":"main","fields":{"level":"info","team":"a"},"event":{"log":"x"}}`,
		},
		"with nested fields": {"host_key k8s.pod\nsource_key k8s.ns", nested, `{"time":1700000000.123456,"host":"p","source":"n","event":{"k8s":{"x":"y"}}}`},
		"which stay":         {"host_key h\nkeep_keys true", sinktest.Record("t", 1, "h", "x"), `{"time":1700000000.123456,"host":"x","event":{"h":"x"}}`},
		"as text": {
			"host_key h\n<format>\n@type single_value\nmessage_key log\n</format>", sinktest.Record("t", 1, "h", "x", "log", "a \"b\""),
			`{"time":1700000000.123456,"host":"x","event":"a \"b\""}`,
		},
	} {
		item, err := made(t, http.NotFoundHandler(), config.Fluentd, c.lines).Append(nil, c.r)
		if err != nil || string(item) != c.want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", name, item, err, c.want)
		}
	}
}

func TestEventsArrive(t *testing.T) {
	for _, lines := range []string{"", "compress gzip", "http_user any\nhttp_passwd " + token, "channel " + token} {
		s := server(splunktest.Options{})
		r := send(t, made(t, s, config.FluentBit, lines), sinktest.Record("a", 1, "log", "one"), sinktest.Record("a", 2, "log", "two"))
		if r.Verdict != sink.Done || r.Err != nil || len(s.Events()) != 2 {
			t.Errorf("%q: got %+v and %d events", lines, r, len(s.Events()))
		}
	}
	s := server(splunktest.Options{})
	if r := send(t, made(t, s, config.Fluentd, "gzip_compression true\ncustom_headers {\"X-A\":\"1\"}"), sinktest.Record("a", 1)); r.Err != nil || len(s.Events()) != 1 {
		t.Errorf("Fluentd: got %+v", r)
	}
}

// The collector indexes the events before the invalid one, and none after it.
func TestAnInvalidEventIsGivenUpAndTheOthersArriveOnce(t *testing.T) {
	s := server(splunktest.Options{Indexes: []string{"main"}})
	d := made(t, s, config.FluentBit, "event_index_key $index")
	var records []*sink.Record
	for i := range 10 {
		index := "main"
		if i == 3 || i == 4 || i == 9 {
			index = "other"
		}
		records = append(records, sinktest.Record("a", uint64(i), "n", fmt.Sprint(i), "index", index))
	}
	r := send(t, d, records...)
	if r.Verdict != sink.Done || len(r.Items) != 3 || r.Items[0].Index != 3 || r.Items[1].Index != 4 || r.Items[2].Index != 9 {
		t.Fatalf("got %+v", r)
	}
	for _, item := range r.Items {
		if item.Verdict != sink.Never || item.Status != 400 || !strings.Contains(item.Reason, "Incorrect index") {
			t.Errorf("got %+v", item)
		}
	}
	if got := s.Events(); len(got) != 7 || s.Requests() != 3 {
		t.Errorf("got %d events in %d requests, want 7 in 3", len(got), s.Requests())
	}
}

func TestManyInvalidEventsTakeSeveralAttempts(t *testing.T) {
	s := server(splunktest.Options{Indexes: []string{"main"}})
	d := made(t, s, config.FluentBit, "event_index_key $index")
	var records []*sink.Record
	for i := range maxResumes + 5 {
		records = append(records, sinktest.Record("a", uint64(i), "index", "other"))
	}
	r := send(t, d, records...)
	if r.Verdict != sink.Again || r.Err == nil || len(r.Items) != maxResumes || s.Requests() != maxResumes {
		t.Errorf("got %+v after %d requests", r, s.Requests())
	}
	if !r.Unjudged {
		t.Errorf("got %+v, in which events that nobody has read count as refused", r)
	}
}

func TestEventsBehindAnInvalidOneDoNotCountAsRefusedBeforeTheyAreJudged(t *testing.T) {
	s := server(splunktest.Options{Indexes: []string{"main"}, Options: webtest.Options{Request: func(n int, _ *http.Request) webtest.Fault {
		return webtest.Fault{Status: map[bool]int{true: 413}[n == 2]}
	}}})
	d := made(t, s, config.FluentBit, "event_index_key $index")
	r := send(t, d, sinktest.Record("a", 1, "index", "other"), sinktest.Record("a", 2), sinktest.Record("a", 3))
	if r.Verdict != sink.Again || r.Split != sink.No || !r.Unjudged || len(r.Items) != 1 {
		t.Errorf("got %+v, want that two events are sent again, and aren't refused", r)
	}
}

func TestWhatHasEndedIsNotSentAgainIfTheRestFails(t *testing.T) {
	s := server(splunktest.Options{Indexes: []string{"main"}, Options: webtest.Options{Request: func(n int, _ *http.Request) webtest.Fault {
		return webtest.Fault{Status: map[bool]int{true: 503}[n == 2]}
	}}})
	d := made(t, s, config.FluentBit, "event_index_key $index")
	r := send(t, d, sinktest.Record("a", 1, "index", "main"), sinktest.Record("a", 2, "index", "other"), sinktest.Record("a", 3), sinktest.Record("a", 4))
	if r.Verdict != sink.Again || r.Cause != sink.Throttled || len(r.Items) != 2 || r.Items[0].Verdict != sink.Done || r.Items[1].Index != 1 || r.Items[1].Verdict != sink.Never {
		t.Errorf("got %+v", r)
	}
}

func TestAnIndexOfTheOptionsIsWaitedFor(t *testing.T) {
	s := server(splunktest.Options{Indexes: []string{"main"}})
	r := send(t, made(t, s, config.FluentBit, "event_index other"), sinktest.Record("a", 1), sinktest.Record("a", 2))
	if r.Verdict != sink.Again || r.Split != sink.No || r.Cause != sink.Answered || !strings.Contains(r.Err.Error(), "allow it for the token") {
		t.Errorf("got %+v", r)
	}
}

func TestAFullQueueLeavesWhatItHasTaken(t *testing.T) {
	s := server(splunktest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault {
		return webtest.Fault{Status: 503, Body: `{"text":"Server is busy","code":9,"invalid-event-number":3}`}
	}}})
	r := send(t, made(t, s, config.FluentBit, ""), sinktest.Record("a", 1), sinktest.Record("a", 2), sinktest.Record("a", 3), sinktest.Record("a", 4))
	if r.Verdict != sink.Again || r.Cause != sink.Throttled || len(r.Items) != 2 || r.Items[1] != (sink.ItemReply{Index: 1, Verdict: sink.Done}) {
		t.Errorf("got %+v", r)
	}
}

// "Troubleshoot HTTP Event Collector": possible error codes.
func TestCodesAreSorted(t *testing.T) {
	var fault atomic.Pointer[webtest.Fault]
	s := server(splunktest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault { return *fault.Load() }}})
	d := made(t, s, config.FluentBit, "")
	for _, c := range []struct {
		status  int
		body    string
		verdict sink.Verdict
		cause   sink.Cause
		split   sink.Split
		says    string
	}{
		{403, `{"text":"Token disabled","code":1}`, sink.Again, sink.Unauthorised, sink.No, "the token is refused"},
		{401, `{"text":"Token is required","code":2}`, sink.Again, sink.Unauthorised, sink.No, "the token is refused"},
		{401, `{"text":"Invalid authorization","code":3}`, sink.Again, sink.Unauthorised, sink.No, "the token is refused"},
		{403, `{"text":"Invalid token","code":4}`, sink.Again, sink.Unauthorised, sink.No, "the token is refused"},
		{400, `{"text":"No data","code":5}`, sink.Again, sink.Answered, sink.ByItem, "No data"},
		{400, `{"text":"Invalid data format","code":6}`, sink.Again, sink.Answered, sink.ByItem, "Invalid data format"},
		{400, `{"text":"Incorrect index","code":7,"invalid-event-number":0}`, sink.Again, sink.Answered, sink.No, "allow it"},
		{500, `{"text":"Internal server error","code":8}`, sink.Again, sink.Answered, sink.No, "Internal"},
		{503, `{"text":"Server is busy","code":9}`, sink.Again, sink.Throttled, sink.No, "busy"},
		{400, `{"text":"Data channel is missing","code":10}`, sink.Again, sink.Answered, sink.No, "channel"},
		{400, `{"text":"Invalid data channel","code":11}`, sink.Again, sink.Answered, sink.No, "want a GUID"},
		{400, `{"text":"Event field is required","code":12}`, sink.Again, sink.Answered, sink.ByItem, "required"},
		{400, `{"text":"Event field cannot be blank","code":13}`, sink.Again, sink.Answered, sink.ByItem, "blank"},
		{400, `{"text":"Error in handling indexed fields","code":15}`, sink.Again, sink.Answered, sink.ByItem, "indexed"},
		{503, `{"text":"HEC is unhealthy, queues are full","code":18}`, sink.Again, sink.Throttled, sink.No, "queues"},
		{503, `{"text":"Server is shutting down","code":23}`, sink.Again, sink.Throttled, sink.No, "shutting"},
		{429, `{"text":"Queue at capacity","code":26}`, sink.Again, sink.Throttled, sink.No, "capacity"},
		{413, `<html>Content-Length too large`, sink.Again, sink.Answered, sink.BySize, "too large"},
		{404, `{"text":"The requested URL was not found on this server.","code":404}`, sink.Again, sink.Answered, sink.No, "not found"},
		{400, `not JSON`, sink.Again, sink.Answered, sink.ByItem, "not JSON"},
		{400, `{"text":"Invalid data format","code":6,"invalid-event-number":99}`, sink.Again, sink.Answered, sink.ByItem, "format"},
		{400, `{"text":"Invalid data format","code":6,"invalid-event-number":-1}`, sink.Again, sink.Answered, sink.ByItem, "format"},
	} {
		fault.Store(&webtest.Fault{Status: c.status, Body: c.body})
		r := send(t, d, sinktest.Record("a", 1), sinktest.Record("a", 2))
		if r.Verdict != c.verdict || r.Cause != c.cause || r.Split != c.split || r.Err == nil || !strings.Contains(r.Err.Error(), c.says) || strings.Contains(r.Err.Error(), token) {
			t.Errorf("%d %s: got %+v", c.status, c.body, r)
		}
	}
}

// 14: acknowledgment is off; 16: no token in the query; 21 and 22: what a collector's health says of the token.
func TestACodeThatIsNotAboutAnEventCostsNoRecord(t *testing.T) {
	var fault atomic.Pointer[webtest.Fault]
	s := server(splunktest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault { return *fault.Load() }}})
	d := made(t, s, config.FluentBit, "")
	for _, code := range []int{14, 16, 21, 22, 27} {
		fault.Store(&webtest.Fault{Status: 400, Body: fmt.Sprintf(`{"text":"a reason","code":%d}`, code)})
		for _, records := range [][]*sink.Record{{sinktest.Record("a", 1)}, {sinktest.Record("a", 1), sinktest.Record("a", 2)}} {
			r := send(t, d, records...)
			if r.Verdict != sink.Again || r.Split != sink.No || len(r.Items) > 0 {
				t.Errorf("code %d, %d records: got %+v", code, len(records), r)
			}
		}
	}
	fault.Store(&webtest.Fault{Status: 413, Body: `{"text":"too large","code":27}`})
	if r := send(t, d, sinktest.Record("a", 1), sinktest.Record("a", 2)); r.Split != sink.BySize {
		t.Errorf("413: got %+v", r)
	}
}

func TestAChannelIsMadeIfTheCollectorAsksForOne(t *testing.T) {
	s := server(splunktest.Options{UseACK: true})
	d := made(t, s, config.FluentBit, "")
	for range 2 {
		if r := send(t, d, sinktest.Record("a", 1)); r.Err != nil || r.Verdict != sink.Done {
			t.Fatalf("got %+v", r)
		}
	}
	if len(s.Events()) != 2 || s.Requests() != 1+2+2*2 { // one refused; each event is acknowledged at the second poll
		t.Errorf("got %d events in %d requests", len(s.Events()), s.Requests())
	}
}

func TestARecordIsDeliveredWhenItIsAcknowledged(t *testing.T) {
	for name, o := range map[string]splunktest.Options{
		"at the third poll": {UseACK: true, Acks: func(_, polls int) bool { return polls >= 3 }},
		"with a cookie":     {UseACK: true, Sticky: true},
	} {
		s := server(o)
		r := send(t, made(t, s, config.FluentBit, "channel "+token), sinktest.Record("a", 1))
		if r.Verdict != sink.Done || r.Err != nil || s.Polls(0) < 2 {
			t.Errorf("%s: got %+v after %d polls", name, r, s.Polls(0))
		}
	}
}

func TestWhatIsNotAcknowledgedIsSentAgainIfAcknowledgmentsWork(t *testing.T) {
	s := server(splunktest.Options{UseACK: true, Acks: func(id, _ int) bool { return id == 1 }})
	d := made(t, s, config.FluentBit, "channel "+token).(*Destination)
	d.ackLimit = 250 * time.Millisecond
	for i, want := range []sink.Verdict{sink.Done, sink.Done, sink.Again} { // none has come yet; it comes; it doesn't come
		r := send(t, d, sinktest.Record("a", uint64(i)))
		if r.Verdict != want || (r.Err == nil) != (want == sink.Done) || r.Cause == sink.Answered && want == sink.Again {
			t.Errorf("request %d: got %+v, want verdict %d", i, r, want)
		}
	}
}

// A proxy says that the request came too slowly: that is no reason to do without acknowledgments.
func TestAnAcknowledgmentIsAskedForAgainAfter408(t *testing.T) {
	s := server(splunktest.Options{UseACK: true, Options: webtest.Options{Request: func(n int, _ *http.Request) webtest.Fault {
		if n == 2 { // the first question: request 1 has the event
			return webtest.Fault{Status: http.StatusRequestTimeout}
		}
		return webtest.Fault{}
	}}})
	d := made(t, s, config.FluentBit, "channel "+token).(*Destination)
	if r := send(t, d, sinktest.Record("a", 1)); r.Verdict != sink.Done || !d.ackWorks.Load() {
		t.Errorf("got %+v, acknowledged: %v; want done and acknowledged", r, d.ackWorks.Load())
	}
}

func TestWithoutAnEndpointOfAcknowledgmentsTheReplyCounts(t *testing.T) {
	s := server(splunktest.Options{UseACK: true, NoAcks: true})
	if r := send(t, made(t, s, config.FluentBit, "channel "+token), sinktest.Record("a", 1)); r.Verdict != sink.Done || r.Err != nil {
		t.Errorf("got %+v", r)
	}
}

func TestTheURLsOfTheDialects(t *testing.T) {
	for _, c := range []struct {
		d                config.Dialect
		lines, want, ack string
	}{
		{config.FluentBit, "splunk_token t\ntls on\nhost h", "https://h:8088/services/collector/event", "/services/collector/ack"},
		{config.FluentBit, "splunk_token t\nport 80\nhost h\nauto_extract_timestamp on", "http://h/services/collector/event?auto_extract_timestamp=true", "/services/collector/ack"},
		{config.Fluentd, "hec_token t\nhec_host h", "https://h:8088/services/collector", "/services/collector/ack"},
		{config.Fluentd, "hec_token t\nfull_url https://h/in/\nhec_endpoint /services/collector/event/1.0", "https://h/in/services/collector/event/1.0", "/in/services/collector/ack"},
	} {
		u, err := sinktest.Bind[Options](t, c.d, c.lines).url(c.d)
		if err != nil || u.String() != c.want || ackPath(u.Path) != c.ack {
			t.Errorf("%s: got %v, %v; want %s", c.lines, u, err, c.want)
		}
	}
}

func TestWrongOptionsAreReported(t *testing.T) {
	for lines, want := range map[string]string{
		"": "splunk_token", "splunk_token t\nevent_key log": "event_key", "splunk_token t\nevent_field a $b[": "event_field", "splunk_token t\nhost a/b": "host", "splunk_token t\nevent_host ${x": "event_host",
	} {
		if _, errs := sinktest.TryBind[Options](t, config.FluentBit, lines); len(errs) != 1 || !strings.Contains(errs[0].Text, want) {
			t.Errorf("%q: got %v, want one error about %s", lines, errs, want)
		}
	}
	for lines, want := range map[string]string{
		"hec_host h": "hec_token", "hec_token t": "hec_host", "hec_token t\nhec_host h\nhost a\nhost_key b": "host_key", "hec_token t\nhec_host h\ndata_type metric": "data_type",
	} {
		if _, errs := sinktest.TryBind[Options](t, config.Fluentd, lines); len(errs) != 1 || !strings.Contains(errs[0].Text, want) {
			t.Errorf("%q: got %v, want one error about %s", lines, errs, want)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for d, lines := range map[config.Dialect]string{
		config.FluentBit: "event_host $host\nevent_source $TAG\nevent_index_key $index\nevent_field a $log",
		config.Fluentd:   "source_key host\nindex main\nsourcetype ${tag}",
	} {
		dest, body := made(t, http.NotFoundHandler(), d, lines), make([]byte, 0, 1<<12)
		r := sinktest.Record("web-firelens-0123456789abcdef0123456789abcdef", 1, "log", strings.Repeat("a line of a log ", 8), "host", "h", "index", "main")
		if n := testing.AllocsPerRun(100, func() { body, _ = dest.Append(body[:0], r) }); n > 0 {
			t.Errorf("%v: got %v allocations a record", d, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	d, body := made(b, http.NotFoundHandler(), config.FluentBit, "event_host $host\nevent_source $TAG\nevent_index main"), make([]byte, 0, 1<<12)
	r := sinktest.Record("web-firelens-0123456789abcdef0123456789abcdef", 1, "log", strings.Repeat("a line of a log ", 8), "host", "h")
	b.ReportAllocs()
	for b.Loop() {
		body, _ = d.Append(body[:0], r)
	}
	b.SetBytes(int64(len(body)))
}

func FuzzTheCollectorsReplyCantPanic(f *testing.F) {
	f.Add(400, []byte(`{"text":"Invalid data format","code":6,"invalid-event-number":1}`))
	f.Add(503, []byte(`{"text":"Server is busy","code":9,"invalid-event-number":9223372036854775807}`))
	f.Add(200, []byte(`{"ackId":-1}`))
	var fault atomic.Pointer[webtest.Fault]
	s := server(splunktest.Options{Options: webtest.Options{Request: func(int, *http.Request) webtest.Fault { return *fault.Load() }}})
	d := made(f, s, config.FluentBit, "event_index_key $i")
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 300 || status > 999 {
			return
		}
		fault.Store(&webtest.Fault{Status: status, Body: string(body)})
		r := send(t, d, sinktest.Record("a", 1), sinktest.Record("a", 2))
		last := -1
		for _, i := range r.Items {
			if i.Index <= last || i.Index > 1 {
				t.Errorf("got %+v", r)
			}
			last = i.Index
		}
	})
}
