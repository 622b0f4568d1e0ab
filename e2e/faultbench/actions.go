package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// downFor returns an action that takes the destination down for length, starting after a time.
func downFor(after, length time.Duration) func(context.Context, *run) {
	return func(ctx context.Context, r *run) {
		sleep(ctx, after)
		r.dest.setDown(true)
		sleep(ctx, length)
		r.dest.setDown(false)
	}
}

const kills = 5

// killFiveTimes kills the router (SIGKILL) under load and starts it again, five times.
func killFiveTimes(pause time.Duration) func(context.Context, *run) {
	return func(ctx context.Context, r *run) {
		for range kills {
			sleep(ctx, pause)
			r.stop(syscall.SIGKILL)
			r.start(ctx)
		}
	}
}

// unackedLoss returns the most records that the kills may lose without acks: for each connection and kill, those that one
// read had brought and that were not appended, and those in the socket.
func unackedLoss(r *run) int {
	const read = 64 << 10 // bytes of one read
	buffered := 212992    // the kernel's default
	if text, err := os.ReadFile("/proc/sys/net/core/wmem_default"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			buffered = n
		}
	}
	return kills * r.load.conns * (read + buffered) / r.load.size
}

// termWhile429 stops the router (SIGTERM) while the destination refuses everything for a while, and starts it again.
func termWhile429(sc scale) func(context.Context, *run) {
	return func(ctx context.Context, r *run) {
		sleep(ctx, sc.pause)
		r.dest.setFaults(faults{refuse: 1, refuseWith: http.StatusTooManyRequests})
		time.AfterFunc(sc.throttle, func() { r.dest.setFaults(faults{}) })
		sleep(ctx, sc.pause/2)
		r.stop(syscall.SIGTERM)
		r.start(ctx)
	}
}

// termWhileDown stops the router (SIGTERM) while the destination is down. The destination is up again before the next start.
func termWhileDown(pause time.Duration) func(context.Context, *run) {
	return func(ctx context.Context, r *run) {
		sleep(ctx, pause)
		r.dest.setDown(true)
		sleep(ctx, pause)
		r.stop(syscall.SIGTERM)
		r.dest.setDown(false)
		r.start(ctx)
	}
}

// startWithBacklog takes the destination down until everything has been sent and the router has been stopped and started
// with all of it on disk.
func startWithBacklog(ctx context.Context, r *run) {
	r.dest.setDown(true)
	select {
	case <-r.loaded:
	case <-ctx.Done():
	}
	r.stop(syscall.SIGTERM)
	r.start(ctx)
	r.remark("bound %.1f ms after exec, with the whole backlog on disk", float64(r.process.bound.Microseconds())/1000)
	r.dest.setDown(false)
}

// stallOneClient adds a client that stops in the middle of a record until the load has been sent.
func stallOneClient(ctx context.Context, r *run) {
	conn, err := net.Dial("unix", r.socket)
	if err != nil {
		r.fail(err)
		return
	}
	defer conn.Close()
	whole := newShape("stalled", r.load, 0).append(nil, 0, 1, false)
	if _, err := conn.Write(whole[:len(whole)/2]); err != nil {
		r.fail(err)
	}
	select {
	case <-r.loaded:
	case <-ctx.Done():
	}
}

// openAndClose opens and closes 1,000 connections a second until the load has been sent. Every second one sends the start of
// a record.
func openAndClose(ctx context.Context, r *run) {
	const rate = 1000
	half := newShape("gone", r.load, 0).append(nil, 0, 1, false)[:20]
	start := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-r.loaded:
			if want := int(time.Since(start).Seconds()*rate*0.9) / max(1, r.slack); n < want {
				r.fail(fmt.Errorf("%d connections were opened; want %d", n, want))
			}
			return
		default:
		}
		sleep(ctx, time.Until(start.Add(time.Duration(n)*time.Second/rate)))
		conn, err := net.Dial("unix", r.socket)
		if err != nil {
			r.fail(err)
			return
		}
		if n%2 == 0 {
			_, err = conn.Write(half)
		}
		conn.Close()
		if err != nil {
			r.fail(err)
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
