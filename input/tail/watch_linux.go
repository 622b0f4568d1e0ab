package tail

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/rs/zerolog"
)

// maxWatches is how many folders are watched; files in others are checked four times a second.
const maxWatches = 1024

const watchMask = syscall.IN_MODIFY | syscall.IN_CREATE | syscall.IN_MOVED_TO | syscall.IN_MOVED_FROM | syscall.IN_DELETE |
	syscall.IN_CLOSE_WRITE | syscall.IN_ONLYDIR

// A notifier tells of changes in folders, by inotify.
type notifier struct {
	file  *os.File
	links map[string]string // by the real path of a file that is followed by a symbolic link: that link
	wakes chan struct{}
	ended chan struct{}
	bad   bool // folders can't be watched

	mu      sync.Mutex
	folders map[int32]string
	watched map[string]int32
	names   map[change]struct{}
	lost    bool
}

// newWatcher returns a watcher of no folder. Where the system has no inotify left, it tells nothing.
func newWatcher(log zerolog.Logger) watcher {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		log.Warn().Err(err).Msg("folders can't be watched: files are checked four times a second")
		return watcher{}
	}
	n := &notifier{
		file: os.NewFile(uintptr(fd), "inotify"), wakes: make(chan struct{}, 1), ended: make(chan struct{}),
		folders: map[int32]string{}, watched: map[string]int32{}, names: map[change]struct{}{}, links: map[string]string{},
	}
	go n.read()
	return watcher{notifier: n}
}

func (n *notifier) works() bool { return !n.bad }

// changed tells that there is something to take; nil, which never does, where nothing is watched.
func (w *watcher) changed() <-chan struct{} {
	if w.notifier == nil {
		return nil
	}
	return w.wakes
}

// close ends the watcher and waits for its goroutine.
func (w *watcher) close() {
	if w.notifier != nil {
		_ = w.file.Close()
		<-w.ended
	}
}

// update watches these folders, and no others. It reports whether there is one that it has not watched before.
func (w *watcher) update(folders []string) (added bool) {
	if w.notifier == nil {
		return false
	}
	n := w.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted := map[string]bool{}
	n.bad = false
	for _, dir := range folders {
		if len(wanted) == maxWatches {
			n.bad = true
			break
		}
		wanted[dir] = true
		raw, err := n.file.SyscallConn()
		if err != nil {
			n.bad = true
			break
		}
		wd := -1
		_ = raw.Control(func(fd uintptr) { wd, err = syscall.InotifyAddWatch(int(fd), dir, watchMask) })
		if err != nil {
			n.bad = n.bad || !errors.Is(err, fs.ErrNotExist)
			continue
		}
		was, ok := n.watched[dir]
		if ok && was != int32(wd) { // another folder is there now
			n.remove(dir, was)
		}
		added = added || !ok || was != int32(wd)
		n.folders[int32(wd)], n.watched[dir] = dir, int32(wd)
	}
	for dir, wd := range n.watched {
		if !wanted[dir] {
			n.remove(dir, wd)
		}
	}
	return added
}

func (n *notifier) remove(dir string, wd int32) {
	delete(n.watched, dir)
	if n.folders[wd] != dir {
		return // the folder is watched under another name, too
	}
	delete(n.folders, wd)
	if raw, err := n.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = syscall.InotifyRmWatch(int(fd), uint32(wd)) })
	}
}

// take returns what has changed since the last call.
func (n *notifier) take() (names map[change]struct{}, lost bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	lost, n.lost = n.lost, false
	if len(n.names) == 0 {
		return nil, lost
	}
	names, n.names = n.names, map[change]struct{}{}
	return names, lost
}

// read reads events until the file is closed.
func (n *notifier) read() {
	defer close(n.ended)
	var buf [32 << 10]byte
	for {
		size, err := n.file.Read(buf[:])
		if err != nil {
			return
		}
		n.events(buf[:size])
		select {
		case n.wakes <- struct{}{}:
		default:
		}
	}
}

// events takes events as inotify(7) describes them: descriptor, mask, cookie, length of the name, the name.
func (n *notifier) events(b []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(b) >= syscall.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		size := binary.NativeEndian.Uint32(b[12:])
		b = b[syscall.SizeofInotifyEvent:]
		if uint64(size) > uint64(len(b)) {
			return
		}
		name := strings.TrimRight(string(b[:size]), "\x00")
		b = b[size:]
		switch {
		case mask&syscall.IN_Q_OVERFLOW != 0 || len(n.names) >= maxChanged:
			n.lost = true
		case mask&syscall.IN_IGNORED != 0: // the folder is gone
			delete(n.watched, n.folders[wd])
			delete(n.folders, wd)
			n.lost = true
		case name != "" && n.folders[wd] != "":
			created := mask&(syscall.IN_CREATE|syscall.IN_MOVED_TO|syscall.IN_MOVED_FROM|syscall.IN_DELETE) != 0
			n.names[change{n.folders[wd], filepath.Base(name), created}] = struct{}{}
		}
	}
}
