package scrape

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// The promises of an Input are tested in input/poll, which both inputs use.

func serve(t *testing.T, o *Options, handler http.HandlerFunc) *page {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	o.Host = u.Hostname()
	o.Port, _ = strconv.Atoi(u.Port())
	if err := o.Check(config.FluentBit); err != nil {
		t.Fatal(err)
	}
	p, err := newPage(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func collect(t *testing.T, p *page) string {
	t.Helper()
	var lines []string
	err := p.collect(context.Background(), record.Time{Sec: 7}, func(s *metric.Sample, at record.Time) {
		lines = append(lines, strings.TrimSpace(string(s.AppendLine(nil, at))))
	})
	if err != nil {
		lines = append(lines, strings.ReplaceAll(err.Error(), p.url, "PAGE"))
	}
	return strings.Join(lines, "\n")
}

func TestPage(t *testing.T) {
	const seven = "1970-01-01T00:00:07.000000000Z "
	for name, c := range map[string]struct {
		o    Options
		page string
		want string
	}{
		"metrics":  {Options{MaxSize: 100, User: "u", Password: "p", Path: "m?a=b"}, "a 1\nb{c=\"d\"} 2 1000\n", seven + "a = 1\n1970-01-01T00:00:01.000000000Z b{c=\"d\"} = 2"},
		"no text":  {Options{MaxSize: 100, User: "u", Password: "p", Path: "/m?a=b"}, "<html>\na 1\n", seven + "a = 1\n1 lines of PAGE are skipped: they are not in Prometheus's text format"},
		"too long": {Options{MaxSize: 3, User: "u", Password: "p", Path: "/m?a=b"}, "a 12\n", "reading PAGE: the page is larger than 3 bytes; see buffer_max_size (at most 2 MiB here)"},
		"refused":  {Options{MaxSize: 3, User: "u", Password: "x", Path: "/m?a=b"}, "a 1\n", "reading PAGE: status 401; want 200"},
	} {
		p := serve(t, &c.o, func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "u" || password != "p" || r.URL.String() != "/m?a=b" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(c.page))
		})
		if got := collect(t, p); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// TestRedirectIsNotFollowed: the credentials are for this server alone.
func TestRedirectIsNotFollowed(t *testing.T) {
	p := serve(t, &Options{MaxSize: 100, Token: "secret"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Error("the request has no token")
		}
		http.Redirect(w, r, "/other", http.StatusFound)
	})
	if got := collect(t, p); got != "reading PAGE: status 302; want 200" {
		t.Errorf("got %s, want that the redirect is refused", got)
	}
}

func TestWrongOptions(t *testing.T) {
	if err := (&Options{Port: 0}).Check(config.FluentBit); err == nil {
		t.Error("port 0 is accepted")
	}
	if _, err := New(&Options{Port: 1, TLS: true, CAFile: "/no/such"}, config.FluentBit, input.Env{}); err == nil {
		t.Error("a missing ca_file is accepted")
	}
}

type receiver struct {
	cancel context.CancelFunc
	bodies []string
}

func (r *receiver) Add(_ []byte, _ record.Time, body []byte) {
	r.bodies = append(r.bodies, string(record.AppendJSON(nil, body)))
}
func (r *receiver) Reject(int, string)          {}
func (r *receiver) Flush(context.Context) error { r.cancel(); return nil }

// TestRouterTellsItsOwnMetrics, at the start if the options say so.
func TestRouterTellsItsOwnMetrics(t *testing.T) {
	env := input.Env{ID: "m.0", Internal: func(see func(*metric.Sample)) {
		see(&metric.Sample{Name: "a_total", Kind: metric.Counter, Value: 1})
	}}
	in, err := NewInternal(&InternalOptions{Interval: time.Hour, AtOnce: true}, config.FluentBit, env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r := &receiver{cancel: cancel}
	if err := in.Run(ctx, func() input.Receiver { return r }); err != nil {
		t.Error(err)
	}
	if want := `{"__name__":"a_total","type":"counter","labels":{},"value":1.0}`; strings.Join(r.bodies, "\n") != want {
		t.Errorf("got %q, want %s", r.bodies, want)
	}
}
