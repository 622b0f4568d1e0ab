// Command demo shows the main job in one terminal: an application logs, documents come out of a search. It runs the router
// in its own process, between a sample application and a fake OpenSearch or a real one.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

const (
	timeout     = 30 * time.Second // of the whole demo
	poll        = 50 * time.Millisecond
	indexPrefix = "web"
	tag         = "app-firelens-0123456789abcdef0123456789abcdef"
	pageSize    = 50
	maxBody     = 8 << 20 // bytes of a search's response
)

// agentConfig is what the ECS agent writes for a task whose container "app" has these log options:
// Name=opensearch, Host, Port, Logstash_Format=On, Logstash_Prefix=web, Logstash_DateFormat=%Y-%m-%d.
const agentConfig = `
[INPUT]
    Name forward
    Mem_Buf_Limit 25MB
    unix_path %s

[FILTER]
    Name record_modifier
    Match *
    Record ecs_cluster demo
    Record ecs_task_arn arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef0123456789abcdef
    Record ecs_task_definition web:7

@INCLUDE /fluent-bit/configs/parse-json.conf

[OUTPUT]
    Name opensearch
    Match app-firelens*
    Host %s
    Logstash_DateFormat %%Y-%%m-%%d
    Logstash_Format On
    Logstash_Prefix ` + indexPrefix + `
    Port %s
%s`

// lines is what the sample application logs.
var lines = []string{
	"listening on :8080",
	`{"level":"info","msg":"order accepted","order":"A-1001","total":59.90,"items":3}`,
	"GET /orders/A-1001 200 4ms",
	"Grüße aus Köln ✓",
	`{"level":"error","msg":"payment refused","order":"A-1002","trace":9007199254740993}`,
	"GET /orders/A-1002 402 11ms",
	"shutting down",
}

func main() {
	target := flag.String("opensearch", "", "URL of a real OpenSearch or Elasticsearch, http://user:password@host:9200 (default: a fake one in this process)")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Stdout, *target); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// run runs the demo against target, or against a fake server where it is empty.
func run(ctx context.Context, out io.Writer, target string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	d := &demo{out: out, now: time.Now(), container: rand.Text()}
	return d.run(ctx, target)
}

type demo struct {
	out       io.Writer
	now       time.Time
	container string // id, which no other run of the demo has
	base      *url.URL
	what      string // of the server at base
	socket    string
}

func (d *demo) run(ctx context.Context, target string) error {
	dir, err := os.MkdirTemp("", "firelane-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.socket = filepath.Join(dir, "fluent.sock")

	if target == "" {
		d.what = ", a stand-in for OpenSearch (`make try` takes a real one)"
	}
	stopTarget, err := d.openTarget(target)
	if err != nil {
		return err
	}
	defer stopTarget()

	file := filepath.Join(dir, "fluent-bit.conf")
	text := fmt.Sprintf(agentConfig, d.socket, d.base.Hostname(), d.port(), d.credentials())
	text += fmt.Sprintf("\n[SERVICE]\n    storage.path %s\n    Log_Level warn\n", filepath.Join(dir, "queue"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "1. The configuration, as the ECS agent writes it for a task of one container \"app\":\n%s\n\n", indent(strings.TrimSpace(d.hidePassword(text))))
	return d.route(ctx, file)
}

// route runs the router until the documents have arrived.
func (d *demo) route(ctx context.Context, file string) error {
	plan, diags := config.Compile(file, router.Catalogue(), os.LookupEnv)
	if len(diags) > 0 {
		return diags[0]
	}
	log := zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr}).Level(zerolog.WarnLevel)
	r, diags := router.New(plan, router.Env{Log: log, Version: "demo"})
	if len(diags) > 0 {
		return diags[0]
	}
	stop, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(stop, ctx) }()
	err := d.show(ctx)
	end()
	if runErr := <-ended; err == nil {
		err = runErr
	}
	if err != nil {
		return err
	}
	_, accounts := r.Accounts()
	a := accounts[0]
	fmt.Fprintf(d.out, "5. The accounts: received %d = delivered %d + filtered %d + dropped 0 + dead-lettered %d + buffered %d\n",
		a.Received, a.Delivered, a.Filtered, a.Dead, a.Buffered)
	return nil
}

// show logs the lines, and finds them in the index.
func (d *demo) show(ctx context.Context) error {
	fmt.Fprintf(d.out, "2. The application logs %d lines as Docker's log driver sends them, to %s:\n", len(lines), filepath.Base(d.socket))
	if err := d.logLines(ctx); err != nil {
		return err
	}
	index := indexPrefix + "-" + d.now.UTC().Format("2006-01-02")
	docs, err := d.await(ctx, index, len(lines))
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n3. The daily index appears at %s%s:\n   %s, %d documents\n", d.base.Redacted(), d.what, index, len(docs))
	fmt.Fprintf(d.out, "\n4. GET %s/_search finds them, each with its ECS fields:\n", index)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	for _, doc := range docs {
		what, _ := doc["log"].(string)
		if what == "" {
			what = fmt.Sprintf("level=%v msg=%q order=%v", doc["level"], doc["msg"], doc["order"])
		}
		fmt.Fprintf(w, "   %v\t%s\t%v\t%v\n", doc["@timestamp"], what, doc["ecs_cluster"], doc["ecs_task_definition"])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	whole, err := json.MarshalIndent(docs[1], "   ", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n   one of them whole:\n   %s\n\n", whole)
	return nil
}

// logLines is the sample application.
func (d *demo) logLines(ctx context.Context) error {
	if err := waitForSocket(ctx, d.socket); err != nil {
		return err
	}
	app, err := fluent.New(fluent.Config{FluentNetwork: "unix", FluentSocketPath: d.socket, SubSecondPrecision: true})
	if err != nil {
		return fmt.Errorf("connect to the router: %w", err)
	}
	defer app.Close()
	for n, line := range lines {
		fmt.Fprintf(d.out, "   %s\n", line)
		err := app.PostWithTime(tag, d.now.Add(time.Duration(n)*time.Millisecond), map[string]string{
			"container_id": d.container, "container_name": "/ecs-web-7-app", "source": "stdout", "log": line,
		})
		if err != nil {
			return fmt.Errorf("log a line: %w", err)
		}
	}
	return nil
}

func waitForSocket(ctx context.Context, socket string) error {
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the router did not open its socket: %w", err)
		case <-time.After(poll):
		}
	}
}

// openTarget starts the fake server, or uses the real one.
func (d *demo) openTarget(target string) (stop func(), err error) {
	if target != "" {
		d.base, err = url.Parse(target)
		if err != nil || d.base.Host == "" {
			return nil, fmt.Errorf("-opensearch %q is not a URL; want http://127.0.0.1:9200", target)
		}
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: bulktest.New(bulktest.Options{}), ReadHeaderTimeout: timeout}
	done := make(chan struct{})
	go func() {
		_ = srv.Serve(ln)
		close(done)
	}()
	d.base = &url.URL{Scheme: "http", Host: ln.Addr().String()}
	return func() {
		_ = srv.Close()
		<-done
	}, nil
}

func (d *demo) port() string {
	if p := d.base.Port(); p != "" {
		return p
	}
	if d.base.Scheme == "https" {
		return "443"
	}
	return "80"
}

// credentials returns the options for the user, the password and TLS of the URL.
func (d *demo) credentials() string {
	var b strings.Builder
	if d.base.User != nil {
		password, _ := d.base.User.Password()
		fmt.Fprintf(&b, "    HTTP_User %s\n    HTTP_Passwd %s\n", d.base.User.Username(), password)
	}
	if d.base.Scheme == "https" {
		b.WriteString("    tls On\n")
	}
	return b.String()
}

// hidePassword replaces the password, so that the configuration can be printed.
func (d *demo) hidePassword(text string) string {
	if password, ok := d.base.User.Password(); ok {
		return strings.ReplaceAll(text, "HTTP_Passwd "+password+"\n", "HTTP_Passwd ***\n")
	}
	return text
}

// await searches until all documents of this run are found.
func (d *demo) await(ctx context.Context, index string, want int) ([]map[string]any, error) {
	for {
		docs, err := d.search(ctx, index)
		if err == nil && len(docs) >= want {
			return docs, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d documents arrived in %s: %w", len(docs), want, index, errors.Join(err, ctx.Err()))
		case <-time.After(poll):
		}
	}
}

func (d *demo) search(ctx context.Context, index string) ([]map[string]any, error) {
	query := url.Values{
		"q": {"container_id:" + d.container}, "size": {strconv.Itoa(pageSize)}, "sort": {"@timestamp:asc"}, "ignore_unavailable": {"true"},
	}
	body, err := d.get(ctx, index+"/_search", query)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Hits struct {
			Hits []struct {
				Source map[string]any `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&reply); err != nil {
		return nil, fmt.Errorf("search %s: %w", index, err)
	}
	var docs []map[string]any
	for _, hit := range reply.Hits.Hits {
		docs = append(docs, hit.Source)
	}
	return docs, nil
}

func (d *demo) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	u := d.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return reply, err
}

func indent(s string) string { return "   " + strings.ReplaceAll(s, "\n", "\n   ") }
