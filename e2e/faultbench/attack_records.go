package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/firelane/firelane/record"
)

// Errors of items that an operator repairs.
const (
	blockedIndex = `{"type":"cluster_block_exception","reason":"index [web-2026] blocked by: [FORBIDDEN/8/index write (api)];"}`
	noWriteIndex = `{"type":"illegal_argument_exception","reason":"no write index is defined for alias [web]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index"}`
)

// refuseEvery has the neighbour's own destination refuse every nth record for now.
func refuseEvery(nth int64) func(context.Context, *arena) {
	return func(ctx context.Context, a *arena) {
		a.dest.setItemFault(func(n int64) (int, string) {
			if n%nth == 7 {
				return http.StatusForbidden, blockedIndex
			}
			return 0, ""
		})
		<-ctx.Done()
	}
}

// refuseIndex has the other destination refuse every record as if its alias had no write index.
func refuseIndex(ctx context.Context, a *arena) {
	a.other.setItemFault(func(int64) (int, string) { return http.StatusBadRequest, noWriteIndex })
	<-ctx.Done()
}

// The record of writeNULs, and the parts that Docker's driver makes of it.
const (
	nulBytes = 4<<20 - 4096
	partSize = 16 << 10
)

// writeNULs sends a record of 4 MiB of NUL bytes, as a whole and in parts.
func writeNULs(ctx context.Context, a *arena) {
	nul := make([]byte, nulBytes)
	whole := appendNULs(nulBytes)
	var parts []byte
	now := time.Now() // all parts have the same
	for n := 1; len(nul) > 0; n++ {
		part := nul[:min(partSize, len(nul))]
		nul = nul[len(part):]
		parts = appendEvent(parts, now, "app0", 8, func(b []byte) []byte {
			b = record.AppendStrBytes(record.AppendStr(b, "log"), part)
			for _, m := range [][2]string{{"container_id", "c0ffee"}, {"container_name", "/app"}, {"source", "stdout"}, {"partial_message", "true"}, {"partial_id", "c0ffee"}, {"partial_ordinal", strconv.Itoa(n)},
				{"partial_last", strconv.FormatBool(len(nul) == 0)}} {
				b = record.AppendStr(record.AppendStr(b, m[0]), m[1])
			}
			return b
		})
	}
	a.hold(ctx, 1, "unix", a.socket, whole)
	a.hold(ctx, 1, "unix", a.socket, parts)
	<-ctx.Done()
}

// appendNULs returns a message with a record of n NUL bytes.
func appendNULs(n int) []byte {
	return appendEvent(nil, time.Now(), "app0", 1, func(b []byte) []byte { return record.AppendStrBytes(record.AppendStr(b, "log"), make([]byte, n)) })
}

// appendEvent appends a message of one event, whose map has n members.
func appendEvent(dst []byte, at time.Time, tag string, n int, members func([]byte) []byte) []byte {
	dst = record.AppendStr(record.AppendArrayHeader(dst, 3), tag)
	dst = record.AppendTime(dst, record.Time{Sec: uint32(at.Unix()), Nsec: uint32(at.Nanosecond())})
	return members(record.AppendMapHeader(dst, n))
}

// restartReordered stops the router with a backlog for the other destination, and starts it with the outputs in reverse order.
func restartReordered(ctx context.Context, a *arena) {
	a.other.setDown(true)
	a.fail(a.second.run(ctx))
	a.end()
	slices.Reverse(a.outputs)
	a.configure()
	a.other.setDown(false)
	a.start(ctx)
}

// limitTwin limits the queue of the dead output, as Fluent Bit's users do.
func limitTwin(a *arena) error {
	maps.Copy(a.outputs[1], map[string]string{"storage.total_limit_size": "2M"})
	return nil
}

// smallDisk has the router's queues on a disk of so many MiB, of which a queue takes a quarter by default.
func smallDisk(mib int) func(*arena) error {
	return func(a *arena) error {
		queue := filepath.Join(a.dir, "queue")
		a.mounts, a.before = true, fmt.Sprintf("mount --make-rprivate /; mount -t tmpfs -o size=%dm none %s;", mib, queue)
		return os.Mkdir(queue, 0o700)
	}
}

// twinsDownForLong takes the twins down some seconds before the attack, so that the router has noticed it.
func twinsDownForLong(ctx context.Context, a *arena) {
	for _, d := range a.copies {
		d.setDown(true)
	}
	sleep(ctx, 6*time.Second)
}

// twinsDown takes the destinations of the twins down.
func twinsDown(ctx context.Context, a *arena) {
	for _, d := range a.copies {
		d.setDown(true)
	}
	<-ctx.Done()
}

// startAgain starts the router a second time, several times.
func startAgain(ctx context.Context, a *arena) {
	for range 3 {
		second := command(a.router, a.config, a.group, "")
		done := time.AfterFunc(5*time.Second, func() { _ = second.Process.Signal(syscall.SIGKILL) })
		out, err := second.CombinedOutput()
		done.Stop()
		if err == nil || second.ProcessState.ExitCode() < 0 {
			a.fail(fmt.Errorf("the second start ended with %v, want an error: %.300s", second.ProcessState, out))
		}
		sleep(ctx, a.sc.length/6)
	}
	a.newcomer(ctx, time.Second)
}
