package ecsmetadata

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/ecs/ecstest"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/record"
)

const (
	taskFields = `"ecs_cluster":"demo","ecs_task_arn":"arn:aws:ecs:eu-west-1:123456789012:task/demo/158d1c8083dd49d6b527399fd6414f5c",` +
		`"ecs_task_definition":"fam:2","ecs_family":"fam","ecs_revision":"2","ecs_task_id":"158d1c8083dd49d6b527399fd6414f5c"`
	placeFields = `"availability_zone":"eu-west-1a","launch_type":"FARGATE","service_name":"web","aws_region":"eu-west-1"`
	webFields   = taskFields + `,"ecs_container_name":"web","ecs_container_image":"` + ecstest.WebImage + `",` + placeFields

	webTag = "web-firelens-" + ecstest.TaskID
	appTag = "app-firelens-" + ecstest.TaskID
)

// A watched is a filter, and what it has told.
type watched struct {
	*filter
	changed chan struct{}
}

func filterOf(t *testing.T, endpoint string) watched {
	t.Helper()
	w := watched{changed: make(chan struct{}, 100)}
	w.filter = newFilter(enrich.Env{Log: zerolog.New(t.Output()), Changed: func() { w.changed <- struct{}{} }}, endpoint)
	t.Cleanup(w.Close)
	return w
}

func (w watched) waitForChange(t *testing.T) {
	t.Helper()
	select {
	case <-w.changed:
	case <-time.After(30 * time.Second):
		t.Fatal("the filter hasn't learnt anything")
	}
}

// with returns a record after the filter for its tag.
func (w watched) with(t *testing.T, tag, js string) string {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	ev := record.Event{Tag: tag, Body: body}
	if !w.ForTag(tag).Apply(&ev, &enrich.Scratch{}) {
		t.Error("the record was dropped")
	}
	return string(record.AppendJSON(nil, ev.Body))
}

func TestRecordsGetWhatTheEndpointSaysAboutTheirContainer(t *testing.T) {
	a := ecstest.New(false)
	defer a.Close()
	f := filterOf(t, a.TaskEndpoint())
	f.Start()
	f.waitForChange(t)
	for _, c := range []struct{ tag, record, want string }{
		{webTag, `{"log":"a"}`, `{"log":"a",` + webFields + `}`},
		{webTag, `{"log":"a","service_name":"mine","ecs_cluster":7}`, `{"log":"a","service_name":"mine","ecs_cluster":7,` +
			strings.NewReplacer(`"ecs_cluster":"demo",`, "", `"service_name":"web",`, "").Replace(webFields) + `}`},
		{"other", `{"container_id":"` + ecstest.WebID + `"}`, `{"container_id":"` + ecstest.WebID + `",` + webFields + `}`},
		{"other", `{"log":"a"}`, `{"log":"a",` + taskFields + `,` + placeFields + `}`},
		{"err.web-firelens-" + ecstest.TaskID, `{"log":"a"}`, `{"log":"a",` + taskFields + `,` + placeFields + `}`},
		{"web-firelens-0123", `{"log":"a"}`, `{"log":"a","ecs_task_id":"0123","ecs_container_name":"web"}`}, // of another task
		{"other", `{"container_id":"4711"}`, `{"container_id":"4711"}`},
	} {
		if got := f.with(t, c.tag, c.record); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.tag, c.record, got, c.want)
		}
	}
}

func TestRecordsGoOnAtOnceWhileTheEndpointIsDownOrSlow(t *testing.T) {
	for name, begin := range map[string]func(a *ecstest.Agent) (end func()){
		"down": func(a *ecstest.Agent) func() { a.SetDown(true); return func() { a.SetDown(false) } },
		"slow": (*ecstest.Agent).Hold,
	} {
		t.Run(name, func(t *testing.T) {
			a := ecstest.New(false)
			defer a.Close()
			end := begin(a)
			f := filterOf(t, a.TaskEndpoint())
			start := time.Now()
			for range 1000 {
				if got, want := f.with(t, webTag, `{}`), `{"ecs_task_id":"`+ecstest.TaskID+`","ecs_container_name":"web"}`; got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("1000 records took %v", took)
			}
			end()
			f.waitForChange(t)
			if got, want := f.with(t, webTag, `{}`), "{"+webFields+"}"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestAContainerThatStartsLaterIsAskedForAgain(t *testing.T) {
	for name, c := range map[string]struct{ tag, record, before, after string }{
		"by its name": {appTag, `{}`, `"ecs_container_name":"app","availability_zone"`, `"ecs_container_image":"app:latest"`},
		"by its id":   {"x", `{"container_id":"` + ecstest.AppID + `"}`, ecstest.AppID + `"}`, `"ecs_container_image":"app:latest"`},
	} {
		t.Run(name, func(t *testing.T) {
			a := ecstest.New(false)
			defer a.Close()
			f := filterOf(t, a.TaskEndpoint())
			f.Start()
			f.waitForChange(t)
			if got := f.with(t, c.tag, c.record); !strings.Contains(got, c.before) {
				t.Errorf("got %s, want %s in it", got, c.before)
			}
			a.Start()
			for !strings.Contains(f.with(t, c.tag, c.record), c.after) {
				f.waitForChange(t)
			}
			asked := a.Requests.Load()
			for range 100 {
				f.with(t, c.tag, c.record)
			}
			if n := a.Requests.Load(); n != asked {
				t.Errorf("got %d requests for what is known", n-asked)
			}
		})
	}
}

func TestClientsCanNotHaveContainersAskedForWithoutEnd(t *testing.T) {
	a := ecstest.New(false)
	defer a.Close()
	f := filterOf(t, a.TaskEndpoint())
	f.Start()
	f.waitForChange(t)
	for n := range 10 * maxContainers {
		f.with(t, fmt.Sprintf("app%d-firelens-%s", n, ecstest.TaskID), `{}`)
		f.with(t, "x", fmt.Sprintf(`{"container_id":"%064d"}`, n))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.wanted) > maxContainers || len(f.now.Load().byID) > 2*maxContainers {
		t.Errorf("got %d containers to ask for and %d ids, want at most %d", len(f.wanted), len(f.now.Load().byID), maxContainers)
	}
	if n := a.Requests.Load(); n > 2 {
		t.Errorf("got %d requests within a moment, want at most 2", n)
	}
}

func TestAReplyThatIsNoMetadataChangesNothing(t *testing.T) {
	for name, reply := range map[string]string{
		"large": `{"Cluster":"` + strings.Repeat("x", maxReply) + `"}`, "no JSON": "<html>", "no ARN": `{"Cluster":"demo","TaskARN":"demo"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, reply) }))
			defer s.Close()
			f := filterOf(t, s.URL)
			if got, err := f.get(t.Context()); err == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}

func TestValuesThatAreLongOrHaveControlCharactersAreLeftOut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"TaskARN":"arn:aws:ecs:eu-west-1:1:task/demo/1","Cluster":"a\nb","ServiceName":%q,"LaunchType":"EC2"}`, strings.Repeat("x", maxValue+1))
	}))
	defer s.Close()
	f := filterOf(t, s.URL)
	f.Start()
	f.waitForChange(t)
	if got, want := f.with(t, "x", `{}`), `{"ecs_task_arn":"arn:aws:ecs:eu-west-1:1:task/demo/1","ecs_task_id":"1","launch_type":"EC2","aws_region":"eu-west-1"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOutsideOfECSOneLineSaysSo(t *testing.T) {
	var log strings.Builder
	f := newFilter(enrich.Env{Log: zerolog.New(&log)}, "")
	defer f.Close()
	f.ForTag(webTag)
	f.ForTag(appTag)
	if n := strings.Count(log.String(), endpointVariable+" is not set"); n != 1 {
		t.Errorf("got %d lines, want 1: %s", n, log.String())
	}
}

func TestCloseEndsARequestInProgress(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	a := ecstest.New(false)
	defer a.Close()
	defer a.Hold()()
	f := newFilter(enrich.Env{Log: zerolog.Nop()}, a.TaskEndpoint())
	f.Start()
	begin := time.Now()
	f.Close()
	f.Start() // begins nothing any more
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestTheFilterKeepsTheContract(t *testing.T) {
	a := ecstest.New(false)
	defer a.Close()
	steptest.Run(t, func() enrich.Stage { return newFilter(enrich.Env{Log: zerolog.Nop()}, a.TaskEndpoint()) })
}

func TestAddingAllocatesNothing(t *testing.T) {
	a := ecstest.New(false)
	defer a.Close()
	f := filterOf(t, a.TaskEndpoint())
	f.Start()
	f.waitForChange(t)
	for _, id := range []string{ecstest.WebID, strings.Repeat("0", 64)} {
		body := record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "container_id"), id)
		for _, tag := range []string{webTag, "other"} {
			of, scratch, ev := f.ForTag(tag), &enrich.Scratch{}, record.Event{}
			if n := testing.AllocsPerRun(100, func() {
				scratch.Reset()
				ev = record.Event{Tag: tag, Body: body}
				of.Apply(&ev, scratch)
			}); n != 0 {
				t.Errorf("%s: got %v allocations, want none", tag, n)
			}
		}
	}
}
