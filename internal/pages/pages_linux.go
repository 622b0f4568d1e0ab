package pages

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// headSize is how much of an executable is read: its header, and the list of its segments.
const headSize = 4 << 10

var mayDrop = sync.OnceValue(func() bool { return isUnwritten("/proc/self/exe") })

// isUnwritten reports whether an executable's pages that can't be written are those of the file. In a position-independent one they
// have addresses that the start has put there, and then protected (RELRO): they would come back without these.
func isUnwritten(exe string) bool {
	f, err := os.Open(exe)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return false
	}
	return hasNoAddresses(head[:n])
}

// hasNoAddresses is isUnwritten for the beginning of an executable, see elf(5). What it doesn't know is false.
func hasNoAddresses(head []byte) bool {
	const (
		class64 = "\x7fELF\x02\x01" // little-endian
		exec    = 2                 // ET_EXEC
		relro   = 0x6474e552        // PT_GNU_RELRO
	)
	le := binary.LittleEndian
	if len(head) < 64 || string(head[:len(class64)]) != class64 || le.Uint16(head[16:]) != exec {
		return false
	}
	at, size := le.Uint64(head[32:]), uint64(le.Uint16(head[54:]))
	for range le.Uint16(head[56:]) {
		if at > uint64(len(head)-4) || le.Uint32(head[at:]) == relro {
			return false
		}
		at += size
	}
	return true
}

// Drop releases the pages of the executable that the start has read into the process's memory. The start initializes the packages of
// every destination, and most aren't needed again; a page that is comes back from the page cache. Errors are ignored.
func Drop() {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil || !mayDrop() {
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
