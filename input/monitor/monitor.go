package monitor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
	"github.com/firelane/firelane/input/serve"
	"github.com/firelane/firelane/record"
)

// maxAnswer is about how many bytes a page has at most, before the conversion to its format; what doesn't fit is left out.
const maxAnswer = 1 << 20

// An Input serves the pages, and adds events if it has a tag.
type Input struct {
	http *serve.HTTP
	emit *poll.Input // nil: no events
}

// New binds the socket and returns at once.
func New(o *Options, _ config.Dialect, env input.Env) (input.Input, error) {
	ln, err := serve.ListenTCP(env, o.Bind, o.Port)
	if err != nil {
		return nil, fmt.Errorf("monitor_agent: %w", err)
	}
	p := &pages{opts: o, monitor: env.Monitor}
	in := &Input{http: serve.NewHTTP(ln, serve.HTTPConfig{Protocol: p}, env)}
	if o.Tag != "" {
		in.emit = poll.New(o.Tag, o.Interval, p.events, env)
	}
	return in, nil
}

// Addr is where the server listens.
func (in *Input) Addr() net.Addr { return in.http.Addr() }

// Reads implements input.ReadCounter: who reads the page, and the events about the router, don't keep it from stopping.
func (in *Input) Reads() int64 { return 0 }

// Run serves until ctx ends.
func (in *Input) Run(ctx context.Context, receiver func() input.Receiver) error {
	if in.emit == nil {
		return in.http.Run(ctx, receiver)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = in.emit.Run(ctx, receiver) // its error is always nil
	}()
	err := in.http.Run(ctx, receiver)
	if err != nil {
		_ = in.emit.Close()
	}
	<-ended
	return err
}

// WaitIdle returns at once: who reads a page sends nothing.
func (in *Input) WaitIdle(ctx context.Context) error { return ctx.Err() }

// Close ends Run.
func (in *Input) Close() error {
	err := in.http.Close()
	if in.emit != nil {
		_ = in.emit.Close()
	}
	return err
}

// pages is the serve.Protocol. Every request is answered before its body is read.
type pages struct {
	opts    *Options
	monitor input.Monitor // nil: the router tells nothing
}

// Begin implements serve.Protocol.
func (p *pages) Begin(x *serve.Exchange) (answered bool, r *serve.Refusal) {
	kind, body := "application/json", []byte(nil)
	if x.Request.Method == http.MethodGet {
		switch x.Request.URL.Path {
		case "/api/plugins.json":
			body = pluginsJSON(p.plugins(x.Request))
		case "/api/plugins":
			kind, body = "text/plain", appendLTSV(nil, p.plugins(x.Request)...)
		case "/api/config.json":
			body = record.AppendJSON(nil, p.process())
		case "/api/config":
			kind, body = "text/plain", appendLTSV(nil, p.process())
		}
	}
	status := http.StatusOK
	if body == nil {
		status, body = http.StatusNotFound, []byte(`{"message":"Not found"}`)
	}
	x.Writer.Header().Set("Content-Type", kind)
	x.Writer.WriteHeader(status)
	_, _ = x.Writer.Write(body) // whom it doesn't reach asks again
	return true, nil
}

// Take, Add, Answer and Refuse implement serve.Protocol. They aren't reached: Begin answers.
func (p *pages) Take(*serve.Exchange) *serve.Refusal    { return nil }
func (p *pages) Add(*serve.Exchange)                    {}
func (p *pages) Answer(*serve.Exchange)                 {}
func (p *pages) Refuse(*serve.Exchange, *serve.Refusal) {}

// plugins returns the parts that a request asks for: by the output of a tag, by ID, by type, or all.
func (p *pages) plugins(r *http.Request) (list [][]byte) {
	if p.monitor == nil {
		return nil
	}
	query := r.URL.Query()
	first := func(names ...string) (string, bool) {
		for _, name := range names {
			if query.Has(name) {
				return query.Get(name), true
			}
		}
		return "", false
	}
	wanted := func(*input.Part) bool { return true }
	if tag, ok := first("tag"); ok {
		id := p.monitor.OutputOf(tag)
		wanted = func(part *input.Part) bool { return id != "" && part.Kind == config.KindOutput && part.ID == id }
	} else if id, ok := first("@id", "id"); ok {
		wanted = func(part *input.Part) bool { return part.ID == id }
	} else if kind, ok := first("@type", "type"); ok {
		wanted = func(part *input.Part) bool { return part.Type == kind }
	}
	size := 0
	for _, part := range p.monitor.Parts(p.opts.IncludeConfig) {
		if !wanted(&part) {
			continue
		}
		body := describe(&part, p.opts.IncludeConfig, p.opts.IncludeRetry)
		if size += len(body); size > maxAnswer {
			break
		}
		list = append(list, body)
	}
	return list
}

// process is what the pages of the configuration have.
func (p *pages) process() []byte {
	var about input.About
	if p.monitor != nil {
		about = p.monitor.About()
	}
	var o object
	o.int("pid", int64(os.Getpid()))
	o.int("ppid", int64(os.Getppid()))
	o.text("version", about.Version)
	o.text("config_path", about.Config)
	o.null("pid_file")
	o.add("plugin_dirs", record.AppendArrayHeader(nil, 0))
	o.null("log_path")
	o.textOrNull("root_dir", about.RootDir)
	return o.body()
}

// events is the poll.Collector.
func (p *pages) events(_ context.Context, add poll.Add) error {
	if p.monitor == nil {
		return nil
	}
	for _, part := range p.monitor.Parts(false) {
		add(describe(&part, false, false))
	}
	return nil
}
