package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// aboutName is the file in a queue's folder that says what the queue is for.
	aboutName = "output.txt"
	// maxAbout is how much of it is read, in bytes.
	maxAbout = 64 << 10
)

// A Lock is the locked folder of a queue that is not open yet: no other router can open it.
type Lock struct{ disk *disk }

// LockFolder locks the folder of a queue, and makes it if it is missing. ErrLocked: another process has it.
func LockFolder(dir, name string) (*Lock, error) {
	folder, err := folder(dir, name)
	if err != nil {
		return nil, err
	}
	d, err := openDisk(folder)
	if err != nil {
		return nil, err
	}
	return &Lock{d}, nil
}

// Close gives up a lock that no Open has taken over.
func (l *Lock) Close() error { return l.disk.Close() }

// Path returns the folder.
func (l *Lock) Path() string { return l.disk.dir }

// About returns what Describe wrote, "" if there is nothing that can be read.
func (l *Lock) About() string {
	f, err := os.Open(filepath.Join(l.disk.dir, aboutName))
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, maxAbout)
	n, err := f.ReadAt(text, 0)
	if n == 0 || err == nil { // nothing, or more than Describe writes
		return ""
	}
	return string(text[:n])
}

// Describe writes a text to the folder that says what the queue is for. It replaces an earlier one at once, as a whole.
func (l *Lock) Describe(about string) error {
	l.disk.about = about[:min(len(about), maxAbout-1)]
	if l.disk.about == l.About() {
		return nil
	}
	return l.disk.writeAbout()
}

func (d *disk) writeAbout() error {
	path := filepath.Join(d.dir, aboutName)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(d.about)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Empty reports whether the folder holds no segment, of whatever version, damaged or not.
func (l *Lock) Empty() bool {
	names, err := l.disk.List()
	return err == nil && !slices.ContainsFunc(names, isKept)
}

// OnlySegments reports whether the folder holds nothing but segments that this version reads.
func (l *Lock) OnlySegments() bool {
	names, err := l.disk.List()
	return err == nil && !slices.ContainsFunc(names, func(name string) bool {
		_, aside, ok := segmentNumber(name)
		return isKept(name) && (aside || !ok)
	})
}

// isKept reports whether a file of that name holds records, or is not the queue's.
func isKept(name string) bool {
	return name != lockName && !strings.HasPrefix(name, aboutName) && !isSpare(name) && !isSide(name)
}

// isSide reports whether a file of that name has notes about the records, and none of them.
func isSide(name string) bool { return strings.HasPrefix(name, sideName) }

// TakeOver moves the files of another queue into this one's folder, and removes the other folder. It changes nothing if both
// have a file of the same name. If it is interrupted, each file is in one of the two, and TakeOver can be called again.
func (l *Lock) TakeOver(from *Lock) error {
	names, err := from.disk.List()
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !isKept(name) && !isSide(name) })
	slices.Sort(names)
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(l.disk.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is in %s, too (%w)", name, l.disk.dir, fs.ErrExist)
		}
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(from.disk.dir, name), filepath.Join(l.disk.dir, name)); err != nil {
			return err
		}
	}
	return from.Remove()
}

// Remove removes the folder of a queue that is Empty, and gives up the lock.
func (l *Lock) Remove() error {
	names, err := l.disk.List()
	if err != nil || slices.ContainsFunc(names, isKept) {
		return fmt.Errorf("%s holds records (%w)", l.disk.dir, errors.Join(err, fs.ErrExist))
	}
	for _, name := range names {
		err = errors.Join(err, l.disk.Remove(name))
	}
	return errors.Join(err, os.Remove(l.disk.dir), l.Close())
}

// folder returns the path of a queue's folder. The name may have any characters.
func folder(dir, name string) (string, error) {
	escaped := url.PathEscape(name)
	if escaped == "" || escaped == "." || escaped == ".." {
		return "", fmt.Errorf("%q can't be the name of a queue", name)
	}
	return filepath.Join(dir, escaped), nil
}

// Names lists the queues in a folder that hold segments or a description, open or not, so that one whose output is gone isn't
// forgotten. A folder that isn't there holds none.
func Names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		files, _ := os.ReadDir(filepath.Join(dir, e.Name())) // not a folder, or not ours: holds no segments
		name, notOurs := url.PathUnescape(e.Name())
		if notOurs == nil && slices.ContainsFunc(files, isOfQueue) {
			names = append(names, name)
		}
	}
	return names, err
}

func isOfQueue(e os.DirEntry) bool {
	_, _, waits := cutVersionSuffix(e.Name())
	return isSegment(e) || waits || e.Name() == aboutName
}

func isSegment(e os.DirEntry) bool {
	_, aside, ok := segmentNumber(e.Name())
	return ok && !aside
}
