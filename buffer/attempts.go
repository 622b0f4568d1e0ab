package buffer

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
)

// attemptsName is the file in a queue's folder that says which records are being delivered, so that one that kills the process
// again and again can be told from all others. It has a place for each attempt in progress:
//
//	 0 10  identity of the records; 2 bytes of zeros
//	12  8  position of the first one
//	20  4  how many they are; 0: no attempt
//	24  4  deaths, see Attempt
//	28  4  CRC-32C of the 28 bytes before
//
// An attempt costs two writes of 32 bytes into the page cache. Close removes the file: it is found after a death only.
const (
	attemptsName = "attempts"
	attemptSize  = 32
	maxAttempts  = 64 // places that are read
)

// An Attempt is a run of records that are being delivered together.
type Attempt struct {
	Queue   [10]byte
	First   uint64 // position of the first record
	Records int
	Deaths  int // how often in a row the process will have died in such an attempt, if it dies now
}

// Covers reports whether the record at pos is among those of a.
func (a *Attempt) Covers(queue [10]byte, pos uint64) bool {
	return a.Queue == queue && pos >= a.First && pos-a.First < uint64(a.Records)
}

// openAttempts opens the file, and keeps what an earlier process was attempting when it died. Where that fails nothing is
// noted.
func (q *Queue) openAttempts(dir string) {
	f, err := os.OpenFile(filepath.Join(dir, attemptsName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return
	}
	var b [maxAttempts * attemptSize]byte
	n, _ := f.ReadAt(b[:], 0)
	for at := b[:n]; len(at) >= attemptSize; at = at[attemptSize:] {
		if a, ok := parseAttempt(at); ok {
			q.interrupted = append(q.interrupted, a)
		}
	}
	if f.Truncate(0) != nil {
		f.Close()
		return
	}
	q.attempts = f
}

// Interrupted returns the attempts that an earlier process died in.
func (q *Queue) Interrupted() []Attempt { return q.interrupted }

// Attempting notes which records are being delivered from now on, in a place of the caller's; those of the zero Attempt are
// none.
func (q *Queue) Attempting(place int, a Attempt) {
	if q.attempts == nil || place >= maxAttempts {
		return
	}
	var b [attemptSize]byte
	le := binary.LittleEndian
	copy(b[:], a.Queue[:])
	le.PutUint64(b[12:], a.First)
	le.PutUint32(b[20:], uint32(a.Records))
	le.PutUint32(b[24:], uint32(a.Deaths))
	le.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
	_, _ = q.attempts.WriteAt(b[:], int64(place)*attemptSize) // if it fails, a death will be nobody's
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
