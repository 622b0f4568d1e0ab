package buffer

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// padBy is how much of a growing file is written ahead, as zeros. The page cache takes an aligned write of this size as
// a few large pages, where appended batches, which are aligned to nothing, make it take many small ones; writing the
// batches over them, after that, costs less than the difference. A file that stays below it is not padded.
const padBy = int64(len(zeros))

var zeros [256 << 10]byte // it takes no memory as long as it is only read

// pad sees to it that there are pages up to an offset in the active segment's file. Where it fails, or there is no room,
// the frame finds its own.
func (q *Queue) pad(s *segment, to int64) {
	for q.padBy > 0 && s.size() < to {
		used := max(s.written, s.end.off+frameHeader)
		from := (used + q.padBy - 1) / q.padBy * q.padBy
		n := min(q.padBy, s.room-from)
		if from >= to || n <= 0 || q.size-s.size()+from+n+q.spareSize > q.stats.Limit {
			return
		}
		done, err := s.file.WriteAt(zeros[:n], from)
		q.size -= s.size()
		s.written = max(s.written, from+int64(done))
		q.size += s.size()
		if err != nil {
			return
		}
	}
}

// hasLargePages says whether ext4 has them in its page cache, which is since Linux 6.16.
func hasLargePages() bool {
	var u unix.Utsname
	if runtime.GOOS != "linux" || unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 6 || major == 6 && minor >= 16
}
