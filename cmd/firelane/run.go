package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	stdlog "log"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/internal/pages"
	"github.com/firelane/firelane/router"
)

// ecsFiles are the paths where the ECS agent writes the configuration of a FireLens container: of type fluentbit, and fluentd.
var ecsFiles = []string{"/fluent-bit/etc/fluent-bit.conf", "/fluentd/etc/fluent.conf"}

// runFlags are the options of firelane run.
type runFlags struct {
	file   string
	reload bool // Fluent Bit's --enable-hot-reload
	admin  string
}

func (f *runFlags) registerConfig(flags *flag.FlagSet) { configOption(flags, &f.file) }

// register declares the options.
func (f *runFlags) register(flags *flag.FlagSet) {
	f.registerConfig(flags)
	flags.StringVar(&f.admin, "admin", "", "serve health and metrics on this `ADDR`, such as 127.0.0.1:2020, whatever http_server says; off: nowhere")
	flags.BoolVar(&f.reload, "Y", false, "reload at SIGHUP, whatever hot_reload says")
	flags.BoolVar(&f.reload, "enable-hot-reload", false, "the same as -Y")
	flags.Bool("W", false, "accepted, as Fluent Bit's --disable-thread-safety-on-hot-reload")
	flags.Bool("disable-thread-safety-on-hot-reload", false, "the same as -W")
}

// runCommand runs the router until a signal stops it.
func runCommand(c *cli, args []string) int {
	var f runFlags
	flags := newFlags("run")
	f.register(flags)
	words, status, ok := c.parse("run", flags, args)
	if !ok {
		return status
	}
	if f.admin != "" {
		admin, ok := config.ParseAdmin(f.admin)
		if !ok {
			fmt.Fprintf(c.stderr, "firelane run: -admin %q: want %s\n", f.admin, config.WantAdmin)
			return exitUsage
		}
		c.also.admin = &admin
	}
	file, status, ok := c.fileOf("run", f.file, words)
	if !ok {
		return status
	}
	return c.run(file, f.reload)
}

// freeStart gives back the memory of what the packages of all destinations have made at the start, of the configuration's files, and
// of the pages of the program that were needed for that. Before the sockets are bound it would delay them.
func freeStart() {
	pages.Drop() // the collection reads others
	debug.FreeOSMemory()
	pages.Drop()
}

// afterBinding does what would delay the sockets.
func (c *cli) afterBinding(log zerolog.Logger, startLocal func()) {
	useOneCore()
	relaxTimers(log)
	freeStart()
	c.useRoots()
	startLocal()
	pages.Drop() // again: the first collection and the authorities' certificates have read many
}

// startTime is when the memory that only the start has used is given back once more.
const startTime = time.Second

// run runs the router with a configuration file. always is Fluent Bit's --enable-hot-reload.
func (c *cli) run(file string, always bool) int {
	if c.looking != nil {
		return c.looking.starts(file)
	}
	arrived, endSignals := takeSignals() // first, because until then a SIGHUP ends the process
	defer endSignals()
	c.grace = c.shortGrace()
	own := new(input.OwnLog)
	log, endLog := openLog(c.stderr, own)
	defer endLog()
	stdlog.SetFlags(0)
	stdlog.SetOutput(log) // libraries would log to stderr directly
	early, err := c.prepareToRun(log, file, arrived, func() { stopUnread(log, errStopped, endLog) })
	switch {
	case errors.Is(err, errStopped):
		log.Info().Msg(err.Error())
		return exitOK
	case err != nil:
		log.Error().Msg(initHint(err))
		return exitFailed
	}
	defer early.Close()
	plan, ok := c.compile(log, file)
	if !ok {
		return exitUsage
	}
	c.init = ecs.Init{} // releases the memory of the objects
	level := new(logLevel)
	level.set(router.ParseLevel(plan.Service.LogLevel))
	log = log.Sample(level)

	limitMemory(log) // the router divides this limit among its parts
	var l *reloader
	bound := func() { c.afterBinding(log, l.startLocal) }
	r, diags := router.New(plan, router.Env{Log: log, Version: version, Bound: bound, Early: early, OwnLog: own})
	if len(diags) > 0 {
		reportErrors(log, diags)
		return exitUsage
	}
	stop, now := newStops()
	l = newReloader(c, log, level, file, always, r, stop.ctx)
	l.plan.Store(plan)
	go handleSignals(log, arrived, signalled{
		grace: func() time.Duration { return l.plan.Load().Service.Grace }, reload: l.request, stop: stop, now: now,
		force: func() { endByForce(log, endLog) },
	})
	l.startAdmin(plan)
	go l.run()
	started := time.AfterFunc(startTime, freeStart)
	defer started.Stop()
	err = r.Run(stop.ctx, now.ctx)
	l.admin.close()
	l.endLocal()
	return statusOf(log, err)
}

// dockerGrace is how long a stop may take, unless the configuration says so, outside of ECS and Kubernetes: docker stop and Compose
// kill after 10 s. ECS and Kubernetes kill after 30 s, which the option's own default is for.
const dockerGrace = 8 * time.Second

// shortGrace is dockerGrace, or 0 where the router has more time.
func (c *cli) shortGrace() time.Duration {
	for _, name := range []string{ecs.MetadataURI, "ECS_CONTAINER_METADATA_URI", "KUBERNETES_SERVICE_HOST"} {
		if value, ok := c.lookup(name); ok && value != "" {
			return 0
		}
	}
	return dockerGrace
}

// endByForce exits although parts of the router are still running.
func endByForce(log zerolog.Logger, endLog func()) {
	log.Error().Msg("stopped by force: a part of the router did not end in time; undelivered records stay in the queue on disk")
	endLog()
	os.Exit(exitFailed)
}

// statusOf returns the exit status after Run has returned err.
func statusOf(log zerolog.Logger, err error) int {
	var exit *router.ExitError
	if errors.As(err, &exit) { // already logged
		return exit.Status
	}
	if err != nil {
		log.Error().Err(err).Msg("stopped")
		return exitFailed
	}
	return exitOK
}

// stopUnread exits although the configuration is still being read.
func stopUnread(log zerolog.Logger, err error, endLog func()) {
	log.Info().Msg(err.Error())
	endLog()
	os.Exit(exitOK)
}

// prepareToRun is prepare with the process's log. A signal that asks the process to stop cancels it: the error is errStopped. giveUp is
// called if that doesn't end it.
func (c *cli) prepareToRun(log zerolog.Logger, file string, arrived <-chan os.Signal, giveUp func()) (*router.Early, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		cancelAtStop(arrived, cancel, ended, giveUp)
	}()
	// Here, not in another goroutine: that would run on another of Go's processors, whose caches take a MiB.
	early, err := c.prepare(ctx, file, true, logNote(log))
	close(ended)
	<-watched
	if ctx.Err() != nil {
		err = errStopped
	}
	if err != nil {
		early.Close()
		return nil, err
	}
	return early, nil
}

// unreadTime is how long something may take to end after a stop. A configuration that is a pipe can't be given up: it may be opened
// and read only when something writes to it.
const unreadTime = time.Second

// cancelAtStop cancels what has not ended when a signal asks the process to stop, and calls giveUp if it doesn't end then.
func cancelAtStop(arrived <-chan os.Signal, cancel func(), ended <-chan struct{}, giveUp func()) {
	var late <-chan time.Time
	for {
		select {
		case s := <-arrived:
			if s != syscall.SIGHUP && s != syscall.SIGUSR1 && s != syscall.SIGUSR2 && late == nil {
				cancel()
				late = time.After(unreadTime)
			}
		case <-late:
			giveUp()
		case <-ended:
			return
		}
	}
}

// logNote logs what is fetched.
func logNote(log zerolog.Logger) note {
	return func(warning bool, text string) {
		if warning {
			log.Warn().Msg(text)
			return
		}
		log.Info().Msg(text)
	}
}

// useRoots is useOwnRoots, once.
func (c *cli) useRoots() { c.roots.Do(useOwnRoots) }

// findConfig returns file or, if that is empty, the configuration that ECS wrote. FLUENTD_CONF of Fluentd's image names another
// one in the same folder.
func findConfig(c *cli, name, file string) (string, int, bool) {
	if file != "" {
		return file, exitOK, true
	}
	if c.looking != nil {
		return c.looking.config(c), exitOK, true
	}
	for _, f := range []string{ecsFiles[0], fluentdConfig(c), ecsFiles[1]} {
		if _, err := os.Stat(f); err == nil {
			return f, exitOK, true
		}
	}
	fmt.Fprintf(c.stderr, "firelane %s: no configuration: neither %s nor %s exists; want -c FILE\n", name, ecsFiles[0], ecsFiles[1])
	return "", exitUsage, false
}

// compile reads the configuration and logs what is wrong with it. Warnings don't keep a task from starting.
func (c *cli) compile(log zerolog.Logger, file string) (*config.Plan, bool) {
	plan, diags := c.plan(file)
	for _, w := range plan.Warnings { // also before errors: an unset variable may be the cause of one
		log.Warn().Msg(w.String())
	}
	if len(diags) > 0 {
		reportErrors(log, diags)
		return nil, false
	}
	return plan, true
}

func reportErrors(log zerolog.Logger, diags []config.Diagnostic) {
	for _, d := range diags {
		log.Error().Msg(d.String())
	}
}
