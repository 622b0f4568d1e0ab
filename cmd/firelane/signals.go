package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

const (
	// overtime is how long a stop may last beyond the grace (or shortestGrace, if longer) before the process is ended by
	// force. With the default grace of 25 s that is before ECS kills it.
	overtime      = 3 * time.Second
	shortestGrace = 6 * time.Second // inputs queue what clients have sent, whatever the grace
	// forceAfter is how long the router may take to end after the second signal.
	forceAfter = time.Second
	// maxSignals is how many signals may wait to be handled.
	maxSignals = 16
)

// takeSignals catches every signal that ends a process by default and that somebody may send on purpose. After that, a write
// to stdout or stderr that nobody reads returns an error, and causes no signal.
func takeSignals() (arrived <-chan os.Signal, end func()) {
	ch := make(chan os.Signal, maxSignals)
	signal.Ignore(syscall.SIGPIPE)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	return ch, func() {
		signal.Stop(ch)
		close(ch)
	}
}

// A stopper is a context and the function that ends it.
type stopper struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func newStops() (stop, now stopper) {
	stop.ctx, stop.cancel = context.WithCancel(context.Background())
	now.ctx, now.cancel = context.WithCancel(context.Background())
	return stop, now
}

// stopOnSignals ends stop (drain and leave) at the first SIGTERM, SIGINT or SIGQUIT and now (leave at once) at the second.
// It calls force at the third, and if the process doesn't end in time. It returns when arrived is closed.
func stopOnSignals(log zerolog.Logger, arrived <-chan os.Signal, grace time.Duration, stop, now stopper, force func()) {
	var late <-chan time.Time
	stops := 0
	for {
		select {
		case s, ok := <-arrived:
			if !ok {
				return
			}
			switch s {
			case syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2:
				log.Warn().Stringer("signal", s).Msg("the signal is ignored: a changed configuration needs a restart")
				continue
			}
			stops++
			switch stops {
			case 1:
				stop.cancel()
				late = time.After(max(grace, shortestGrace) + overtime)
			case 2:
				now.cancel()
				late = time.After(forceAfter)
			default:
				force()
			}
		case <-late:
			force()
		}
	}
}
