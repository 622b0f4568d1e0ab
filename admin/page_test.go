package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/dead"
	"github.com/firelane/firelane/sink/deliver"
)

// A fakeWatched is a router with a fixed status, whose records a test offers.
type fakeWatched struct {
	seeing sync.Mutex // held while See is called
	fakeSource
	viewers chan *router.Viewer
	ended   chan struct{}
	full    bool
}

func newFakeWatched() *fakeWatched {
	return &fakeWatched{viewers: make(chan *router.Viewer, 1), ended: make(chan struct{}, 1)}
}

func (f *fakeWatched) Status() router.Status {
	in, out := fakeSource{}.Accounts()
	return router.Status{Inputs: in, Outputs: []router.OutputStatus{{Account: out[0], Trouble: f.trouble, Delivery: deliver.Stats{
		Gate: deliver.GateFailing, LastError: "connection refused: secret", LastErrorOfItems: true, LastErrorAt: time.Unix(1_700_000_000, 0), BytesSent: 99,
		Queue: buffer.Stats{Bytes: 500, Limit: 1000, Durable: true},
	}}}}
}

func (*fakeWatched) Pipeline() router.Pipeline {
	return router.Pipeline{Dialect: "fluentbit", Files: []string{"f.conf"},
		Inputs: []router.PipelinePart{{ID: "forward.0", Type: "forward"}}, Outputs: []router.PipelinePart{{ID: "es.0", Type: "es", Match: "*"}}}
}

func (*fakeWatched) Refusals() []router.Refusal {
	return []router.Refusal{{Time: time.Unix(1_700_000_000, 0), Output: "es.0", Target: "web", Status: 400, Type: "parsing", Reason: "value 'secret' is no number",
		Tag: "app", Record: []byte(`{"log":"secret"}`)}}
}

func (*fakeWatched) Reloads() int64 { return 3 }

func (f *fakeWatched) Tap(v *router.Viewer) (func(), error) {
	if f.full {
		return nil, router.ErrViewers
	}
	f.viewers <- v
	return func() {
		f.seeing.Lock() // as the router's end waits for a call of See
		defer f.seeing.Unlock()
		select {
		case f.ended <- struct{}{}:
		default:
		}
	}, nil
}

// site is the server with an option http_records.
func site(addr, records string, f *fakeWatched) http.Handler {
	c := Config{Addr: addr, Source: f, Watched: f, Version: "test", Start: time.Now(), Records: records}
	return c.handler()
}

func getFrom(t *testing.T, h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:2020"+path, nil)
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRootIsThePageForBrowsersAndFluentBitsAnswerForOthers(t *testing.T) {
	h := site("127.0.0.1:2020", RecordsLocal, newFakeWatched())
	for accept, html := range map[string]bool{
		"": false, "*/*": false, "application/json": false,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
	} {
		w := getFrom(t, h, "/", "Accept", accept)
		isHTML := strings.HasPrefix(w.Body.String(), "<!doctype html>")
		if w.Code != http.StatusOK || isHTML != html || !html && w.Body.String() != `{"firelane":{"version":"test"}}`+"\n" {
			t.Errorf("Accept %q: got %d %.60q, HTML is %v, want %v", accept, w.Code, w.Body.String(), isHTML, html)
		}
	}
}

// Every file that the page refers to is its own, and there; nothing in it needs what the policy forbids.
func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	h := site("127.0.0.1:2020", RecordsLocal, newFakeWatched())
	entries, err := pageFiles.ReadDir("page")
	if err != nil || len(entries) < 4 {
		t.Fatalf("got %d files and error %v, want the page", len(entries), err)
	}
	used := []string{"index.html"}
	for _, e := range entries {
		path := "/firelane/" + e.Name()
		if e.Name() == "index.html" {
			path = "/"
		}
		w := getFrom(t, h, path, "Accept", "text/html")
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != http.StatusOK || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %d with policy %q, want 200 and a strict policy", path, w.Code, policy)
		}
		text := w.Body.String()
		for _, bad := range regexp.MustCompile(`(?i)//[a-z0-9.-]+\.[a-z]{2,}|\son\w+="|\sstyle="|<style|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|data:`).FindAllString(text, -1) {
			if bad != "//www.w3.org" {
				t.Errorf("%s: got %q, want nothing from elsewhere, no inline script or style, no HTML made of text", path, bad)
			}
		}
		for _, m := range regexp.MustCompile(`["']\.?/(?:firelane/)?([a-z]+\.(?:js|css|svg))["']`).FindAllStringSubmatch(text, -1) {
			used = append(used, m[1])
		}
	}
	for _, e := range entries {
		if !slices.Contains(used, e.Name()) {
			t.Errorf("%s is not used", e.Name())
		}
	}
}

func TestStatusHasWhatThePageShows(t *testing.T) {
	w := getFrom(t, site("127.0.0.1:2020", RecordsLocal, newFakeWatched()), "/api/firelane/status")
	var s Status
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Outputs) != 1 || len(s.Inputs) != 1 || s.Verdict.Kind != "warn" || s.Reloads != 3 || s.Memory == 0 || s.CPU == 0 {
		t.Fatalf("got %+v", s)
	}
	o := s.Outputs[0]
	if o.ID != "es.0" || o.Type != "es" || o.Match != "*" || o.State != "failing" || o.Words != "Requests have failed. 2 records wait." || o.LastError != "connection refused: secret" ||
		o.Account.Delivered != 4 || o.Queue.Bytes != 500 || o.Queue.Limit != 1000 || !o.Queue.Durable || o.SentBytes != 99 {
		t.Errorf("got %+v", o)
	}
	if s.Inputs[0].Account.Received != 10 || s.Inputs[0].Type != "forward" {
		t.Errorf("got %+v", s.Inputs[0])
	}
	if r := s.Refused[0]; r.Why() != "400 parsing: value 'secret' is no number (for web)" || string(r.Record) != `{"log":"secret"}` {
		t.Errorf("got %+v", r)
	}
}

// Whoever can reach a server that isn't on loopback sees no log records, unless the configuration says so.
func TestRecordsAreShownOnlyWhereTheyMayBe(t *testing.T) {
	for _, tt := range []struct {
		addr, option string
		shown        bool
	}{
		{"127.0.0.1:2020", RecordsLocal, true}, {"[::1]:2020", RecordsLocal, true}, {"localhost:2020", RecordsLocal, true},
		{"0.0.0.0:2020", RecordsLocal, false}, {"10.0.0.1:2020", RecordsLocal, false}, {":2020", RecordsLocal, false},
		{"0.0.0.0:2020", RecordsOn, true}, {"127.0.0.1:2020", RecordsOff, false},
	} {
		f := newFakeWatched()
		f.full = true
		h := site(tt.addr, tt.option, f)
		if tt.addr == "10.0.0.1:2020" {
			h = h.(*hostCheck).pages
		}
		for _, path := range []string{"/api/firelane/tail", "/api/firelane/usage"} {
			code := getFrom(t, h, path).Code
			if want := map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusForbidden}[tt.shown]; code != want {
				t.Errorf("%s with http_records %s: %s: got %d, want %d", tt.addr, tt.option, path, code, want)
			}
		}
		if body := getFrom(t, h, "/api/firelane/status").Body.String(); strings.Contains(body, "secret") != tt.shown || strings.Contains(body, "not_shown") == tt.shown {
			t.Errorf("%s with http_records %s: got %s, want the refused record: %v", tt.addr, tt.option, body, tt.shown)
		}
	}
}

// The reason why single records are refused may quote them.
func TestHealthPagesQuoteRecordsOnlyWhereTheyMayBeShown(t *testing.T) {
	f := newFakeWatched()
	f.trouble = "es.0 has delivered nothing for 1m0s: connection refused: secret"
	for addr, shown := range map[string]bool{"127.0.0.1:2020": true, "0.0.0.0:2020": false} {
		h := site(addr, RecordsLocal, f)
		for _, path := range []string{"/api/v1/health/delivery", "/api/v2/health", "/api/firelane/status"} {
			body := getFrom(t, h, path).Body.String()
			if strings.Contains(body, "secret") != shown || !strings.Contains(body, "es.0 has delivered nothing for 1m0s: ") {
				t.Errorf("%s of %s: got %s, want the trouble, and the record: %v", path, addr, body, shown)
			}
		}
	}
}

func TestOtherSitesPagesGetNoAnswer(t *testing.T) {
	f := newFakeWatched()
	f.full = true
	h := site("127.0.0.1:2020", RecordsLocal, f)
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
		if w := getFrom(t, h, "/api/firelane/status", "Sec-Fetch-Site", site); w.Code != want {
			t.Errorf("%s: got %d, want %d", site, w.Code, want)
		}
	}
}

// tailOf opens a live tail of a server, and returns its lines and its viewer.
func tailOf(t *testing.T, query string) (lines *bufio.Scanner, v *router.Viewer, f *fakeWatched, hangUp func()) {
	t.Helper()
	f = newFakeWatched()
	srv := httptest.NewServer(site("127.0.0.1:2020", RecordsLocal, f))
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/api/firelane/tail?"+query, nil)
	type answer struct {
		body io.Reader
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		answers <- answer{body: resp.Body}
	}()
	select {
	case v = <-f.viewers:
	case <-time.After(10 * time.Second):
		t.Fatal("no viewer after 10 s")
	}
	v.See(shown(router.StageOut, "app", `{"log":"the first","level":"error","where":"here","n":5}`))
	a := <-answers
	if a.err != nil {
		t.Fatal(a.err)
	}
	lines = bufio.NewScanner(a.body)
	lines.Buffer(nil, 1<<20)
	return lines, v, f, cancel
}

func shown(stage router.Stage, tag, json string) *router.Shown {
	body, err := record.AppendFromJSON(nil, []byte(json))
	if err != nil {
		panic(err)
	}
	return &router.Shown{Stage: stage, Part: "es.0", Event: &record.Event{Tag: tag, Time: record.Time{Sec: 1_700_000_000, Nsec: 5}, Body: body}}
}

func TestTailSendsRecordsThatItsFilterTakesUntilTheViewerHangsUp(t *testing.T) {
	lines, v, f, hangUp := tailOf(t, "match=app*&text=first&where=level=error&where=$n=5&stage=out,refused&rate=7")
	if v.Records != 7 || !slices.Equal(v.Stages, []router.Stage{router.StageOut, router.StageRefused}) {
		t.Errorf("got %d records a second and stages %v, want 7, out and refused", v.Records, v.Stages)
	}
	for _, other := range []*router.Shown{
		shown(router.StageOut, "web", `{"log":"the first","level":"error","n":5}`),
		shown(router.StageOut, "app", `{"log":"the second","level":"error","n":5}`),
		shown(router.StageOut, "app", `{"log":"the first","level":"info","n":5}`),
		shown(router.StageOut, "app", `{"log":"the first","level":"error","n":6}`),
		shown(router.StageOut, "app", `{"log":"the first"}`),
	} {
		if v.Filter.Takes(other.Event) {
			t.Errorf("got %s for tag %s, want it filtered out", record.AppendJSON(nil, other.Event.Body), other.Event.Tag)
		}
	}
	refused := shown(router.StageRefused, "app", `{"log":"first, refused","level":"error","n":5}`)
	refused.Dead = &dead.Record{Target: "web", Status: 400, Type: "parsing", Reason: "no", Record: &sink.Record{Event: *refused.Event}}
	if ev := refused.Event; !v.Filter.Takes(ev) || !v.Filter.TakesTag(ev.Tag) || !v.Filter.MayTake(ev.Body, ev.Tail) {
		t.Error("got a refused record filtered out, want it taken")
	}
	v.See(refused)
	for _, want := range []string{
		`{"stage":"out","part":"es.0","tag":"app","time":"2023-11-14T22:13:20.000000005Z","record":{"log":"the first","level":"error","where":"here","n":5}}`,
		`{"stage":"refused","part":"es.0","tag":"app","time":"2023-11-14T22:13:20.000000005Z","target":"web","status":400,"type":"parsing","reason":"no","record":{"log":"first, refused","level":"error","n":5}}`,
	} {
		for lines.Scan() && lines.Text() == "{}" { // nothing has happened yet
		}
		if lines.Text() != want {
			t.Fatalf("got %s\nwant %s", lines.Text(), want)
		}
	}
	hangUp()
	select {
	case <-f.ended:
	case <-time.After(10 * time.Second):
		t.Error("the viewer has not ended 10 s after it hung up")
	}
}

func TestTailHoldsALimitedNumberOfBytesAndSaysWhatIsMissing(t *testing.T) {
	tl, err := newTail(nil)
	if err != nil {
		t.Fatal(err)
	}
	large := shown(router.StageOut, "app", `{"log":"`+strings.Repeat("x", 1<<20)+`"}`)
	for range 1000 {
		tl.see(large)
	}
	lines, missed := tl.take(nil)
	if most := maxTailBytes + 5*maxTailValue; len(lines) == 0 || len(lines) > most || 2*len(lines) > tailMemory || missed.Taken == 0 || int(missed.Taken)+strings.Count(string(lines), "\n") != 1000 {
		t.Errorf("got %d bytes and %+v, want at most %d bytes, and 1,000 records together", len(lines), missed, most)
	}
}

// A viewer that takes nothing ends its own stream, and nothing else.
func TestTailEndsWithItsServer(t *testing.T) {
	f := newFakeWatched()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, ln, Config{Addr: ln.Addr().String(), Source: f, Watched: f, Reloader: fakeReloader{}, Start: time.Now()})
	}()
	go func() {
		if resp, err := http.Get("http://" + ln.Addr().String() + "/api/firelane/tail"); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	<-f.viewers
	begin := time.Now()
	cancel()
	if err := <-done; err != nil || time.Since(begin) > endTime-100*time.Millisecond {
		t.Errorf("got %v after %v, want an end at once", err, time.Since(begin))
	}
	<-f.ended
}

func TestWrongRequestsOfATailAreNamed(t *testing.T) {
	for query, want := range map[string]string{
		"stage=up": `stage="up"`, "rate=0": "want 1 to 1000", "rate=x": "want 1 to 1000", "where=level": "FIELD=VALUE", "where==x": "FIELD=VALUE",
		"where=$a[=x": "FIELD=VALUE", strings.Repeat("where=a=b&", maxConditions+1): "at most 10",
	} {
		w := getFrom(t, site("127.0.0.1:2020", RecordsLocal, newFakeWatched()), "/api/firelane/tail?"+query)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want 400 and %s", query, w.Code, w.Body, want)
		}
	}
}

func TestUsageIsCountedByContainerAndFieldWithALimitedNumberOfNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWatched()
		answer := make(chan string)
		go func() {
			answer <- getFrom(t, site("127.0.0.1:2020", RecordsLocal, f), "/api/firelane/usage?seconds=3").Body.String()
		}()
		v := <-f.viewers
		f.seeing.Lock()
		for range 3 {
			v.See(shown(router.StageOut, "app", `{"log":"0123456789","container_name":"/web"}`))
		}
		tailed := shown(router.StageOut, "app", `{"log":"x"}`)
		tailed.Event.Tail, _ = record.AppendFromJSON(nil, []byte(`{"container_name":"/db","ecs_cluster":"c"}`))
		v.See(tailed)
		for n := range 1000 {
			v.See(shown(router.StageOut, "other", `{"key`+strings.Repeat("x", n)+`":1}`))
		}
		f.seeing.Unlock()
		var u Usage
		if err := json.Unmarshal([]byte(<-answer), &u); err != nil {
			t.Fatal(err)
		}
		of := func(list []Share, name string) Share {
			for _, s := range list {
				if s.Name == name {
					return s
				}
			}
			return Share{}
		}
		if got := of(u.Containers, "web"); got.Records != 3 || got.Bytes < 3*30 || u.Seconds != 3 || u.Sampled != 1004 || u.Passed != 1004 {
			t.Errorf("got %+v, want 3 records of web", u)
		}
		if of(u.Containers, "db").Records != 1 || of(u.Containers, "tag other").Records != 1000 {
			t.Errorf("got %+v, want 1 record of db and 1,000 of the tag other", u.Containers)
		}
		sum := int64(0)
		for _, s := range u.Fields {
			sum += s.Records
			if len(s.Name) > maxNameBytes {
				t.Errorf("got a name of %d bytes, want at most %d", len(s.Name), maxNameBytes)
			}
		}
		if len(u.Fields) > maxSharesShown || sum != 3*2+3+1000 {
			t.Errorf("got %d fields of %d records, want at most %d, and 1,009", len(u.Fields), sum, maxSharesShown)
		}
	})
}

func TestASampleTellsALimitedNumberOfNamesApart(t *testing.T) {
	s := newSample()
	for n := range 5 * maxNames {
		s.see(shown(router.StageOut, fmt.Sprint("tag", n), fmt.Sprintf(`{"key%d":1}`, n)))
	}
	if len(s.fields) > maxNames+1 || len(s.containers) > maxNames+1 || s.fields[otherNames].Records != 4*maxNames {
		t.Errorf("got %d fields and %d containers, want %d each, and the others together", len(s.fields), len(s.containers), maxNames)
	}
}

func TestWordsOfAnOutput(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, tt := range []struct {
		gate  deliver.GateState
		a     router.Account
		since time.Duration
		full  int
		want  string
	}{
		{want: "idle: Nothing waits."},
		{a: router.Account{Buffered: 1}, want: "delivering: Delivering. 1 record waits."},
		{gate: deliver.GateFailing, a: router.Account{Buffered: 12345}, since: 14 * time.Minute, full: 1, want: "failing: Requests have failed for 14m0s. 12,345 records wait. The queue is full, so inputs wait."},
		{gate: deliver.GateThrottled, a: router.Account{Buffered: 2}, want: "throttled: The destination has been overloaded: one request is tried at a time. 2 records wait."},
		{gate: deliver.GateUnauthorised, a: router.Account{Buffered: 2}, want: "unauthorised: The destination has refused the credentials. 2 records wait."},
		{a: router.Account{Buffered: 9, Deferred: 3}, want: "waiting: Delivering, but the destination refuses 3 records again and again; these are tried less often."},
	} {
		o := router.OutputStatus{Account: tt.a, Delivery: deliver.Stats{Gate: tt.gate, Queue: buffer.Stats{Waiting: tt.full}}}
		if tt.since > 0 {
			o.Delivery.FailingSince = now.Add(-tt.since)
		}
		if state, words := stateOf(&o, now); state+": "+words != tt.want {
			t.Errorf("got %s: %s\nwant %s", state, words, tt.want)
		}
	}
}
