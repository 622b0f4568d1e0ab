package buffer

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// padBy is how much of a growing file is filled with zeros ahead of what is appended, in bytes. The page cache takes an
// aligned write of this size as a few large pages. Batches are not aligned: appended to a file they take many small
// pages, which cost more than to write zeros first and the batches over them. A file that stays below padBy isn't filled.
const padBy = int64(len(zeros))

var zeros [256 << 10]byte // takes no memory, since it is only read

// pad fills the active segment's file up to the offset to, or further. If that fails, or there is no room for it, the file
// grows as frames are appended.
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

// hasLargePages reports whether ext4 has large pages in its page cache: since Linux 6.16. With other kernels, and other
// file systems, filling ahead gains nothing.
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
