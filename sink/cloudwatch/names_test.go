package cloudwatch

import (
	"net/http"
	"strings"
	"testing"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/sinktest"
)

// task1 is a record of a task, with a nested field.
func task1() *sink.Record {
	r := sinktest.Record("web-firelens-abc.stdout", 1, "log", "x", "ecs_cluster", "demo", "ecs_task_arn",
		"arn:aws:ecs:eu-west-1:123456789012:task/demo/abc", "bad", "a b:*é", "empty", "", "g", "/g", "s", "st")
	body := record.AppendMapHeader(nil, 8)
	_, members, _ := record.MapHeader(r.Body)
	body = append(body, members...)
	r.Body = append(record.AppendStr(body, "k8s"), sinktest.Map("pod", "web-1", "ns", "shop")...)
	return r
}

func key(t *testing.T, d *Destination, r *sink.Record) string {
	t.Helper()
	k, err := d.Key([]byte("before "), r)
	if !strings.HasPrefix(string(k), "before ") {
		t.Fatalf("got %q", k)
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return string(k[len("before "):])
}

func TestNamesOfFluentBit(t *testing.T) {
	long := strings.Repeat("é", 300)
	for _, c := range []struct{ group, stream, prefix, groupTemplate, streamTemplate, want string }{
		// Both plugins.
		{"/ecs/web", "web", "", "", "", "/ecs/web:web"},
		{"/ecs/web", "", "from-", "", "", "/ecs/web:from-web-firelens-abc.stdout"},
		{"/ecs/web", "", "", "", "", "/ecs/web:web-firelens-abc.stdout"},
		// The plugin in Go.
		{"/ecs/$(ecs_cluster)", "$(tag)/$(ecs_task_id)", "", "", "", "/ecs/demo:web-firelens-abc.stdout/abc"},
		{"$(ecs_task_arn)", "$(ecs_task_arn)", "", "", "", "arn.aws.ecs.eu-west-1.123456789012.task/demo/abc:arn.aws.ecs.eu-west-1.123456789012.task/demo/abc"},
		{"/$(tag[0])", "$(tag[1])", "", "", "", "/web-firelens-abc:stdout"},
		{"/eks/$(k8s['ns'])/$(k8s['pod'])", "$(k8s[\"pod\"])", "", "", "", "/eks/shop/web-1:web-1"},
		{"/x$(bad)", "x$(bad)", "", "", "", "/xa.b....:xa b..é"},
		{"/x-$(none)", "x$(tag[2])", "", "", "", "fluentbit-default:/fluentbit-default"},
		{"$(empty)", "$(k8s)", "", "", "", "fluentbit-default:/fluentbit-default"},
		{"/x-$(empty)", "$(k8s['none'])", "", "", "", "/x-:/fluentbit-default"},
		{"my group #1", "a:b*c", "", "", "", "my.group.#1:a.b.c"},
		{"/" + long, "x" + long, "", "", "", "/" + strings.Repeat(".", 511) + ":x" + strings.Repeat("é", 255)},
		{"$TAG ${tag} $x", "$TAG", "", "", "", ".TAG...tag...x:$TAG"},
		// The plugin in C.
		{"fallback", "", "from-", "$k8s['ns']-text.$TAG[1]", "$k8s['pod'].$ecs_cluster", "shop-text.stdout:web-1.demo"},
		{"fallback", "", "from-", "$k8s['none']-x", "$none", "fallback:from-web-firelens-abc.stdout"},
		{"fallback", "last", "", "$TAG", "$TAG[5]", "web-firelens-abc.stdout:last"},
		{"fallback", "last", "", "$empty", "$empty", "fallback:last"},
		{"/$(ecs_cluster)", "last", "", "$none", "$ecs_task_id", "/demo:abc"},
	} {
		d := bound(t, config.FluentBit, options(func(o *Options) {
			o.Group, o.Stream, o.StreamPrefix, o.GroupTemplate, o.StreamTmpl = c.group, c.stream, c.prefix, c.groupTemplate, c.streamTemplate
		}))
		for range 2 {
			if got := key(t, d, task1()); got != c.want {
				t.Errorf("%s, %s%s, %s, %s: got %s, want %s", c.group, c.stream, c.prefix, c.groupTemplate, c.streamTemplate, got, c.want)
			}
		}
	}
}

func TestAUUIDIsTheSameForAllRecordsOfAnOutput(t *testing.T) {
	set := func(o *Options) { o.Group, o.Stream = "g", "$(uuid)" }
	one, two := bound(t, config.FluentBit, options(set)), bound(t, config.FluentBit, options(set))
	a, b, c := key(t, one, task1()), key(t, one, line(1)), key(t, two, task1())
	if a != b || a == c || len(a) < 20 {
		t.Errorf("got %s and %s, of another output %s", a, b, c)
	}
}

func TestNamesOfFluentd(t *testing.T) {
	for _, c := range []struct {
		set  func(o *Options)
		want string
	}{
		{func(o *Options) { o.Group, o.Stream = "g", "s" }, "g:s"},
		{func(o *Options) { o.Group, o.Stream = "/ecs/${tag[0]}", "${ecs_cluster}-%Y-%m-%d" }, "/ecs/web-firelens-abc:demo-2023-11-14"},
		{func(o *Options) { o.Group, o.Stream = "g", "100%-${tag[1]}" }, "g:100%-stdout"},
		{func(o *Options) { o.TagAsGroup, o.TagAsStream = true, true }, "web-firelens-abc.stdout:web-firelens-abc.stdout"},
		{func(o *Options) { o.GroupKey, o.StreamKey = "g", "s" }, "/g:st"},
		{func(o *Options) { o.Group, o.StreamKey = "g", "none" }, "error: the record has no value for log_stream_name_key none"},
		{func(o *Options) { o.Group, o.Stream = "${$.k8s.ns}", "$(s)" }, "shop:$(s)"},
		{func(o *Options) { o.Group, o.Stream = "${none}", "s" }, "error: the record has no value for log_group_name"},
	} {
		if got := key(t, bound(t, config.Fluentd, fluentd(c.set)), task1()); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestATaskThatRecordsDoNotNameIsReadFromItsMetadata(t *testing.T) {
	asked := 0
	url := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.URL.Path != "/v4/x/task" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"Cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/prod","TaskARN":"arn:aws:ecs:eu-west-1:123456789012:task/prod/def","Family":"web"}`))
	}))
	t.Setenv("ECS_CONTAINER_METADATA_URI_V4", url+"/v4/x")
	d := bound(t, config.FluentBit, options(func(o *Options) { o.Group, o.Stream = "/ecs/$(ecs_cluster)", "$(ecs_task_id)" }))
	for range 3 {
		if got := key(t, d, line(1)); got != "/ecs/prod:def" {
			t.Errorf("got %s", got)
		}
	}
	if got := key(t, d, task1()); got != "/ecs/demo:abc" || asked != 1 {
		t.Errorf("got %s after %d requests, want the record's task, and one request", got, asked)
	}
}

func TestWithoutMetadataTheDefaultsAreUsedAndItIsAskedForSeldom(t *testing.T) {
	asked := 0
	url := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	t.Setenv("ECS_CONTAINER_METADATA_URI_V4", url)
	d := bound(t, config.FluentBit, options(func(o *Options) { o.Stream = "$(ecs_task_id)" }))
	for range 3 {
		if got := key(t, d, line(1)); got != "/ecs/web:/fluentbit-default" {
			t.Errorf("got %s", got)
		}
	}
	if asked != 1 {
		t.Errorf("got %d requests, want 1", asked)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("$(tag)", "$k8s['ns']", "tag.x", []byte("\x81\xa3log\xa5hello"))
	f.Fuzz(func(t *testing.T, group, template, tag string, body []byte) {
		o := options(func(o *Options) { o.Group, o.StreamTmpl = group, template })
		if o.Check(config.FluentBit) != nil {
			return
		}
		n, err := o.names(config.FluentBit)
		if err != nil {
			t.Fatal(err)
		}
		k, err := n.appendKey(nil, &record.Event{Tag: tag, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		g, s := splitKey(k)
		if len(g) == 0 || len(g) > nameLimit || len(s) == 0 || len(s) > nameLimit || strings.ContainsAny(string(s), ":*") {
			t.Fatalf("got %q and %q", g, s)
		}
	})
}
