package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/admin"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/pages"
	"github.com/firelane/firelane/router"
)

// A reloader reloads the configuration, one reload at a time. It implements admin.Reloader.
type reloader struct {
	c      *cli
	log    zerolog.Logger
	level  *logLevel
	file   string
	always bool // --enable-hot-reload was given
	router *router.Router
	stop   context.Context // ends when a stop begins
	wanted chan struct{}   // has a value if a signal has asked for a reload that hasn't begun

	busy  sync.Mutex                  // held while a configuration is read and takes over
	plan  atomic.Pointer[config.Plan] // the running one
	admin adminServer
	local localServer
}

func newReloader(c *cli, log zerolog.Logger, level *logLevel, file string, always bool, r *router.Router, stop context.Context) *reloader {
	l := &reloader{c: c, log: log, level: level, file: file, always: always, router: r, stop: stop, wanted: make(chan struct{}, 1)}
	l.admin.log = log
	l.admin.config = admin.Config{Source: r, Watched: r, Reloader: l, Version: version, Start: time.Now()}
	return l
}

// startAdmin starts the HTTP server if the configuration enables it. If that fails, the router still routes.
func (l *reloader) startAdmin(plan *config.Plan) {
	commit, _, err := l.admin.prepare(plan)
	if err != nil {
		l.log.Error().Err(err).Msg("health and metrics are not served")
	}
	commit()
}

// A logLevel is the level of the router's log, which a reload may change. It implements zerolog.Sampler.
type logLevel struct{ level atomic.Int32 }

func (l *logLevel) set(level zerolog.Level) { l.level.Store(int32(level)) }

// Sample implements zerolog.Sampler.
func (l *logLevel) Sample(level zerolog.Level) bool {
	return level >= zerolog.Level(l.level.Load()) || level == zerolog.NoLevel
}

// request asks for a reload, and doesn't wait for it. All requests during a reload lead to a single further one.
func (l *reloader) request() {
	select {
	case l.wanted <- struct{}{}:
	default:
	}
}

// run carries out the reloads that signals ask for, until a stop begins.
func (l *reloader) run() {
	for {
		select {
		case <-l.wanted:
		case <-l.stop.Done():
			return
		}
		l.busy.Lock()
		err := l.reload(l.stop)
		l.busy.Unlock()
		switch {
		case errors.Is(err, admin.ErrReloadOff):
			l.log.Warn().Msg("the signal is ignored: hot_reload is off in [SERVICE]")
		case errors.Is(err, router.ErrNotRunning):
			l.log.Warn().Msg("the signal is ignored: the router is stopping")
		}
	}
}

// Reload implements admin.Reloader.
func (l *reloader) Reload(ctx context.Context) error {
	if !l.busy.TryLock() {
		return admin.ErrReloadBusy
	}
	defer l.busy.Unlock()
	return l.reload(ctx)
}

// errTooSlow means that a reload took longer than its client waits.
var errTooSlow = errors.New("the reload took too long; the old configuration keeps running; a SIGHUP waits as long as it takes")

// Reloads implements admin.Reloader.
func (l *reloader) Reloads() int64 { return l.router.Reloads() }

// reload reads the files again. If they are valid, the new configuration takes over. Otherwise the old one keeps running, and each
// mistake is logged, as at the start. The caller holds l.busy.
func (l *reloader) reload(ctx context.Context) error {
	if !l.plan.Load().Service.HotReload && !l.always {
		return admin.ErrReloadOff
	}
	defer func() { // compiling a configuration takes a few MiB
		debug.FreeOSMemory()
		pages.Drop()
	}()
	plan, diags, err := l.c.read(ctx, l.file, logNote(l.log))
	if err != nil {
		diags = []config.Diagnostic{{Pos: config.Pos{File: l.file}, Text: err.Error()}}
	}
	if len(diags) > 0 {
		return l.refuse(diags)
	}
	for _, w := range plan.Warnings {
		l.log.Warn().Msg(w.String())
	}
	commit, undo, err := l.admin.prepare(plan)
	if err == nil {
		diags, err = l.router.Reload(ctx, plan)
	}
	if err != nil || len(diags) > 0 {
		undo()
	}
	switch {
	case len(diags) > 0:
		return l.refuse(diags)
	case errors.Is(err, router.ErrNotRunning) && l.stop.Err() == nil: // ctx has ended: the client waits no longer
		l.log.Error().Msg("the configuration was not reloaded: it took too long; the old one keeps running")
		return errTooSlow
	case errors.Is(err, router.ErrNotRunning):
		return err
	case err != nil:
		l.log.Error().Err(err).Msg("the configuration was not reloaded: it can't be opened; the old one keeps running")
		return err
	}
	l.plan.Store(plan)
	l.level.set(router.ParseLevel(plan.Service.LogLevel))
	commit()
	return nil
}

// refuse logs the mistakes of a configuration, and returns the first one.
func (l *reloader) refuse(diags []config.Diagnostic) error {
	reportErrors(l.log, diags)
	l.log.Error().Int("mistakes", len(diags)).Msg("the configuration was not reloaded: it is wrong; the old one keeps running; correct the mistakes, and reload again")
	return diags[0]
}

// An adminServer is the HTTP server, if the configuration enables it.
type adminServer struct {
	log    zerolog.Logger
	config admin.Config // without the address and the hosts

	mu   sync.Mutex
	on   adminAddress
	end  context.CancelFunc // ends the last server; nil if there was none
	done chan struct{}
}

// An adminAddress is where and to whom the HTTP server serves what.
type adminAddress struct {
	addr           string // "": there is no server
	hosts, records string
}

func noChange() {}

// prepare opens the listener that plan needs. commit starts to use it, and undo closes it.
func (a *adminServer) prepare(plan *config.Plan) (commit, undo func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	on := adminAddress{hosts: plan.Service.HTTPHosts, records: plan.Service.HTTPRecords}
	if plan.Service.HTTPServer {
		on.addr = net.JoinHostPort(plan.Service.HTTPListen, strconv.Itoa(plan.Service.HTTPPort))
	}
	if on == a.on || on.addr == "" && a.on.addr == "" {
		return noChange, noChange, nil
	}
	if on.addr == "" || on.addr == a.on.addr {
		return func() { a.replace(nil, on) }, noChange, nil
	}
	ln, err := admin.Listen(context.Background(), on.addr)
	switch {
	case err == nil:
		return func() { a.replace(ln, on) }, func() { _ = ln.Close() }, nil
	case errors.Is(err, syscall.EADDRINUSE) && portOf(on.addr) == portOf(a.on.addr): // by the current server: 0.0.0.0 and 127.0.0.1
		return func() { a.replace(nil, on) }, noChange, nil
	}
	return noChange, noChange, fmt.Errorf("http_server: %w", err)
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// replace ends the current server, and then serves on ln, or on on.addr if ln is nil. It doesn't wait, because the current server may be
// serving the request for this reload.
func (a *adminServer) replace(ln net.Listener, on adminAddress) {
	a.mu.Lock()
	end, done := a.end, a.done
	a.on = on
	var ctx context.Context
	ctx, a.end = context.WithCancel(context.Background())
	a.done = make(chan struct{})
	ended := a.done
	a.mu.Unlock()
	go func() {
		defer close(ended)
		if end != nil {
			end()
			<-done
		}
		a.serve(ctx, ln, on)
	}()
}

func (a *adminServer) serve(ctx context.Context, ln net.Listener, on adminAddress) {
	if on.addr == "" {
		return
	}
	c := a.config
	c.Addr, c.Hosts, c.Records = on.addr, on.hosts, on.records
	var err error
	if ln == nil {
		ln, err = admin.Listen(ctx, on.addr)
	}
	if err == nil {
		err = admin.Serve(ctx, ln, c)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Error().Err(err).Msg("health and metrics are not served")
	}
}

// close ends the server.
func (a *adminServer) close() {
	a.mu.Lock()
	end, done := a.end, a.done
	a.mu.Unlock()
	if end != nil {
		end()
		<-done
	}
}
