package main

import (
	"fmt"
	"path/filepath"
	"time"
)

// memoryPromise is the most memory (VmHWM) that firelane may use, in bytes.
const memoryPromise = 50 << 20

// check compares a run of firelane with the promises, and adds those that it broke to problems. reference is the result of
// the row s.compareWith, nil if there is none.
func (r *result) check(s *scenario, dir string, reference *result) {
	must := func(ok bool, format string, args ...any) {
		if !ok {
			r.problems = append(r.problems, fmt.Sprintf(format, args...))
		}
	}
	must(r.err == nil, "%v", r.err)
	must(r.lost <= r.mayLose && r.lost >= 0, "%d records lost; want at most %d", r.lost, r.mayLose)
	must(r.duplicates <= r.mayDuplicate, "%d records duplicated, of which the client repeated %d", r.duplicates, r.mayDuplicate)
	must(r.peak <= memoryPromise, "%.1f MiB of memory; want at most %d", float64(r.peak)/(1<<20), memoryPromise>>20)
	must(s.killed || r.needless == 0 || s.service != nil && s.service.silent, "%d items sent again although they had been answered for good", r.needless)
	slack := max(1, s.slack)
	must(s.stopWithin == 0 || r.stop <= s.stopWithin*time.Duration(slack), "stopping an idle router took %v", r.stop)
	must(s.faults == faults{} || r.faulty > 0, "no fault occurred: the load is too small for this row")
	switch {
	case s.service != nil && s.service.datagrams != nil:
		r.remarks = append(r.remarks, fmt.Sprintf("%d lost, of at most %d datagrams for which the service's sockets had no room, or that were in them when they were closed", r.lost, r.mayLose))
	case r.mayLose > 0:
		r.remarks = append(r.remarks, fmt.Sprintf("%d lost without acks, of at most %d that one read had brought and the sockets held", r.lost, r.mayLose))
	}
	switch {
	case r.duplicates > 0 && s.service != nil:
		r.remarks = append(r.remarks, fmt.Sprintf("%d duplicated, of which the service took the first without the router knowing", r.duplicates))
	case r.duplicates > 0:
		r.remarks = append(r.remarks, fmt.Sprintf("%d duplicated, in chunks that the client repeated because a kill lost their acks (%d records)", r.duplicates, r.mayDuplicate))
	}
	if reference != nil {
		must(r.rate()*float64(slack) >= reference.rate()*0.9, "%.0f records/s with the dead output, %.0f without", r.rate(), reference.rate())
		must(r.p99 <= (2*reference.p99+100*time.Millisecond)*time.Duration(slack), "p99 %v with the dead output, %v without", r.p99, reference.p99)
	}
	logs, err := readLogs(filepath.Join(dir, "log"))
	must(err == nil, "read the log: %v", err)
	r.problems = append(r.problems, checkAccounts(logs, s, r)...)
	if !s.noFaults && r.err == nil {
		must(r.scrape != nil && r.scrapes > 1 && len(logs) > 0, "/metrics was read %d times", r.scrapes)
		if r.scrape != nil && len(logs) > 0 {
			r.problems = append(r.problems, r.scrape.compare(&logs[len(logs)-1])...)
		}
	}
	r.problems = append(r.problems, checkDeadLetters(dir, r.dead, s.deadReason)...)
}

// rate returns the documents indexed per second.
func (r *result) rate() float64 { return float64(r.documents) / r.took.Seconds() }

// add adds what another output's destination lost and got twice, or got without need.
func (o *outcome) add(other outcome) {
	o.lost += other.lost
	o.duplicates += other.duplicates
	o.needless += other.needless
	o.faulty += other.faulty
}
