package loki

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/loki/lokitest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// now is the servers' time, a little after that of sinktest's records.
func now() time.Time { return time.Unix(1_700_000_060, 0) }

// serve runs a server, and returns it and what a section of Fluent Bit says to reach it.
func serve(t *testing.T, o lokitest.Options) (*lokitest.Server, string) {
	t.Helper()
	if o.Now == nil {
		o.Now = now
	}
	s := lokitest.New(o)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	host, port, _ := net.SplitHostPort(h.Listener.Addr().String())
	return s, fmt.Sprintf("host %s\nport %s\n", host, port)
}

// loki makes the destination that a section describes.
func loki(t testing.TB, d config.Dialect, text string) *Destination {
	t.Helper()
	dest, err := New(sinktest.Options[Options](t, d, text), d, sink.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dest.Close() })
	return dest.(*Destination)
}

// event is a record with these members, as JSON, at a time relative to sinktest's.
func event(t testing.TB, offset time.Duration, js string) *sink.Record {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	at := now().Add(offset)
	return &sink.Record{Event: record.Event{Tag: "app-firelens-1", Time: record.Time{Sec: uint32(at.Unix()), Nsec: uint32(at.Nanosecond())}, Body: body}}
}

func encode(t testing.TB, d sink.Destination, records ...*sink.Record) *sink.Request {
	t.Helper()
	req, err := sinktest.Encode(d, records...)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestContract(t *testing.T) {
	sinktest.Run(t, sinktest.Case{
		New: func(t *testing.T) sink.Destination {
			_, where := serve(t, lokitest.Options{})
			d, err := New(sinktest.Options[Options](t, config.FluentBit, where+"labels job=x, $stream\nremove_keys $a['b']"), config.FluentBit, sink.Env{})
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
		Broken: func(t *testing.T) sink.Destination {
			stop := make(chan struct{})
			h := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-stop:
				case <-r.Context().Done():
				}
			}))
			t.Cleanup(func() { close(stop); h.Close() })
			host, port, _ := net.SplitHostPort(h.Listener.Addr().String())
			d, err := New(sinktest.Options[Options](t, config.FluentBit, "host "+host+"\nport "+port), config.FluentBit, sink.Env{})
			if err != nil {
				t.Fatal(err)
			}
			return d
		},
	})
}

const sample = `{"key":1,"sub":{"stream":"stdout","id":"some id"},"kubernetes":{"labels":{"team":"Santiago Wanderers","1st.x":"y"}},"n":null}`

func TestLabelsAndLinesAreThoseOfTheDialect(t *testing.T) {
	file := t.TempDir() + "/map.json"
	if err := os.WriteFile(file, []byte(`{"sub":{"stream":"out"},"key":"k"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dialect                 config.Dialect
		options, record         string
		labels, line, metadata_ string
	}{
		{config.FluentBit, "", `{"log":"a"}`, `{job="fluent-bit"}`, `{"log":"a"}`, ""},
		{config.FluentBit, "labels job=fluentbit, $sub['stream']", sample, `{job="fluentbit", sub_stream="stdout"}`,
			`{"key":1,"sub":{"id":"some id"},"kubernetes":{"labels":{"team":"Santiago Wanderers","1st.x":"y"}},"n":null}`, ""},
		{config.FluentBit, "labels job=fluentbit, mystream=$sub['stream'], k-8=$key\nremove_keys kubernetes,n,$sub", sample, `{job="fluentbit", k_8="1", mystream="stdout"}`, `{}`, ""},
		{config.FluentBit, "label_keys $sub['stream'],$key,$missing\nremove_keys kubernetes,n", sample, `{key="1", sub_stream="stdout"}`, `{"sub":{"id":"some id"}}`, ""},
		{config.FluentBit, "label_map_path " + file + "\nremove_keys kubernetes", sample, `{k="1", out="stdout"}`, `{"sub":{"id":"some id"},"n":null}`, ""},
		{config.FluentBit, "auto_kubernetes_labels on\nlabels job=a,team=b\nremove_keys kubernetes,sub", sample, `{_1st_x="y", job="a", team="Santiago Wanderers"}`, `{"key":1,"n":null}`, ""},
		{config.FluentBit, "labels a=$x,a=$y", `{"x":"1"}`, `{a="1"}`, `{}`, ""},
		{config.FluentBit, "labels a=$x,a=$y", `{"x":"1","y":"2"}`, `{a="2"}`, `{}`, ""},
		{config.FluentBit, "labels tag=$TAG,t=$TAG[0]", `{"log":"a"}`, `{t="app-firelens-1", tag="app-firelens-1"}`, `{"log":"a"}`, ""},
		{config.FluentBit, "labels v=$v", `{"v":"a\"b\\c\n\u0001é","log":"x"}`, `{v="a\"b\\c\n\x01é"}`, `{"log":"x"}`, ""},
		{config.FluentBit, "labels job=a\nstructured_metadata trace=$trace,app=web,$x['y']\nstructured_metadata_map_keys $meta", `{"trace":"t1","x":{"y":true},"meta":{"a-b":"c","app":"no","n":[1]},"log":"l"}`,
			`{job="a"}`, `{"x":{},"log":"l"}`, "a_b=c,n=[1],trace=t1,app=web,x_y=true"},
		{config.FluentBit, "drop_single_key on", `{"log":"a \"b\""}`, `{job="fluent-bit"}`, `"a \"b\""`, ""},
		{config.FluentBit, "drop_single_key raw", `{"log":"a \"b\""}`, `{job="fluent-bit"}`, `a "b"`, ""},
		{config.FluentBit, "drop_single_key raw\nlabels s=$s", `{"log":{"a":1},"s":"x"}`, `{s="x"}`, `{"a":1}`, ""},
		{config.FluentBit, "drop_single_key raw", `{"log":"a","b":1}`, `{job="fluent-bit"}`, `{"log":"a","b":1}`, ""},
		{config.FluentBit, "line_format key_value", `{"log":"a b","n":1,"f":1.5,"w":2.0,"t":true,"z":null,"l":[1,"x"],"m":{"a":1,"b":"c"}}`, `{job="fluent-bit"}`,
			`log="a b" n=1 f=1.5 w=2.0 t=true z=null l="[1 "x"]" m="map[a:1 b:"c"]"`, ""},
		{config.FluentBit, "line_format key_value\ndrop_single_key on", `{"log":"a b"}`, `{job="fluent-bit"}`, `a b`, ""},
		{config.FluentBit, "line_format key_value\ndrop_single_key on", `{"log":7}`, `{job="fluent-bit"}`, `7`, ""},
		{config.Fluentd, "url http://h", `{"log":"a b","n":1,"q":"say \"x\\y\"","e":"a=b","z":null}`, `{job="fluentd"}`, `log="a b" n=1 q="say \"x\\y\"" e="a=b" z=`, ""},
		{config.Fluentd, `extra_labels {"env":"prod","n":1}` + "\n<label>\nfluentd_worker\nteam $.kubernetes.labels.team\n</label>\nremove_keys n,sub,kubernetes", `{"fluentd_worker":"w","key":1,"kubernetes":{"labels":{"team":"t"}},"n":1,"sub":2}`,
			`{env="prod", fluentd_worker="w", team="t"}`, `key=1`, ""},
		{config.Fluentd, "line_format json\ndrop_single_key true", `{"log":"a b"}`, `{job="fluentd"}`, `a b`, ""},
		{config.Fluentd, "line_format json\nextract_kubernetes_labels true\nremove_keys kubernetes", `{"log":"a","kubernetes":{"labels":{"a.b/c-d":"x"}}}`, `{a_b_c_d="x"}`, `{"log":"a"}`, ""},
	} {
		d := loki(t, tt.dialect, tt.options)
		req := encode(t, d, event(t, 0, tt.record))
		if got := string(req.Keys[0]); got != tt.labels {
			t.Errorf("%s %s: got labels %s, want %s", tt.options, tt.record, got, tt.labels)
		}
		streams := lokitest.Decode(t, groupAndEncode(req))
		if got := streams[0].Line; got != tt.line {
			t.Errorf("%s %s: got line\n%s, want\n%s", tt.options, tt.record, got, tt.line)
		}
		if got := streams[0].Metadata; got != tt.metadata_ {
			t.Errorf("%s %s: got metadata %s, want %s", tt.options, tt.record, got, tt.metadata_)
		}
	}
}

func groupAndEncode(req *sink.Request) []byte {
	t := groupByTenant(req)
	return new(body).encode(req, &t[0])
}

func TestEntriesArriveOnceHoweverOftenTheyAreSent(t *testing.T) {
	s, where := serve(t, lokitest.Options{})
	d := loki(t, config.FluentBit, where+"labels app=$app")
	req := encode(t, d, event(t, time.Second, `{"app":"a","log":"2"}`), event(t, 0, `{"app":"a","log":"1"}`), event(t, 0, `{"app":"b","log":"3"}`))
	for range 2 {
		if r := d.Send(t.Context(), req); r.Verdict != sink.Done || r.Err != nil || r.Status != 204 {
			t.Fatalf("got %+v, want done", r)
		}
	}
	want := []lokitest.Entry{
		{Labels: `{app="a"}`, Time: now().UTC(), Line: `{"log":"1"}`},
		{Labels: `{app="a"}`, Time: now().Add(time.Second).UTC(), Line: `{"log":"2"}`},
		{Labels: `{app="b"}`, Time: now().UTC(), Line: `{"log":"3"}`},
	}
	if got := s.Entries(); !slices.Equal(got, want) {
		t.Errorf("got\n%v, want\n%v", got, want)
	}
}

func TestTenantsAreSentApart(t *testing.T) {
	s, where := serve(t, lokitest.Options{Tenants: true, User: "u", Pass: "p"})
	d := loki(t, config.FluentBit, where+"tenant_id_key $tenant\ntenant_id main\nhttp_user u\nhttp_passwd p\nremove_keys tenant")
	req := encode(t, d, event(t, 0, `{"tenant":"a","log":"1"}`), event(t, 0, `{"log":"2"}`), event(t, 0, `{"tenant":"a","log":"3"}`))
	if r := d.Send(t.Context(), req); r.Verdict != sink.Done || len(r.Items) > 0 {
		t.Fatalf("got %+v, want done", r)
	}
	var got []string
	for _, e := range s.Entries() {
		got = append(got, e.Tenant+e.Line)
	}
	if want := []string{`a{"log":"1"}`, `a{"log":"3"}`, `main{"log":"2"}`}; !slices.Equal(got, want) || s.Requests() != 2 {
		t.Errorf("got %q in %d requests, want %q in 2", got, s.Requests(), want)
	}
	req = encode(t, loki(t, config.Fluentd, "tenant ${tag}-${$.k.team}"), event(t, 0, `{"k":{"team":"t"}}`))
	if got, want := string(req.Keys[0]), `app-firelens-1-t{job="fluentd"}`; got != want {
		t.Errorf("a tenant with placeholders: got %s, want %s", got, want)
	}
	if _, err := sinktest.Encode(d, event(t, 0, `{"tenant":"a{b","log":"1"}`)); err == nil {
		t.Error("a tenant with a brace: got no error")
	}
}

func TestAProblemOfOneTenantIsNotThatOfAnother(t *testing.T) {
	s, where := serve(t, lokitest.Options{Fault: func(_ int, r *http.Request) (int, string, http.Header) {
		if r.Header.Get("X-Scope-OrgID") == "a" {
			return 429, "ingestion rate limit exceeded for user a", http.Header{"Retry-After": {"7"}}
		}
		return 0, "", nil
	}})
	d := loki(t, config.FluentBit, where+"tenant_id_key tenant")
	r := d.Send(t.Context(), encode(t, d, event(t, 0, `{"tenant":"a"}`), event(t, 0, `{"tenant":"b"}`), event(t, 0, `{"tenant":"a"}`)))
	if r.Verdict != sink.Again || r.Cause != sink.Throttled || r.RetryAfter != 7*time.Second || len(r.Items) != 1 || r.Items[0].Index != 1 || r.Items[0].Verdict != sink.Done {
		t.Errorf("got %+v, want again for a and done for b", r)
	}
	if len(s.Entries()) != 1 {
		t.Errorf("got %d entries, want 1", len(s.Entries()))
	}
}

func TestCredentialsAndHeadersAreSent(t *testing.T) {
	var got http.Header
	_, where := serve(t, lokitest.Options{Fault: func(_ int, r *http.Request) (int, string, http.Header) { got = r.Header; return 0, "", nil }})
	host, port, _ := strings.Cut(strings.TrimPrefix(where, "host "), "\nport ")
	token := t.TempDir() + "/token"
	if err := os.WriteFile(token, []byte("t2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := "url http://" + host + ":" + strings.TrimSpace(port) + "\n"
	for _, tt := range []struct {
		dialect                      config.Dialect
		options, auth, tenant, extra string
	}{
		{config.FluentBit, where + "tenant_id t\nbearer_token abc\nheader X-A b c", "Bearer abc", "t", "b c"},
		{config.FluentBit, where + "http_user u\nhttp_passwd p\nbearer_token abc", "Basic dTpw", "", ""},
		{config.Fluentd, base + "tenant t\nusername u\npassword p\n" + `custom_headers {"X-A":"b"}`, "Basic dTpw", "t", "b"},
		{config.Fluentd, base + "bearer_token_file " + token, "Bearer t2", "", ""},
	} {
		d := loki(t, tt.dialect, tt.options)
		if r := d.Send(t.Context(), encode(t, d, event(t, 0, `{"log":"x"}`))); r.Verdict != sink.Done {
			t.Fatalf("%s: got %+v, want done", tt.options, r)
		}
		if a, tenant, x := got.Get("Authorization"), got.Get("X-Scope-OrgID"), got.Get("X-A"); a != tt.auth || tenant != tt.tenant || x != tt.extra {
			t.Errorf("%s: got %q, %q, %q; want %q, %q, %q", tt.options, a, tenant, x, tt.auth, tt.tenant, tt.extra)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, options := range map[string]string{
		"json":     "labels job=fluentbit, $container_name",
		"nested":   "labels job=fluentbit, $container_name\nremove_keys $a['b']\nstructured_metadata id=$container_id",
		"pairs":    "line_format key_value\nlabels app=$container_name",
		"dropping": "drop_single_key raw\nlabel_keys $container_name,$container_id,$source,$ecs_cluster,$ecs_task_arn,$ecs_task_definition",
	} {
		b.Run(name, func(b *testing.B) {
			d := loki(b, config.FluentBit, options)
			r := sinktest.Record("app", 1, "log", strings.Repeat("a line of a log ", 12), "source", "stdout", "container_name", "/ecs-web-1-web-abc", "container_id", "0123456789abcdef0123456789abcdef",
				"ecs_cluster", "demo", "ecs_task_arn", "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef", "ecs_task_definition", "web:7")
			var body, key []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if key, err = d.Key(key[:0], r); err != nil {
					b.Fatal(err)
				}
				if body, err = d.Append(body[:0], r); err != nil {
					b.Fatal(err)
				}
			}
			if n := testing.AllocsPerRun(100, func() {
				key, _ = d.Key(key[:0], r)
				body, _ = d.Append(body[:0], r)
			}); n != 0 {
				b.Errorf("got %v allocations a record, want none", n)
			}
		})
	}
}
