package main

import (
	"context"
	"slices"
	"time"
)

// steadily is the neighbour's load in most attacks.
var steadily = load{rate: 20_000, conns: 4, size: 250, batch: true}

// withCount passes n to an attack.
func withCount(during func(*arena, context.Context, int), n int) func(context.Context, *arena) {
	return func(ctx context.Context, a *arena) { during(a, ctx, n) }
}

// attacks returns the rows of the table of attacks.
func attacks() []attack {
	return slices.Concat(recordAttacks(), memoryAttacks(), inputAttacks(), processAttacks(), answerAttacks())
}

// recordAttacks are records and outputs that would stop the others.
func recordAttacks() []attack {
	slowly, backlog := steadily, steadily
	slowly.rate = 5_000
	backlog.records, backlog.rate = 5_000, 0
	return []attack{
		{name: "refused-for-now", help: "every 1,000th record is refused for now until the end", load: steadily,
			during: refuseEvery(1000), promises: attackPromises{waits: 1000}},
		{name: "nul-bytes", help: "4 MiB of NUL bytes as one record, and in the parts of Docker's driver", load: slowly,
			during: writeNULs, promises: attackPromises{poison: true}},
		{name: "no-write-index", help: "another output's alias has no write index for as long as the attack lasts", load: steadily,
			victim: load{records: 40_000, rate: 10_000, conns: 1, size: 250, batch: true}, during: refuseIndex},
		{name: "outputs-reordered", help: "a restart with a backlog and the outputs in another order", load: steadily,
			victim: backlog, between: restartReordered},
		{name: "full-twin", help: "a dead output of the same records, whose queue has a limit and is full", load: steadily,
			twins: 1, setup: limitTwin, during: twinsDown, promises: attackPromises{drops: true}},
		{name: "full-disk-twin", help: "a dead output of the same records, whose queue is full without a limit, on a small disk", load: steadily,
			twins: 1, setup: smallDisk(24), between: twinsDownForLong, promises: attackPromises{drops: true}},
		{name: "full-disk-outputs", help: "ten outputs of the same records on a small disk, which the backlogs of nine dead ones fill", load: slowly,
			twins: 9, setup: smallDisk(8), between: twinsDownForLong, promises: attackPromises{drops: true}},
	}
}

// memoryAttacks are clients and destinations that would take all memory, connections or descriptors.
func memoryAttacks() []attack {
	slowly, large := steadily, load{rate: 100, conns: 2, size: 40 << 10}
	slowly.rate = 10_000
	signed := steadily
	return []attack{
		{name: "ten-outputs", help: "ten outputs of the same records, nine of them down for the attack", load: slowly, twins: 9, during: twinsDown},
		{name: "zstd-windows", help: "200 connections in the middle of a zstd frame", load: steadily, during: holdZstd},
		{name: "half-records", help: "1,000 connections with 31 KB of a record each, on two inputs", load: steadily,
			setup: secondInput, during: holdHalves},
		{name: "unread-acks", help: "900 clients that never read their acks", load: steadily, setup: nullOutput, during: holdAcks},
		{name: "made-up-tags", help: "400 connections with 1,000 tags each", load: steadily, setup: nullOutput, during: sendTags},
		{name: "slow-admin", help: "4,000 slow clients of the HTTP server", load: steadily, setup: withAdmin, during: withCount((*arena).holdAdmin, 4000)},
		{name: "large-events", help: "four honest records of 5 MB, and eight clients that drip large ones", load: large,
			victim: load{records: 4, conns: 2, size: 5_000_000}, during: dripLarge},
		{name: "large-dead", help: "records of 3 MB for ten outputs, nine of them down for the attack", load: load{rate: 4, conns: 2, size: 3_000_000}, twins: 9,
			during: twinsDown},
		{name: "one-byte-pieces", help: "a record of six million values, the last ones byte by byte", load: steadily, during: sendPieces, promises: attackPromises{busy: .5}},
		{name: "handshakes", help: "1,024 connections that drip a handshake", load: signed, setup: withSharedKey, during: withCount((*arena).dripHandshakes, 1024)},
		{name: "few-descriptors", help: "600 idle connections where there are 512 descriptors", load: steadily, setup: fewDescriptors, during: holdIdle},
	}
}

// processAttacks are what is done to the process.
func processAttacks() []attack {
	return []attack{
		{name: "second-start", help: "firelane is started again, as docker exec does", load: steadily, during: startAgain},
		{name: "unread-log", help: "nobody reads the router's log, then its reader goes away", load: steadily, setup: logToPipe, during: leaveLog,
			promises: attackPromises{noLog: true, stopWithin: 10 * time.Second}},
		{name: "signals", help: "SIGHUP and SIGUSR1 under load, then docker stop with silent clients", load: steadily, setup: defaultGrace, during: sendSignals,
			promises: attackPromises{stopWithin: 10 * time.Second}},
		{name: "spoofed-heartbeat", help: "forged UDP datagrams from the router's own address", load: steadily, setup: fluentdHeartbeat, during: spoofHeartbeat, after: mustBeIdle, promises: attackPromises{busy: .5}},
		{name: "queue-removed", help: "the queue's folder is removed, three times", load: steadily, during: removeQueue},
	}
}

// answerAttacks are what another output's destination answers.
func answerAttacks() []attack {
	victim := load{records: 10_000, rate: 5_000, conns: 1, size: 250, batch: true}
	resets := load{records: 3_000, conns: 1, size: 2000, batch: true}
	return []attack{
		{name: "nested-causes", help: "replies of 17 MiB of nested caused_by", load: steadily, victim: victim, during: answerWith(nestedCauses())},
		{name: "switching-protocols", help: "101 Switching Protocols, and an open connection", load: steadily, victim: victim, during: answerWith(switchProtocols)},
		{name: "endless-body", help: "replies without end", load: steadily, victim: victim, during: answerWith(endlessBody), promises: attackPromises{busy: .6}},
		{name: "empty-200", help: "200 with an empty body", load: steadily, victim: victim, during: answerWith(emptyReply), after: mustNameServer},
		{name: "metadata-proxy", help: "HTTP_PROXY set, and a task's credentials at 169.254.170.2", load: steadily, victim: victim, network: true, setup: withProxy, after: mustNotAskProxy},
		{name: "resets", help: "requests over 600 kB are reset", load: steadily, victim: resets, during: answerWith(resetLarge), promises: attackPromises{during: true}},
	}
}
