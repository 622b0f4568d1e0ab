package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A fake is a router with the parts that a test gives it.
type fake struct {
	mu    sync.Mutex
	parts []input.Part
	once  bool // each part is there only once
}

func (f *fake) Parts(bool) []input.Part {
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := f.parts
	if f.once {
		f.parts = nil
	}
	return parts
}
func (f *fake) OutputOf(tag string) string { return map[string]string{"app": "es.0"}[tag] }
func (f *fake) About() input.About {
	return input.About{Version: "1.2.3", Config: "/fluentd/etc/fluent.conf"}
}

func (f *fake) Send(_ *testing.T, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parts = append(f.parts, input.Part{ID: text})
}
func (f *fake) Acked(*testing.T) int { return 0 }
func (f *fake) Close()               {}

// asLog gives the ID of a part the name that the promises look for.
type asLog struct{ input.Receiver }

func (r asLog) Add(tag []byte, at record.Time, body []byte) {
	if v, ok := record.Find(body, "plugin_id"); ok {
		body = append(record.AppendStr(record.AppendMapHeader(nil, 1), "log"), v...)
	}
	r.Receiver.Add(tag, at, body)
}

type renamed struct{ input.Input }

func (in renamed) Run(ctx context.Context, receiver func() input.Receiver) error {
	return in.Input.Run(ctx, func() input.Receiver { return asLog{receiver()} })
}

func TestPromises(t *testing.T) {
	inputtest.Run(t, inputtest.Subject{Open: func(t *testing.T) (input.Input, inputtest.Source) {
		f := &fake{once: true}
		in, err := New(&Options{Bind: "127.0.0.1", Tag: "t", Interval: time.Millisecond}, config.Fluentd, input.Env{ID: "monitor_agent.0", Monitor: f})
		if err != nil {
			t.Fatal(err)
		}
		return renamed{in}, f
	}})
}

var parts = []input.Part{
	{Kind: config.KindInput, ID: "forward.0", Type: "forward", Records: 7},
	{Kind: config.KindOutput, ID: "es.0", Type: "elasticsearch", Records: 7, Options: []config.Pair{{Key: "host", Value: "db"}, {Key: "password", Value: "***"}}, Output: &input.OutputPart{
		QueueBytes: 9 << 20, QueueLimit: 90 << 20, Requests: 5, Failed: 2, FailingSince: time.Unix(1_700_000_000, 0),
	}},
	{Kind: config.KindFilter, ID: "g", Type: "grep", Records: 5},
}

// served returns a page of an input with the parts.
func served(t *testing.T, o Options, list []input.Part, method, path string) (status int, kind, body string) {
	t.Helper()
	o.Bind = "127.0.0.1"
	in, err := New(&o, config.Fluentd, input.Env{Monitor: &fake{parts: list}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- in.Run(ctx, func() input.Receiver { return nil }) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		in.Close()
	}()
	req, _ := http.NewRequest(method, "http://"+in.(interface{ Addr() net.Addr }).Addr().String()+path, nil)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
}

const (
	forwardJSON = `{"plugin_id":"forward.0","plugin_category":"input","type":"forward","output_plugin":false,"retry_count":null,"emit_records":7,"emit_size":0}`
	grepJSON    = `{"plugin_id":"g","plugin_category":"filter","type":"grep","output_plugin":false,"retry_count":null,"emit_records":5,"emit_size":0}`
	esJSON      = `{"plugin_id":"es.0","plugin_category":"output","type":"elasticsearch",CONFIG"output_plugin":true,"buffer_queue_length":2,"buffer_timekeys":[],"buffer_total_queued_size":9437184,"retry_count":2,"emit_records":7,"emit_size":0,"write_count":5,"write_secondary_count":0,"rollback_count":2,"slow_flush_count":0,"flush_time_count":0,"drop_oldest_chunk_count":0,"buffer_stage_length":0,"buffer_stage_byte_size":0,"buffer_queue_byte_size":9437184,"buffer_available_buffer_space_ratios":90.0RETRY}`
)

func TestThePagesAreThoseOfFluentd(t *testing.T) {
	plain := strings.NewReplacer("CONFIG", "", "RETRY", "").Replace(esJSON)
	full := strings.NewReplacer("CONFIG", `"config":{"@type":"elasticsearch","@id":"es.0","host":"db","password":"***"},`, "RETRY", `,"retry":{"start":"2023-11-14 22:13:20 +0000"}`).Replace(esJSON)
	for _, c := range []struct {
		opts         Options
		method, path string
		status       int
		body         string
	}{
		{Options{}, "GET", "/api/plugins.json", 200, `{"plugins":[` + forwardJSON + "," + plain + "," + grepJSON + `]}`},
		{Options{}, "GET", "/api/plugins.json?@id=g", 200, `{"plugins":[` + grepJSON + `]}`},
		{Options{}, "GET", "/api/plugins.json?type=forward", 200, `{"plugins":[` + forwardJSON + `]}`},
		{Options{}, "GET", "/api/plugins.json?tag=app", 200, `{"plugins":[` + plain + `]}`},
		{Options{}, "GET", "/api/plugins.json?tag=other", 200, `{"plugins":[]}`},
		{Options{IncludeConfig: true, IncludeRetry: true}, "GET", "/api/plugins.json?id=es.0", 200, `{"plugins":[` + full + `]}`},
		{Options{}, "GET", "/api/plugins?@id=g", 200, "plugin_id:g\tplugin_category:filter\ttype:grep\toutput_plugin:false\tretry_count:\temit_records:5\temit_size:0\n"},
		{Options{}, "GET", "/api/plugins?@id=none", 200, ""},
		{Options{}, "GET", "/api/other", 404, `{"message":"Not found"}`},
		{Options{}, "POST", "/api/plugins.json", 404, `{"message":"Not found"}`},
	} {
		status, _, body := served(t, c.opts, parts, c.method, c.path)
		if status != c.status || body != c.body {
			t.Errorf("%s %s: got %d %s\nwant %d %s", c.method, c.path, status, body, c.status, c.body)
		}
	}
}

func TestThePageOfTheProcess(t *testing.T) {
	_, kind, body := served(t, Options{}, nil, "GET", "/api/config.json")
	var page map[string]any
	if err := json.Unmarshal([]byte(body), &page); err != nil || kind != "application/json" {
		t.Fatalf("got %s %s", kind, body)
	}
	if page["version"] != "1.2.3" || page["config_path"] != "/fluentd/etc/fluent.conf" || page["pid"] == nil {
		t.Errorf("got %s", body)
	}
	if _, kind, body := served(t, Options{}, nil, "GET", "/api/config"); kind != "text/plain" || !strings.Contains(body, "\tversion:1.2.3\t") {
		t.Errorf("got %s %q", kind, body)
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	var many []input.Part
	for n := range 100_000 {
		many = append(many, input.Part{Kind: config.KindInput, ID: fmt.Sprint("tab\tand\nline ", n), Type: "forward"})
	}
	for _, path := range []string{"/api/plugins.json", "/api/plugins"} {
		if status, _, body := served(t, Options{}, many, "GET", path); status != 200 || len(body) > 2*maxAnswer || len(body) < maxAnswer/2 {
			t.Errorf("%s: got %d and %d bytes, want about %d", path, status, len(body), maxAnswer)
		}
	}
}
