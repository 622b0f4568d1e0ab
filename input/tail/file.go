package tail

import (
	"container/list"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// printSize is how many bytes at the beginning of a file are its fingerprint.
	printSize = 256
	// minPrint is how many of them a copy must have, to be taken for one.
	minPrint = 16
	// maxSearch is how many files of a folder are examined to find one that was renamed or copied.
	maxSearch = 10_000
)

// A fingerprint is a checksum of a file's first bytes, of as many as were read when it was made.
type fingerprint struct {
	size int
	hash uint64
}

// printOf makes the fingerprint of the first bytes of f.
func printOf(f io.ReaderAt, size int) (fingerprint, error) {
	if size == 0 {
		return fingerprint{}, nil
	}
	var buf [printSize]byte
	b := buf[:min(size, printSize)]
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return fingerprint{}, err
	}
	h := fnv.New64a()
	_, _ = h.Write(b)
	return fingerprint{len(b), h.Sum64()}, nil
}

// A file is one that is followed.
type file struct {
	place                          // its offset is that of the lines that were added
	at      string                 // where it is now: it may have been renamed
	named   string                 // where it was found first, for path_key
	tag     []byte                 // of its records
	f       *os.File               // nil: closed
	element *list.Element          // in Input.opened, while it is open
	size    int64                  // when it was last checked
	changed time.Time              // when it last had a new line, or was renamed
	written time.Time              // its modification time, when it was last checked
	missed  time.Time              // since when it isn't where it was, and is searched for; zero: it is there
	rotated bool                   // another file has its path, or none
	sought  bool                   // since then a search for files has begun: it has no other name that matches
	ended   bool                   // it is forgotten as soon as its lines are in the queue
	ready   bool                   // it is in Input.ready
	unread  bool                   // it was renamed before anybody has opened it
	late    bool                   // it was found while a queue was full
	skips   bool                   // the rest of a line that is too long is left out
	failed  bool                   // it could not be read, which was logged
	unsaved bool                   // its place is not in the store
	streams map[string]*lineStream // those that hold lines, by their group
}

// idOf returns the device and inode of a file.
func idOf(info fs.FileInfo) (id fileID, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return id, false
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, true //nolint:unconvert // the types differ between systems
}

// stat returns the id and size of the regular file at path.
func stat(path string) (id fileID, info fs.FileInfo, err error) {
	if info, err = os.Stat(path); err != nil {
		return id, nil, err
	}
	id, ok := idOf(info)
	if !ok || !info.Mode().IsRegular() {
		return id, nil, fmt.Errorf("%s is %w", path, errIrregular)
	}
	return id, info, nil
}

// errIrregular is the error of a path that is a folder, a pipe or a device.
var errIrregular = errors.New("not a regular file")

// isGone reports whether an error of stat says that there is no such file. After any other error the file may still be there.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errIrregular) || errors.Is(err, syscall.ENOTDIR)
}

// errGone is the error of a file that can't be found any more.
var errGone = errors.New("the file is gone")

// openAs opens the file at path, if it is the one with that id.
func openAs(path string, id fileID) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errGone
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		if is, ok := idOf(info); !ok || is != id {
			err = errGone
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// isRenamed reports whether f, which was found by its inode, is the file that was renamed, and not another one that has the inode of a
// deleted one. Of a file that nobody has read only the name tells that.
func (f *file) isRenamed() bool {
	if f.unread && f.print.size == 0 {
		return strings.HasPrefix(filepath.Base(f.at), stemOf(f.path))
	}
	return f.isSame()
}

func (f *file) close() {
	if f.f != nil {
		_ = f.f.Close()
		f.f = nil
	}
}

// stemOf is a file's name without its extension.
func stemOf(path string) string { return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) }

// entriesOf lists a folder.
func entriesOf(dir string) []fs.DirEntry {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(maxSearch)
	return entries
}

// search returns the newest regular file in the folder of path whose name begins with stem and for which is reports true, "" if
// there is none.
func search(path, stem string, is func(info fs.FileInfo, path string) bool) (found string) {
	var newest time.Time
	for _, e := range entriesOf(filepath.Dir(path)) {
		if !strings.HasPrefix(e.Name(), stem) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		at := filepath.Join(filepath.Dir(path), e.Name())
		if err == nil && (found == "" || info.ModTime().After(newest)) && is(info, at) {
			found, newest = at, info.ModTime()
		}
	}
	return found
}

// copyOf searches for the copy of a file that was copied and then truncated: it begins with the same bytes, and has at least
// those that were read. known are files that are followed.
func copyOf(path string, p *place, known map[fileID]*file) (at string, id fileID) {
	if p.print.size < minPrint {
		return "", id
	}
	at = search(path, stemOf(path), func(info fs.FileInfo, at string) bool {
		is, ok := idOf(info)
		if !ok || is == p.id || info.Size() < p.offset || known[is] != nil {
			return false
		}
		f, err := openAs(at, is)
		if err != nil {
			return false
		}
		defer f.Close()
		print, err := printOf(f, p.print.size)
		return err == nil && print == p.print
	})
	if at == "" {
		return "", id
	}
	id, _, err := stat(at)
	if err != nil {
		return "", id
	}
	return at, id
}
