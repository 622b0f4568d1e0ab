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
	// force. With the grace of 25 s, the default on ECS, that is before ECS kills it; with dockerGrace Docker may be first.
	overtime      = 3 * time.Second
	shortestGrace = 6 * time.Second // enough for inputs to queue what clients have sent
	// forceAfter is how long the router may take to end after the second signal.
	forceAfter = time.Second
	// maxSignals is how many signals may wait to be handled.
	maxSignals = 16
)

// takeSignals catches the signals that people send and that terminate a process by default. It also ignores SIGPIPE: a write to
// stdout or stderr that nobody reads then returns an error.
func takeSignals() (arrived <-chan os.Signal, end func()) {
	ch := make(chan os.Signal, maxSignals)
	signal.Ignore(syscall.SIGPIPE)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	return ch, func() {
		signal.Ignore(syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2) // else the process could still die of one that ends nothing
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

// signalled is what signals act on.
type signalled struct {
	grace     func() time.Duration // of the running configuration
	reload    func()               // asks for a reload, and doesn't wait for it
	stop, now stopper
	force     func() // ends the process
}

// handleSignals asks for a reload at SIGHUP (as in Fluent Bit and Fluentd) or SIGUSR2 (as in Fluentd). It cancels stop (drain, then
// exit) at the first SIGTERM, SIGINT or SIGQUIT, and now (exit immediately) at the second. It calls force at the third, or if
// the process doesn't end in time. It returns when arrived is closed.
func handleSignals(log zerolog.Logger, arrived <-chan os.Signal, p signalled) {
	var late <-chan time.Time
	stops := 0
	for {
		select {
		case s, ok := <-arrived:
			if !ok {
				return
			}
			switch s {
			case syscall.SIGHUP, syscall.SIGUSR2:
				log.Info().Stringer("signal", s).Msg("a reload of the configuration was requested")
				p.reload()
				continue
			case syscall.SIGUSR1: // Fluentd flushes its buffers
				log.Info().Stringer("signal", s).Msg("the signal does nothing: records are delivered as they come, and nothing waits for a flush")
				continue
			}
			stops++
			switch stops {
			case 1:
				p.stop.cancel()
				late = time.After(max(p.grace(), shortestGrace) + overtime)
			case 2:
				p.now.cancel()
				late = time.After(forceAfter)
			default:
				p.force()
			}
		case <-late:
			p.force()
		}
	}
}
