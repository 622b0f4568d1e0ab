package ecs

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/ecs/ecstest"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/record"
)

var additions = []config.Pair{{Key: "cluster", Value: "$ClusterName"}, {Key: "task", Value: "$TaskID.log"}, {Key: "td", Value: "$TaskDefinitionFamily.$TaskDefinitionVersion"},
	{Key: "name", Value: "$ECSContainerName"}, {Key: "instance", Value: "$ContainerInstanceID"}, {Key: "fixed", Value: "x"}, {Key: "none", Value: "$Nope"}}

func filterOf(t *testing.T, o Options, a *ecstest.Agent, taskEndpoint string) enrich.Filter {
	t.Helper()
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(a.URL, "http://"))
	o.Host, o.Add, o.TTL, o.Retries = host, additions, time.Hour, 2
	o.Port, _ = strconv.Atoi(port)
	f, err := newFilter(&o, enrich.Env{Log: zerolog.Nop()}, taskEndpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.(enrich.Closer).Close)
	return f
}

func added(t *testing.T, f enrich.Filter, tag, js string) string {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	ev := record.Event{Tag: tag, Body: body}
	if !f.Apply(&ev, &enrich.Scratch{}) {
		t.Error("the record was dropped")
	}
	return string(record.AppendJSON(nil, ev.Body))
}

const (
	taskFields    = `"cluster":"demo","task":"158d1c8083dd49d6b527399fd6414f5c.log","td":"fam.2","name":"web"`
	clusterFields = `"cluster":"demo","task":".log","td":".","name":""`
)

// The expected fields are those that Fluent Bit 5.1.1 added, with an agent that gave the same answers.
func TestContainersAreFoundByTheirIDInTheTag(t *testing.T) {
	a := ecstest.New(true)
	defer a.Close()
	f := filterOf(t, Options{TagPrefix: "x."}, a, "")
	if got, want := added(t, f, "x."+ecstest.WebID, `{"log":"a","cluster":"old"}`), `{"log":"a",`+taskFields+`,"instance":"f1a2","fixed":"x","none":""}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := added(t, f, "other", `{"log":"a"}`), `{"log":"a",`+clusterFields+`,"instance":"f1a2","fixed":"x","none":""}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := added(t, f, "web-firelens-1", `{"container_id":"`+ecstest.WebID+`"}`); !strings.Contains(got, taskFields) {
		t.Errorf("got %s, want the container by the record's container_id", got)
	}
	only := filterOf(t, Options{ClusterOnly: true}, a, "")
	if got := added(t, only, ecstest.WebID, `{}`); !strings.HasPrefix(got, `{`+clusterFields) {
		t.Errorf("got %s, want only the cluster", got)
	}
}

func TestOnFargateTheTasksOwnEndpointIsAsked(t *testing.T) {
	a := ecstest.New(false)
	defer a.Close()
	f := filterOf(t, Options{}, a, a.TaskEndpoint())
	for tag, js := range map[string]string{"web-firelens-158d1c80": `{"log":"a"}`, "app": `{"log":"a","container_id":"` + ecstest.WebID + `"}`} {
		if got := added(t, f, tag, js); !strings.Contains(got, taskFields+`,"instance":""`) {
			t.Errorf("%s: got %s", tag, got)
		}
	}
}

func TestAContainerThatStartsLaterIsAskedForAgain(t *testing.T) {
	a := ecstest.New(false)
	defer a.Close()
	f := filterOf(t, Options{}, a, a.TaskEndpoint())
	if got := added(t, f, "app-firelens-1", `{}`); !strings.Contains(got, `"cluster":"demo"`) || !strings.Contains(got, `"name":""`) {
		t.Errorf("got %s, want the cluster's fields", got)
	}
	a.Start()
	for begin := time.Now(); !strings.Contains(added(t, f, "app-firelens-1", `{}`), `"name":"app"`); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the container is still not known")
		}
	}
	asked := a.Requests.Load()
	for range 100 {
		added(t, f, "app-firelens-1", `{}`)
	}
	if a.Requests.Load() != asked {
		t.Error("a container that is known was asked for")
	}
}

func TestWithoutAnAgentRecordsGoOnUnchanged(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	a := ecstest.New(true)
	a.Close()
	f := filterOf(t, Options{}, a, "")
	begin := time.Now()
	for n := range 1000 {
		if got := added(t, f, "app"+strconv.Itoa(n)+"-firelens-1", `{"log":"a"}`); got != `{"log":"a"}` {
			t.Fatalf("got %s", got)
		}
	}
	if took := time.Since(begin); took > 2*firstWait {
		t.Errorf("1000 containers took %v", took)
	}
	f.(enrich.Closer).Close()
}

func TestTheStepKeepsTheContract(t *testing.T) {
	a := ecstest.New(true)
	defer a.Close()
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(a.URL, "http://"))
	n, _ := strconv.Atoi(port)
	steptest.Run(t, func() enrich.Stage {
		f, err := newFilter(&Options{Host: host, Port: n, Add: additions, TTL: time.Hour}, enrich.Env{Log: zerolog.Nop()}, "")
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

func TestAddingAllocatesNothing(t *testing.T) {
	a := ecstest.New(true)
	defer a.Close()
	f := filterOf(t, Options{}, a, "")
	added(t, f, ecstest.WebID, `{}`)
	scratch, ev, body := &enrich.Scratch{}, record.Event{}, record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), "x")
	if n := testing.AllocsPerRun(100, func() {
		scratch.Reset()
		ev = record.Event{Tag: ecstest.WebID, Body: body}
		f.Apply(&ev, scratch)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
