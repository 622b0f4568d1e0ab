package main

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// A scenario is one row of the table: a load, the destination's faults, and what happens to the router meanwhile.
type scenario struct {
	name     string
	help     string
	load     load
	faults   faults
	options  map[string]string // of the output, added to the common ones
	service  *service          // that the destinations speak; nil: _bulk
	copies   int               // further outputs that get the same records, each with a destination of its own
	beside   []*service        // that further outputs speak, each with a destination of its own that gets the same records
	twin     *service          // that the dead output speaks; nil: _bulk
	deadTwin bool              // there is a second output, whose destination never answers
	parse    bool              // there is a parser filter for JSON lines
	filters  string            // further filters, as sections
	filter   string            // of these, that a router may lack; the row is skipped then
	rerouted bool              // the filters give every record another tag
	grace    time.Duration     // for the router's stop; 0: its default
	memory   int64             // limit of the router's cgroup in bytes; 0: no cgroup
	during   func(ctx context.Context, r *run)
	timeout  time.Duration
	noFaults bool // the destination never fails
	slack    int  // how many times slower than promised a busy machine may be; at least 1
	own      bool // firelane only
	real     bool // firelane only; the destination passes requests on to a real OpenSearch, which make test installs
	promises
}

// promises are what firelane must keep in this row. In all rows: no record is lost or duplicated, none is sent again
// without need, the accounts agree, and memory stays below memoryPromise.
type promises struct {
	dead        func(records int) int // number of dead letters; nil: 0
	deadReason  string                // text in each dead letter's line
	killed      bool                  // the router is killed: it leaves no accounts, and sends what was in flight again
	mayLose     func(*run) int        // most records that may be lost until now; nil: 0
	stopWithin  time.Duration         // limit of the last stop, when the router is idle; 0: none
	compareWith string                // a row with about the same rate and latency
}

// A scale is how large and how long the rows are.
type scale struct {
	records                int
	pause                  time.Duration // before something is done to the router, and between
	outage, throttle, hang time.Duration
	grace                  time.Duration // after six tenths of it clients are disconnected: the load must have ended by then
	slack                  int           // of each row
}

var (
	fullScale  = scale{pause: 2 * time.Second, outage: time.Minute, throttle: 10 * time.Second, hang: time.Minute, grace: 25 * time.Second, slack: 1}
	shortScale = scale{pause: 250 * time.Millisecond, outage: 4 * time.Second, throttle: 2 * time.Second, hang: 2 * time.Second, grace: 16 * time.Second, slack: 10}
)

// at20k is the load in most rows with faults.
func at20k(records int) load {
	return load{records: records, rate: 20_000, conns: 4, size: 250, batch: true}
}

// scenarios returns the rows with faults.
func scenarios(sc scale) []scenario {
	steady := at20k(sc.records)
	single := steady
	single.batch = false
	acked := steady
	acked.acks = true
	full := steady
	full.rate, full.records = 0, sc.records*20/3
	small := steady
	small.records = 100
	crowd := full
	crowd.conns, crowd.records = 200, sc.records*2
	oneHuge := steady
	oneHuge.huge = 2 << 20
	little := single
	little.records, little.rate, little.conns = 1000, 2000, 1

	return []scenario{
		{name: "none-full-speed", help: "no faults, full speed", load: full},
		{name: "none-single", help: "no faults, one write a record", load: single},
		{name: "requests-429", help: "30 % of requests answered 429", load: steady, faults: faults{refuse: .3, refuseWith: http.StatusTooManyRequests}},
		{name: "requests-503", help: "30 % of requests answered 503", load: steady, faults: faults{refuse: .3, refuseWith: http.StatusServiceUnavailable}},
		{name: "hang", help: "10 % of requests never answered", load: steady, faults: faults{hang: .1, hangFor: sc.hang}, timeout: 30 * time.Minute},
		{name: "items-429", help: "5 % of items answered 429 inside a 200", load: steady, faults: faults{items429: .05}},
		{name: "replies-lost", help: "20 % of replies lost after the body was indexed", load: steady, faults: faults{lose: .2}},
		{name: "poison", help: "of each 100 documents one 400, one 429, one 409", load: small, faults: faults{poison: true},
			promises: promises{dead: func(n int) int { return n / 100 }, deadReason: "failed to parse field [log]"}},
		{name: "down", help: "destination down", load: steady, during: downFor(sc.pause, sc.outage)},
		{name: "kill-acks", help: "kill -9 five times, with acks", load: acked, during: killFiveTimes(sc.pause), promises: promises{killed: true}},
		{name: "kill", help: "kill -9 five times, without acks", load: single, during: killFiveTimes(sc.pause), promises: promises{killed: true, mayLose: unackedLoss}},
		{name: "term", help: "SIGTERM under load while the destination answers 429", load: steady, grace: sc.grace, during: termWhile429(sc)},
		{name: "term-down", help: "SIGTERM under load, destination down until the next start", load: steady, grace: sc.grace, during: termWhileDown(sc.pause)},
		{name: "idle", help: "SIGTERM when idle", load: little, promises: promises{stopWithin: 100 * time.Millisecond}},
		{name: "long-reply", help: "replies of 20 MB", load: steady, faults: faults{items429: .01, longReply: 20 << 20}},
		{name: "too-large", help: "a limit of 1 MB at the server", load: full, faults: faults{maxBody: 1_000_000}},
		{name: "one-huge", help: "the same, and one record of 2 MB", load: oneHuge, faults: faults{maxBody: 1_000_000},
			promises: promises{dead: func(int) int { return 1 }, deadReason: "the destination refuses a request of"}},
		{name: "clients-200", help: "200 clients at once, full speed", load: crowd},
		{name: "client-stalls", help: "a client that stalls in the middle of a record", load: steady, during: stallOneClient},
		{name: "clients-come-and-go", help: "1,000 connections opened and closed a second", load: steady, during: openAndClose},
		{name: "one-output", help: "one output, to compare the next row with", load: steady},
		{name: "four-services", help: "OpenSearch, CloudWatch Logs, Firehose and Datadog at once, to compare the next row with", load: steady,
			beside: []*service{serviceNamed("cloudwatch_logs"), serviceNamed("datadog"), serviceNamed("kinesis_firehose")}},
		{name: "four-one-dead", help: "the same, Firehose dead for the whole run", load: steady, deadTwin: true, twin: serviceNamed("kinesis_firehose"),
			beside: []*service{serviceNamed("cloudwatch_logs"), serviceNamed("datadog")}, grace: 2 * time.Second, promises: promises{compareWith: "four-services"}},
		{name: "dead-twin", help: "a second output, dead for the whole run", load: steady, deadTwin: true, grace: 2 * time.Second, promises: promises{compareWith: "one-output"}},
	}
}

// The load of outage: 5 MB/s of log lines.
const (
	outageLine = 1000
	outageRate = 5000
	outageEdge = 5 * time.Second // before the outage and after it
)

// outage returns one row: a long outage of the destination under a constant load, with the router in a cgroup of 64 MiB.
func outage(length time.Duration) []scenario {
	l := load{records: int((length + 2*outageEdge).Seconds() * outageRate), rate: outageRate, conns: 1, size: outageLine}
	return []scenario{{name: "outage", help: "destination down for " + length.String() + " at 5 MB/s, in 64 MiB", load: l, memory: attackMemory,
		during: downFor(outageEdge, length), timeout: 3*length + 10*time.Minute}}
}

// serviceScenarios returns the rows with faults for every destination that doesn't speak _bulk.
func serviceScenarios(sc scale, kafka *cluster) []scenario {
	steady := at20k(sc.records)
	acked := steady
	acked.acks = true
	var rows []scenario
	for _, svc := range slices.Concat(services(), []*service{sumologic(), remoteWrite(), kafkaService(kafka)}, streamServices(), datagramServices()) {
		kinds := []scenario{
			{name: "none", help: "no faults", load: steady},
			{name: "429", help: "half of the requests answered 429", load: steady, faults: faults{refuse: .5, refuseWith: http.StatusTooManyRequests}},
			{name: "503", help: "half of the requests answered 503", load: steady, faults: faults{refuse: .5, refuseWith: http.StatusServiceUnavailable}},
			{name: "hang", help: "half of the requests never answered", load: steady, faults: faults{hang: .5, hangFor: sc.hang / 6}},
			{name: "lost", help: "half of the replies lost after the body was taken", load: steady, faults: faults{lose: .5}},
			{name: "down", help: "destination down", load: steady, during: downFor(sc.pause, sc.outage/4)},
			{name: "kill", help: "kill -9 five times, with acks", load: acked, during: killFiveTimes(sc.pause), promises: promises{killed: true}},
			{name: "term", help: "SIGTERM under load while the destination answers 429", load: steady, grace: sc.grace, during: termWhile429(sc)},
		}
		kinds = slices.DeleteFunc(kinds, func(s scenario) bool { return !svc.canHave(s.name) })
		if svc.refused != nil {
			kinds = append(kinds, scenario{name: "items", help: "5 % of items refused in a 200", load: steady, faults: faults{items429: .05}})
		}
		for _, row := range kinds {
			row.own = svc.options["@type"] != "" || svc.metrics
			row.name, row.help, row.service = svc.name+"-"+row.name, svc.name+": "+row.help, svc
			if svc.datagrams != nil {
				row.mayLose = unreadDatagrams
			}
			if svc.name == "s3" {
				row.options = map[string]string{"total_file_size": "1M", "compression": "none"} // enough objects for faults
			}
			rows = append(rows, row)
		}
	}
	return rows
}
