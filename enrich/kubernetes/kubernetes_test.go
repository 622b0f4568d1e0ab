package kubernetes

import (
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/enrich/kubernetes/kubetest"
	"github.com/firelane/firelane/enrich/steptest"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/record"
)

var (
	id      = strings.Repeat("a", 64)
	tag     = "kube.var.log.containers.web-5d4b8c7f9-abcde_shop_nginx-" + id + ".log"
	parsers = []config.Instance{
		{Name: "regex", ID: "mine", Options: &parse.Options{Name: "mine", Format: "regex", Regex: `^(?<lvl>\w+) (?<msg>.*)$`}},
		{Name: "regex", ID: "tag", Options: &parse.Options{Name: "tag", Format: "regex", Regex: `^(?<namespace_name>[^.]+)\.(?<pod_name>[^.]+)$`}},
	}
)

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func filterOf(t *testing.T, o Options, url string) enrich.Filter {
	t.Helper()
	if o.URL = url; o.TagPrefix == "" {
		o.TagPrefix = "kube.var.log.containers."
	}
	o.TokenFile, o.BufferSize, o.MergeTrim = file(t, kubetest.Token+"\n"), 32<<10, true
	f, err := New(&o, config.FluentBit, enrich.Env{Log: zerolog.Nop(), Parsers: parsers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.(enrich.Closer).Close)
	return f
}

// made is what a filter makes of a record, "" if it drops it.
func made(t *testing.T, f enrich.Filter, tag, js string) string {
	t.Helper()
	body, err := record.AppendFromJSON(nil, []byte(js))
	if err != nil {
		t.Fatal(err)
	}
	ev := record.Event{Tag: tag, Body: body}
	if !f.Apply(&ev, &enrich.Scratch{}) {
		return ""
	}
	return string(record.AppendJSON(nil, ev.Body))
}

const (
	line  = `{"log":"{\"a\":1,\"m\":\"x\\n\",\"n\":\"line\\n\\n\"}\n","stream":"stdout"}`
	plain = `{"log":"INFO plain text\n","stream":"stderr"}`
)

// The expected records are those of Fluent Bit 5.1.1, with a server that gave the same answers.
func TestPodsAreDescribedAsFluentBitDoes(t *testing.T) {
	s := kubetest.New(false)
	defer s.Close()
	head, tail := `"kubernetes":{"pod_name":"web-5d4b8c7f9-abcde","namespace_name":"shop","pod_id":"11111111-2222-3333-4444-555555555555",`,
		`"host":"node-1","pod_ip":"10.1.2.3","container_name":"nginx","docker_id":"`+id+`","container_hash":"nginx@sha256:bbbb","container_image":"docker.io/library/nginx:1.25"}`
	notes := `"labels":{"app":"web"},"annotations":{"fluentbit.io/parser":"mine","fluentbit.io/exclude_stderr-nginx":"true"},`
	for _, c := range []struct {
		name     string
		o        Options
		in, want string
	}{
		{"merge", Options{MergeLog: true, KeepLog: true, Labels: true, Annotations: true}, line,
			`{"log":"{\"a\":1,\"m\":\"x\\n\",\"n\":\"line\\n\\n\"}\n","stream":"stdout","a":1,"m":"x","n":"line",` + head + notes + tail + "}"},
		{"no JSON", Options{MergeLog: true, Labels: true, Annotations: true}, plain, plain[:len(plain)-1] + `,` + head + notes + tail + "}"},
		{"under a key, the namespace", Options{MergeLog: true, MergeLogKey: "parsed", Owners: true, NSLabels: true, NSNotes: true}, line,
			`{"stream":"stdout","parsed":{"a":1,"m":"x","n":"line"},` + head + `"ownerReferences":[{"kind":"ReplicaSet","name":"web-5d4b8c7f9","controller":true}],` + tail +
				`,"kubernetes_namespace":{"name":"shop","labels":{"team":"a"},"annotations":{"an":"b"}}}`},
		{"the namespace only", Options{NSOnly: true, NSLabels: true}, plain, plain[:len(plain)-1] + `,"kubernetes_namespace":{"name":"shop","labels":{"team":"a"}}}`},
		{"excluded", Options{AllowExclude: true}, plain, ""},
		{"the pod's parser", Options{AllowParser: true, MergeLog: true}, `{"log":"INFO text","kubernetes":1}`, `{"lvl":"INFO","msg":"text",` + head + tail + "}"},
		{"the tag's fields", Options{UseTag: true, MergeLog: true}, `{"log":{"k":"v\n"},"k":1}`,
			`{"k":"v\n","kubernetes":{"pod_name":"web-5d4b8c7f9-abcde","namespace_name":"shop","container_name":"nginx","docker_id":"` + id + `"}}`},
	} {
		f := filterOf(t, c.o, s.URL)
		if got := made(t, f, tag, c.in); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if got := made(t, f, "app-firelens-1", line); got != line {
			t.Errorf("%s: got %s for a tag that names no pod, want the record as it was", c.name, got)
		}
	}
}

func TestTheTagMayHaveAParserOfItsOwn(t *testing.T) {
	s := kubetest.New(false)
	defer s.Close()
	f := filterOf(t, Options{RegexParser: "tag", TagPrefix: "k.", UseTag: true}, s.URL)
	if got := made(t, f, "k.shop.web", `{}`); got != `{"kubernetes":{"pod_name":"web","namespace_name":"shop"}}` {
		t.Errorf("got %s", got)
	}
	if _, err := New(&Options{URL: s.URL, RegexParser: "none"}, config.FluentBit, enrich.Env{}); err == nil || !strings.HasPrefix(err.Error(), "regex_parser: ") {
		t.Errorf("got %v for a parser that isn't there, want an error", err)
	}
}

func TestTheKubeletAndFilesMayBeAskedInstead(t *testing.T) {
	s := kubetest.New(true)
	defer s.Close()
	host, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	o := Options{Kubelet: true, KubeletHost: host, Verify: true, CAFile: ca}
	o.KubeletPort, _ = strconv.Atoi(port)
	if got := made(t, filterOf(t, o, "https://unused.invalid"), tag, `{}`); !strings.Contains(got, `"pod_ip":"10.1.2.3"`) {
		t.Errorf("kubelet: got %s", got)
	}
	if got := made(t, filterOf(t, Options{Verify: true, CAFile: ca}, s.URL), tag, `{}`); !strings.Contains(got, `"pod_ip":"10.1.2.3"`) {
		t.Errorf("TLS: got %s", got)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop_web-5d4b8c7f9-abcde.meta"), []byte(kubetest.Pod), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := made(t, filterOf(t, Options{PreloadDir: dir}, "http://unused.invalid"), tag, `{}`); !strings.Contains(got, `"pod_ip":"10.1.2.3"`) {
		t.Errorf("files: got %s", got)
	}
}

func TestWithoutAServerRecordsGoOnAndAreMerged(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := kubetest.New(false)
	s.Hang.Store(true)
	f := filterOf(t, Options{MergeLog: true, MergeParser: "mine"}, s.URL)
	begin := time.Now()
	for n := range 1000 {
		got := made(t, f, strings.Replace(tag, "abcde", strconv.Itoa(n), 1), plain)
		if want := `{"stream":"stderr","lvl":"INFO","msg":"plain text"}`; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	if took := time.Since(begin); took > 2*firstWait {
		t.Errorf("1000 pods took %v", took)
	}
	f.(enrich.Closer).Close()
	s.CloseClientConnections()
	s.Close()
}

func TestTagsOfClientsReachNoOtherPath(t *testing.T) {
	s := kubetest.New(false)
	defer s.Close()
	f := filterOf(t, Options{RegexParser: "tag", TagPrefix: "k."}, s.URL)
	for _, tag := range []string{"k./../x.y", "k.a?b=c.y", "k.a.%2e%2e", "k.A.y", "k." + strings.Repeat("a", 300) + ".y"} {
		if got := made(t, f, tag, `{}`); got != `{}` {
			t.Errorf("%s: got %s", tag, got)
		}
	}
	if n := s.Requests.Load(); n != 0 {
		t.Errorf("got %d requests, want none", n)
	}
}

func TestTheStepKeepsTheContract(t *testing.T) {
	s := kubetest.New(false)
	defer s.Close()
	token := file(t, kubetest.Token)
	var events []record.Event
	for _, js := range []string{line, plain, `{"log":{"a":{"b":1}}}`, `{"log":"{}"}`} {
		body, err := record.AppendFromJSON(nil, []byte(js))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, record.Event{Tag: tag, Body: body})
	}
	for _, o := range []Options{{MergeLog: true, Labels: true}, {MergeLog: true, MergeLogKey: "log", KeepLog: true}, {TagPrefix: "app.", RegexParser: "mine", MergeLog: true}} {
		o.URL, o.TokenFile, o.BufferSize = s.URL, token, 32<<10
		if o.TagPrefix == "" {
			o.TagPrefix = "kube.var.log.containers."
		}
		steptest.Run(t, func() enrich.Stage {
			f, err := New(&o, config.FluentBit, enrich.Env{Log: zerolog.Nop(), Parsers: parsers})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}, events...)
	}
}

func TestMergingAllocatesNothing(t *testing.T) {
	s := kubetest.New(false)
	defer s.Close()
	f := filterOf(t, Options{MergeLog: true, Labels: true}, s.URL)
	made(t, f, tag, line)
	body, _ := record.AppendFromJSON(nil, []byte(line))
	scratch, ev := &enrich.Scratch{}, record.Event{}
	if n := testing.AllocsPerRun(100, func() {
		scratch.Reset()
		ev = record.Event{Tag: tag, Body: body}
		f.Apply(&ev, scratch)
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
