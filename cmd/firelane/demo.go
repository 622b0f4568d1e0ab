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

	"github.com/firelane/firelane/router"
	"github.com/firelane/firelane/sink/bulk/bulktest"
)

// Waits of the demo.
const (
	demoTimeout  = 30 * time.Second // for everything
	demoPoll     = 50 * time.Millisecond
	demoPrefix   = "web"
	demoTag      = "app-firelens-0123456789abcdef0123456789abcdef"
	demoPageSize = 50
)

// demoConfig is what the ECS agent writes for a task whose container "app" has these log options:
// Name=opensearch, Host, Port, Logstash_Format=On, Logstash_Prefix=web, Logstash_DateFormat=%Y-%m-%d.
const demoConfig = `
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
    Logstash_Prefix ` + demoPrefix + `
    Port %s
%s`

// demoLines is what the sample application logs.
var demoLines = []string{
	"listening on :8080",
	`{"level":"info","msg":"order accepted","order":"A-1001","total":59.90,"items":3}`,
	"GET /orders/A-1001 200 4ms",
	"Grüße aus Köln ✓",
	`{"level":"error","msg":"payment refused","order":"A-1002","trace":9007199254740993}`,
	"GET /orders/A-1002 402 11ms",
	"shutting down",
}

// demoCommand shows the main job in one terminal: an application logs, documents come out of a search.
func demoCommand(c *cli, args []string) int {
	flags := flag.NewFlagSet("firelane demo", flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	target := flags.String("opensearch", "", "URL of a real OpenSearch or Elasticsearch, http://user:password@host:9200; an embedded endpoint unless given")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	ctx, cancelTime := context.WithTimeout(ctx, demoTimeout)
	defer cancelTime()
	d := &demo{cli: c, now: time.Now(), container: rand.Text()}
	if err := d.run(ctx, *target); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return exitOK
		}
		fmt.Fprintf(c.stderr, "firelane demo: %v\n", err)
		return exitFailed
	}
	return exitOK
}

type demo struct {
	*cli
	now       time.Time
	container string // id, which no other run of the demo has
	base      *url.URL
	socket    string
}

func (d *demo) run(ctx context.Context, target string) error {
	dir, err := os.MkdirTemp("", "firelane-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.socket = filepath.Join(dir, "fluent.sock")

	stopTarget, err := d.openTarget(target)
	if err != nil {
		return err
	}
	defer stopTarget()

	file := filepath.Join(dir, "fluent-bit.conf")
	text := fmt.Sprintf(demoConfig, d.socket, d.base.Hostname(), d.port(), d.credentials())
	text += fmt.Sprintf("\n[SERVICE]\n    storage.path %s\n    Log_Level warn\n", filepath.Join(dir, "queue"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "1. The configuration, as the ECS agent writes it for a task of one container \"app\":\n%s\n\n", indent(strings.TrimSpace(d.hidePassword(text))))
	return d.route(ctx, file)
}

// route runs the router for as long as the application logs and the documents take to arrive.
func (d *demo) route(ctx context.Context, file string) error {
	log := newLogger(d.stderr)
	plan, ok := d.compile(log, file)
	if !ok {
		return errors.New("the demo's own configuration is wrong")
	}
	r, diags := router.New(plan, router.Env{Log: log.Level(parseLevel(plan.Service.LogLevel)), Version: version, Bound: useOwnRoots})
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
	fmt.Fprintf(d.stdout, "5. The accounts: received %d = delivered %d + filtered %d + dropped 0 + dead-lettered %d + buffered %d\n",
		a.Received, a.Delivered, a.Filtered, a.Dead, a.Buffered)
	return nil
}

// show logs, and finds what was logged.
func (d *demo) show(ctx context.Context) error {
	fmt.Fprintf(d.stdout, "2. The application logs %d lines as Docker's log driver sends them, to %s:\n", len(demoLines), filepath.Base(d.socket))
	if err := d.logLines(ctx); err != nil {
		return err
	}
	index := demoPrefix + "-" + d.now.UTC().Format("2006-01-02")
	docs, err := d.await(ctx, index, len(demoLines))
	if err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "\n3. The daily index appears at %s:\n   %s, %d documents\n", d.base.Redacted(), index, len(docs))
	fmt.Fprintf(d.stdout, "\n4. GET %s/_search finds them, each with its ECS fields:\n", index)
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
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
	fmt.Fprintf(d.stdout, "\n   one of them whole:\n   %s\n\n", whole)
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
	for n, line := range demoLines {
		fmt.Fprintf(d.stdout, "   %s\n", line)
		err := app.PostWithTime(demoTag, d.now.Add(time.Duration(n)*time.Millisecond), map[string]string{
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
		case <-time.After(demoPoll):
		}
	}
}

// openTarget starts the embedded endpoint, or takes the real one.
func (d *demo) openTarget(target string) (stop func(), err error) {
	if target != "" {
		d.base, err = url.Parse(target)
		if err != nil || d.base.Host == "" {
			return nil, fmt.Errorf("--opensearch %q is not a URL: http://127.0.0.1:9200 would be right", target)
		}
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: bulktest.New(bulktest.Options{}), ReadHeaderTimeout: demoTimeout}
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

// credentials are the options for what the URL says besides host and port.
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

// hidePassword makes the configuration fit to be shown.
func (d *demo) hidePassword(text string) string {
	if password, ok := d.base.User.Password(); ok {
		return strings.ReplaceAll(text, "HTTP_Passwd "+password+"\n", "HTTP_Passwd ***\n")
	}
	return text
}

// await searches until this run's documents are all there.
func (d *demo) await(ctx context.Context, index string, want int) ([]map[string]any, error) {
	for {
		docs, err := d.search(ctx, index)
		if err == nil && len(docs) >= want {
			return docs, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d documents arrived in %s: %w", len(docs), want, index, errors.Join(err, ctx.Err()))
		case <-time.After(demoPoll):
		}
	}
}

func (d *demo) search(ctx context.Context, index string) ([]map[string]any, error) {
	query := url.Values{
		"q": {"container_id:" + d.container}, "size": {strconv.Itoa(demoPageSize)}, "sort": {"@timestamp:asc"}, "ignore_unavailable": {"true"},
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
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return reply, err
}

func indent(s string) string { return "   " + strings.ReplaceAll(s, "\n", "\n   ") }
