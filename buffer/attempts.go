package buffer

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
)

// attemptsName is the file in a queue's folder that says which records are being delivered, so that one that kills the process
// again and again can be told from all others. It has a place for each attempt in progress, and after these one for each that
// an earlier process died in:
//
//	 0 10  identity of the records; 2 bytes of zeros
//	12  8  position of the first one
//	20  4  how many they are; 0: no attempt
//	24  4  deaths, see Attempt
//	28  4  CRC-32C of the 28 bytes before
//
// An attempt costs two writes of 32 bytes into the page cache. Close removes the file, so that only a death leaves it.
const (
	attemptsName = "attempts"
	attemptSize  = 32
	maxAttempts  = 64 // of each kind; of earlier ones the latest are kept
)

// An Attempt is a run of records that are being delivered together.
type Attempt struct {
	Queue   [10]byte
	First   uint64 // position of the first record
	Records int
	Deaths  int // how often the process will have died in such an attempt, if it dies now

	attempted int // how many of the records this process has attempted
}

// overlap returns how many records of a are among n from first on.
func (a *Attempt) overlap(queue [10]byte, first uint64, n int) int {
	if a.Queue != queue {
		return 0
	}
	from, to := max(a.First, first), min(a.First+uint64(a.Records), first+uint64(n))
	return int(max(to, from) - from)
}

// openAttempts opens the file, and keeps what an earlier process was attempting when it died. Where that fails nothing is
// noted.
func (q *Queue) openAttempts(dir string) {
	f, err := os.OpenFile(filepath.Join(dir, attemptsName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return
	}
	b := make([]byte, 2*maxAttempts*attemptSize)
	n, _ := f.ReadAt(b, 0)
	var earlier, latest []Attempt
	for at := 0; at+attemptSize <= n; at += attemptSize {
		a, ok := parseAttempt(b[at:])
		switch {
		case !ok:
		case at < maxAttempts*attemptSize:
			latest = append(latest, a)
		default:
			earlier = append(earlier, a)
		}
	}
	same := func(a Attempt) bool {
		return slices.ContainsFunc(latest, func(b Attempt) bool { return a.Queue == b.Queue && a.First == b.First && a.Records == b.Records })
	}
	q.interrupted = append(slices.DeleteFunc(earlier, same), latest...)
	q.interrupted = q.interrupted[max(0, len(q.interrupted)-maxAttempts):]
	q.attempts = f
	clear(b)
	_, _ = f.WriteAt(b[:maxAttempts*attemptSize], 0)
	q.writeInterrupted()
}

// Interrupted returns the attempts that earlier processes died in and that have any of the n records from first on; all of them
// if n is 0.
func (q *Queue) Interrupted(queue [10]byte, first uint64, n int) (found []Attempt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range q.interrupted {
		if n == 0 || a.overlap(queue, first, n) > 0 {
			found = append(found, a)
		}
	}
	return found
}

// Attempted says that this process has attempted n records from first on, and lives. An attempt that an earlier one died in is
// forgotten when all of its records have been attempted.
func (q *Queue) Attempted(queue [10]byte, first uint64, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.interrupted)
	for i := range q.interrupted {
		a := &q.interrupted[i]
		a.attempted += a.overlap(queue, first, n)
	}
	q.interrupted = slices.DeleteFunc(q.interrupted, func(a Attempt) bool { return a.attempted >= a.Records })
	if len(q.interrupted) < before {
		q.writeInterrupted()
	}
}

func (q *Queue) writeInterrupted() {
	if q.attempts == nil {
		return
	}
	b := make([]byte, 0, maxAttempts*attemptSize)
	for _, a := range q.interrupted {
		b = a.append(b)
	}
	_, _ = q.attempts.WriteAt(b[:cap(b)], maxAttempts*attemptSize)
}

// Attempting notes, in a place of the file that the caller chooses, which records are being delivered from now on; the zero
// Attempt: none.
func (q *Queue) Attempting(place int, a Attempt) {
	if q.attempts == nil || place >= maxAttempts {
		return
	}
	var b [attemptSize]byte
	_, _ = q.attempts.WriteAt(a.append(b[:0]), int64(place)*attemptSize) // if it fails, a death will be blamed on no record
}

func (a *Attempt) append(b []byte) []byte {
	le := binary.LittleEndian
	start := len(b)
	b = append(append(b, a.Queue[:]...), 0, 0)
	b = le.AppendUint64(b, a.First)
	b = le.AppendUint32(b, uint32(a.Records))
	b = le.AppendUint32(b, uint32(a.Deaths))
	return le.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func parseAttempt(b []byte) (a Attempt, ok bool) {
	le := binary.LittleEndian
	copy(a.Queue[:], b)
	a.First, a.Records, a.Deaths = le.Uint64(b[12:]), int(le.Uint32(b[20:])), int(le.Uint32(b[24:]))
	return a, a.Records > 0 && crc32.Checksum(b[:28], castagnoli) == le.Uint32(b[28:])
}

// closeAttempts removes the file: no attempt is in progress.
func (q *Queue) closeAttempts() {
	if q.attempts != nil {
		_ = os.Remove(q.attempts.Name())
		_ = q.attempts.Close()
	}
}
