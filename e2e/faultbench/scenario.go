package main

import (
	"context"
	"net/http"
	"syscall"
	"time"
)

// A scenario is one row: a load, what goes wrong, and what is done to the router meanwhile.
type scenario struct {
	name    string
	help    string
	load    load
	faults  faults
	options map[string]string // of the output, over the common ones
	parse   bool              // with the parser filter for JSON lines
	dead    func(records int) int
	during  func(ctx context.Context, r *run)
	timeout time.Duration
}

// at20k is the load that most faults are tried under.
func at20k(records int) load {
	return load{records: records, rate: 20_000, conns: 4, size: 250, batch: true}
}

// scenarios are the rows, for a base of so many records.
func scenarios(records int) []scenario {
	steady := at20k(records)
	single := steady
	single.batch = false
	acked := steady
	acked.acks = true
	full := steady
	full.rate, full.records = 0, records*20/3
	small := steady
	small.records = 100

	return []scenario{
		{name: "none-full-speed", help: "nothing wrong, full speed", load: full},
		{name: "none-single", help: "nothing wrong, one write a record", load: single},
		{name: "requests-429", help: "30 % of requests answered 429", load: steady, faults: faults{refuse: .3, refuseWith: http.StatusTooManyRequests}},
		{name: "requests-503", help: "30 % of requests answered 503", load: steady, faults: faults{refuse: .3, refuseWith: http.StatusServiceUnavailable}},
		{name: "hang", help: "10 % of requests never answered for 60 s", load: steady, faults: faults{hang: .1, hangFor: time.Minute}, timeout: 15 * time.Minute},
		{name: "items-429", help: "5 % of items answered 429 inside a 200", load: steady, faults: faults{items429: .05}},
		{name: "replies-lost", help: "20 % of replies lost after the body was taken", load: steady, faults: faults{lose: .2}},
		{name: "poison", help: "of each 100 documents one 400, one 429", load: small, faults: faults{poison: true}, dead: func(n int) int { return n / 100 }},
		{name: "down", help: "destination down for 60 s", load: steady, during: downFor(2*time.Second, time.Minute)},
		{name: "kill-acks", help: "kill -9 five times, with acks", load: acked, during: killFiveTimes},
		{name: "kill", help: "kill -9 five times, without acks", load: steady, during: killFiveTimes},
		{name: "term", help: "SIGTERM under load while the destination answers 429 for 10 s", load: steady, during: termWhile429},
		{name: "long-reply", help: "replies of 20 MB", load: steady, faults: faults{items429: .01, longReply: 20 << 20}},
		{name: "too-large", help: "a limit of 1 MB at the server", load: steady, faults: faults{maxBody: 1 << 20}},
		{name: "clients-200", help: "200 clients at once, full speed", load: func() load { l := full; l.conns, l.records = 200, records*2; return l }()},
	}
}

// downFor takes the destination away after a while, and gives it back.
func downFor(after, length time.Duration) func(context.Context, *run) {
	return func(ctx context.Context, r *run) {
		sleep(ctx, after)
		r.dest.setDown(true)
		sleep(ctx, length)
		r.dest.setDown(false)
	}
}

// killFiveTimes kills the router with no warning while it is loaded, and starts it again.
func killFiveTimes(ctx context.Context, r *run) {
	for range 5 {
		sleep(ctx, 2*time.Second)
		r.restart(ctx, syscall.SIGKILL)
	}
}

// termWhile429 asks the router to stop while the destination refuses everything for 10 s, and starts it again.
func termWhile429(ctx context.Context, r *run) {
	sleep(ctx, 3*time.Second)
	r.dest.setFaults(faults{refuse: 1, refuseWith: http.StatusTooManyRequests})
	time.AfterFunc(10*time.Second, func() { r.dest.setFaults(faults{}) })
	sleep(ctx, time.Second)
	r.restart(ctx, syscall.SIGTERM)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
