package pages

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Drop releases the pages of the executable that the start has read into the process's memory. The start initializes the packages of
// every destination, and most aren't needed again; a page that is comes back from the page cache. Errors are ignored.
func Drop() {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	found := false
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		line := lines.Text()
		if !strings.HasSuffix(line, " "+own) {
			if found { // the rest are the heap, the stack and the like
				return
			}
			continue
		}
		found = true
		if start, size, ok := readOnly(line); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, size, unix.MADV_DONTNEED)
		}
	}
}

// readOnly returns the memory that a line of /proc/self/maps is about, false if it can be written.
func readOnly(line string) (start, size uintptr, ok bool) {
	span, rest, _ := strings.Cut(line, " ")
	rights, _, _ := strings.Cut(rest, " ")
	from, to, _ := strings.Cut(span, "-")
	first, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	return uintptr(first), uintptr(end - first), err1 == nil && err2 == nil && end > first && !strings.Contains(rights, "w")
}
