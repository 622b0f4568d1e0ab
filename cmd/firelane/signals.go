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
	shortestGrace = 6 * time.Second // enough for inputs to queue what clients have sent
	// forceAfter is how long the router may take to end after the second signal.
	forceAfter = time.Second
	// maxSignals is how many signals may wait to be handled.
	maxSignals = 16
)

// takeSignals catches the signals that people send and that end a process by default. It also ignores SIGPIPE: a write to
// stdout or stderr that nobody reads then returns an error.
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

// stopOnSignals cancels stop (drain, then exit) at the first SIGTERM, SIGINT or SIGQUIT, and now (exit immediately) at the
// second. It calls force at the third, and if the process doesn't end in time. It returns when arrived is closed.
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
				log.Warn().Stringer("signal", s).Msg("the signal is ignored: restart firelane to apply a changed configuration")
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
