package retain

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/retain/retaintest"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/bulk"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// now is the time of the tests; today is the index of that day.
var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

const (
	today  = "web-2026.11.26"
	before = "web-2026.11.25"
	daily  = "firelane_bootstrap On\nfirelane_days 30\nlogstash_format On\nlogstash_prefix web\n"
	stream = "firelane_bootstrap On\nfirelane_days 30\nfirelane_data_stream On\nindex logs-web\n"
)

// to makes a destination of the server at base, configured by lines of Fluent Bit.
func to(t testing.TB, base, lines string) sink.Retainer {
	t.Helper()
	return destination(t, config.FluentBit, base, lines)
}

func destination(t testing.TB, d config.Dialect, base, lines string) sink.Retainer {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	o := sinktest.Bind[bulk.Options](t, d, fmt.Sprintf("host %s\nport %s\n%s", u.Hostname(), u.Port(), lines))
	dest, err := bulk.New(o, d, sink.Env{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dest.Close() })
	return dest.(sink.Retainer)
}

// cluster is a stand-in.
func newCluster(t testing.TB, o retaintest.Options) (*retaintest.Server, string) {
	t.Helper()
	s := retaintest.New(o)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, h.URL
}

// apply is Apply, and its results as lines.
func apply(t testing.TB, r sink.Retainer, dry bool) []string {
	t.Helper()
	results, err := Apply(t.Context(), r, now, dry)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	var lines []string
	for i := range results {
		lines = append(lines, results[i].Line(dry))
	}
	return lines
}

func checkLines(t testing.TB, got []string, want ...string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range got {
		ok = ok && strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// kinds are the servers that the same promises hold for.
var kinds = []struct {
	name string
	retaintest.Options
}{
	{"OpenSearch", retaintest.Options{}},
	{"OpenDistro", retaintest.Options{OldISM: true}},
	{"Elasticsearch", retaintest.Options{Elasticsearch: true}},
	{"Elasticsearch_7.10", retaintest.Options{Elasticsearch: true, NoMeta: true, Version: "7.10.2"}},
	{"a_later_version", retaintest.Options{Odd: true}},
}

func TestTheSecondTimeNothingIsWritten(t *testing.T) {
	for _, lines := range []string{daily, stream, daily + "firelane_shards 3\nfirelane_replicas 0\nfirelane_refresh_interval 5\nfirelane_priority 7\n"} {
		for _, kind := range kinds {
			t.Run(kind.name, func(t *testing.T) {
				s, base := newCluster(t, kind.Options)
				r := to(t, base, lines)
				first := apply(t, r, false)
				for _, line := range first {
					if !strings.HasSuffix(line, ": created") {
						t.Errorf("the first time: %s", line)
					}
				}
				writes := s.Writes()
				if len(writes) < 2 {
					t.Errorf("got the writes %q, want a policy and a template", writes)
				}
				for _, line := range apply(t, r, false) {
					if !strings.HasSuffix(line, ": is there already") {
						t.Errorf("the second time: %s", line)
					}
				}
				if again := s.Writes(); !slices.Equal(again, writes) {
					t.Errorf("the second time it wrote %q", again[len(writes):])
				}
			})
		}
	}
}

func TestTheIndexOfTodayGetsThePolicyAndOlderOnesAreLeftAlone(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s, base := newCluster(t, kind.Options)
			s.AddIndex(today, now)
			s.AddIndex(before, now.AddDate(0, 0, -1))
			apply(t, to(t, base, daily), false)
			if got := s.PolicyOf(today); got != "firelane-web" {
				t.Errorf("the index of today has the policy %q, want firelane-web", got)
			}
			if got := s.PolicyOf(before); got != "" {
				t.Errorf("an older index has the policy %q, want none", got)
			}
			s.AddIndex("web-2026.11.27", now)
			if got := s.PolicyOf("web-2026.11.27"); got != "firelane-web" {
				t.Errorf("a later index has the policy %q, want firelane-web", got)
			}
		})
	}
}

func TestAnIndexWithAnotherPolicyKeepsIt(t *testing.T) {
	for _, o := range []retaintest.Options{{}, {Elasticsearch: true}} {
		s, base := newCluster(t, o)
		other := to(t, base, "firelane_bootstrap On\nfirelane_days 7\nfirelane_priority 5\nlogstash_format On\nlogstash_prefix web\nfirelane_index_pattern we*\n")
		apply(t, other, false)
		s.AddIndex(today, now)
		lines := apply(t, to(t, base, daily), false)
		checkLines(t, lines, "index policy firelane-web: created", "index template firelane-web: created",
			"index policy firelane-web of "+today+": left alone: it has the policy firelane-we")
	}
}

// Where the index's name depends on the record, the indices that were made within a day get the policy.
func TestYoungIndicesOfDynamicNamesGetThePolicy(t *testing.T) {
	s, base := newCluster(t, retaintest.Options{})
	s.AddIndex("web-a-2026.11", now.Add(-time.Hour))
	s.AddIndex("web-b-2026.11", now.Add(-48*time.Hour))
	apply(t, to(t, base, "firelane_bootstrap On\nfirelane_days 30\nindex web-$app-%Y.%m\n"), false)
	if a, b := s.PolicyOf("web-a-2026.11"), s.PolicyOf("web-b-2026.11"); a == "" || b != "" {
		t.Errorf("got the policies %q and %q, want one for the young index", a, b)
	}
}

func TestOptionsThatChangeReplaceWhatFirelaneWrote(t *testing.T) {
	for _, kind := range kinds {
		if kind.NoMeta { // a policy without a marker looks like a person's
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			s, base := newCluster(t, kind.Options)
			apply(t, to(t, base, daily), false)
			lines := apply(t, to(t, base, strings.Replace(daily, "30", "60\nfirelane_shards 2", 1)), false)
			checkLines(t, lines, "index policy firelane-web: updated", "index template firelane-web: updated")
			if text := fmt.Sprint(s.Policy("firelane-web")); !strings.Contains(text, "60d") || strings.Contains(text, "30d") {
				t.Errorf("the policy is %s, want 60d", text)
			}
		})
	}
}

func TestWhatAPersonChangedIsLeftAlone(t *testing.T) {
	for _, kind := range kinds {
		if kind.NoMeta {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			s, base := newCluster(t, kind.Options)
			apply(t, to(t, base, daily), false)
			s.Change("firelane-web", func(body map[string]any) {
				switch {
				case body["phases"] != nil:
					body["phases"].(map[string]any)["delete"].(map[string]any)["min_age"] = "90d"
				case body["states"] != nil:
					body["states"].([]any)[0].(map[string]any)["transitions"].([]any)[0].(map[string]any)["conditions"].(map[string]any)["min_index_age"] = "90d"
				default:
					body["template"].(map[string]any)["settings"].(map[string]any)["index"].(map[string]any)["refresh_interval"] = "30s"
				}
			})
			writes := len(s.Writes())
			for range 2 {
				lines := apply(t, to(t, base, strings.Replace(daily, "30", "60", 1)), false)
				checkLines(t, lines, "index policy firelane-web: left alone: somebody has changed it", "index template firelane-web: left alone: somebody has changed it")
			}
			if n := len(s.Writes()); n != writes {
				t.Errorf("it wrote %q", s.Writes()[writes:])
			}
		})
	}
}

func TestWhatSomebodyElseMadeIsLeftAlone(t *testing.T) {
	_, base := newCluster(t, retaintest.Options{})
	for path, body := range map[string]string{
		"/_index_template/firelane-web":        `{"index_patterns":["web-*"],"priority":100,"template":{"settings":{"number_of_shards":5}}}`,
		"/_plugins/_ism/policies/firelane-web": `{"policy":{"description":"ours","default_state":"a","states":[{"name":"a","actions":[],"transitions":[]}]}}`,
	} {
		if status, answer := request(t, http.MethodPut, base+path, body); status >= 300 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	checkLines(t, apply(t, to(t, base, daily), false), "index policy firelane-web: left alone: it is there, and not firelane's",
		"index template firelane-web: left alone: it is there, and not firelane's")
}

func request(t testing.TB, method, address, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var b bytes.Buffer
	_, _ = b.ReadFrom(resp.Body)
	return resp.StatusCode, b.String()
}

func TestTwoRoutersThatStartAtOnceAgree(t *testing.T) {
	for _, kind := range kinds[:3] {
		s, base := newCluster(t, kind.Options)
		done := make(chan error)
		for range 8 {
			r := to(t, base, daily)
			go func() {
				_, err := Apply(context.Background(), r, now, false)
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil {
				t.Errorf("%s: %v", kind.name, err)
			}
		}
		writes := len(s.Writes())
		for _, line := range apply(t, to(t, base, daily), false) {
			if !strings.HasSuffix(line, "is there already") {
				t.Errorf("%s: %s", kind.name, line)
			}
		}
		if n := len(s.Writes()); n != writes {
			t.Errorf("%s: it wrote %q", kind.name, s.Writes()[writes:])
		}
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	for _, kind := range kinds {
		s, base := newCluster(t, kind.Options)
		s.AddIndex(today, now)
		lines := apply(t, to(t, base, daily), true)
		checkLines(t, lines, "index policy firelane-web: would be created", "index template firelane-web: would be created",
			"index policy firelane-web of "+today+": would be created")
		if w := s.Writes(); len(w) > 0 {
			t.Errorf("%s: it wrote %q", kind.name, w)
		}
	}
}

func TestWithoutPoliciesThereIsATemplate(t *testing.T) {
	for _, o := range []retaintest.Options{{NoPolicies: true}, {NoPolicies: true, Elasticsearch: true}, {NoPolicies: true, Elasticsearch: true, Version: "7.10.2"}} {
		_, base := newCluster(t, o)
		checkLines(t, apply(t, to(t, base, daily), true), "index policy firelane-web: can't be installed: the cluster has no index policies", "index template firelane-web: would be created")
		checkLines(t, apply(t, to(t, base, daily), false), "index policy firelane-web: not installed: the cluster has no index policies", "index template firelane-web: created")
	}
}

func TestTheSamePriorityAsAnotherTemplateIsToldInTheServersWords(t *testing.T) {
	_, base := newCluster(t, retaintest.Options{})
	apply(t, to(t, base, daily), false)
	lines := apply(t, to(t, base, strings.Replace(daily, "prefix web", "prefix web-api", 1)), false)
	checkLines(t, lines, "index policy firelane-web-api: refused: 400 Bad Request, index_management_exception: ", "index template firelane-web-api: refused: 400 Bad Request, illegal_argument_exception: ")
	lines = apply(t, to(t, base, strings.Replace(daily, "prefix web", "prefix web-api\nfirelane_priority 200", 1)), false)
	checkLines(t, lines, "index policy firelane-web-api: created", "index template firelane-web-api: created")
}

// Nothing is said about a document when the cluster didn't say whether it has it.
func TestWhatTheClusterDoesNotAnswerForNowIsNoResult(t *testing.T) {
	for _, code := range []int{http.StatusServiceUnavailable, http.StatusTemporaryRedirect, http.StatusOK} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			fmt.Fprint(w, "<html>")
		}))
		t.Cleanup(srv.Close)
		for _, lines := range []string{daily, "firelane_bootstrap On\nlogstash_format On\n"} {
			if results, err := Apply(t.Context(), to(t, srv.URL, lines), now, false); err == nil || len(results) > 0 {
				t.Errorf("%d: got %+v and error %v, want an error only", code, results, err)
			}
		}
	}
}
