package main

import (
	"fmt"
	"path/filepath"
	"time"
)

// memoryPromise is the most memory (VmHWM) that firelane may ever take, in bytes.
const memoryPromise = 50 << 20

// check holds a run of firelane against what is promised, and notes what is broken.
func (r *result) check(s *scenario, dir string, like *result) {
	broken := func(ok bool, format string, args ...any) {
		if !ok {
			r.problems = append(r.problems, fmt.Sprintf(format, args...))
		}
	}
	broken(r.err == nil, "%v", r.err)
	broken(r.lost <= r.mayLose && r.lost >= 0, "%d records lost, %d may be", r.lost, r.mayLose)
	broken(r.duplicates <= r.mayDouble, "%d records doubled, of which the client repeated %d", r.duplicates, r.mayDouble)
	broken(r.peak <= memoryPromise, "%.1f MiB of memory", float64(r.peak)/(1<<20))
	broken(s.killed || r.needless == 0, "%d items sent again that had been answered for good", r.needless)
	broken(s.stopWithin == 0 || r.stop <= s.stopWithin, "the stop took %v, idle", r.stop)
	broken(s.faults == faults{} || r.struck > 0, "nothing went wrong: the load is too small for this row")
	if r.mayLose > 0 {
		r.remarks = append(r.remarks, fmt.Sprintf("%d lost without acks: at most what one read had brought and the sockets held, %d", r.lost, r.mayLose))
	}
	if r.duplicates > 0 {
		r.remarks = append(r.remarks, fmt.Sprintf("%d doubled, in chunks that the client repeated since a kill took their ack (%d records)", r.duplicates, r.mayDouble))
	}
	if like != nil {
		broken(r.rate() >= like.rate()*0.9, "%.0f records/s beside the dead output, %.0f without", r.rate(), like.rate())
		broken(r.p99 <= 2*like.p99+100*time.Millisecond, "p99 %v beside the dead output, %v without", r.p99, like.p99)
	}
	lives, err := readLives(filepath.Join(dir, "log"))
	broken(err == nil, "read the log: %v", err)
	r.problems = append(r.problems, checkAccounts(lives, s, r)...)
	r.problems = append(r.problems, checkDeadLetters(dir, r.dead, s.deadReason)...)
}

// rate is documents a second.
func (r *result) rate() float64 { return float64(r.documents) / r.took.Seconds() }
