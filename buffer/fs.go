package buffer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// FS is one queue's folder. The queue calls it from many goroutines at once, but writes to a file from one at a time.
type FS interface {
	// List returns the names of all files.
	List() ([]string, error)
	// Open opens a file for reading and writing; with create, a new one.
	Open(name string, create bool) (File, error)
	// Rename gives a file another name.
	Rename(from, to string) error
	// Remove removes a file, which may be open: it can still be read through its handle.
	Remove(name string) error
	// Link gives a file a second name, in another folder. An error that isn't that of a full disk, a missing folder or a lack of
	// descriptors means that it can't be done between these two.
	Link(name string, to FS, as string) error
	// Links is how many names a file has in all folders, and which file it is, the same under each; 0 names: not known.
	Links(name string) (names int, file uint64)
	// Free is the number of bytes that could still be written.
	Free() (int64, error)
}

// File is one open segment.
type File interface {
	io.ReaderAt
	io.WriterAt
	// WritevAt writes the parts, one after the other, as WriteAt would write all of it.
	WritevAt(parts [][]byte, off int64) (int, error)
	io.Closer
	Truncate(size int64) error
	Size() (int64, error)
	Sync() error
}

// lockName is the file in a queue's folder that the router which uses it holds a lock on.
const lockName = "lock"

// Records may contain secrets: only the router's own user may read these files.
const (
	folderMode = 0o700
	fileMode   = 0o600
)

// disk is a folder on disk, locked.
type disk struct {
	dir    string
	lock   *os.File
	device uint64 // of the file system; 0: unknown
	sync   bool   // a new file's entry is on the disk before it is used
	about  string // what the folder's description says; "" for none
}

// openDisk makes the folder where it is missing, and locks it.
func openDisk(dir string) (*disk, error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	d := &disk{dir: dir, lock: lock}
	if info, err := lock.Stat(); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			d.device = uint64(st.Dev)
		}
	}
	return d, nil
}

func lockFolder(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return lock, nil
}

// Restore makes the folder again, and locks it, where it or its lock was removed or moved.
func (d *disk) Restore() error {
	held, err := d.lock.Stat()
	if err != nil {
		return err
	}
	if found, err := os.Stat(filepath.Join(d.dir, lockName)); err == nil && os.SameFile(held, found) {
		return nil
	}
	lock, err := lockFolder(d.dir)
	if err != nil {
		return err
	}
	d.lock.Close()
	d.lock = lock
	if d.about != "" {
		return d.writeAbout()
	}
	return nil
}

// Has reports whether a file that is open still has its name in the folder: else no restart will find what is written to it.
func (d *disk) Has(name string, f File) bool {
	file, ok := f.(diskFile)
	if !ok {
		return true
	}
	open, err := file.Stat()
	found, missing := os.Stat(filepath.Join(d.dir, name))
	return err != nil || !errors.Is(missing, fs.ErrNotExist) && (missing != nil || os.SameFile(open, found))
}

func (d *disk) List() ([]string, error) {
	f, err := os.Open(d.dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d *disk) Open(name string, create bool) (File, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE | os.O_EXCL
	}
	f, err := openFile(filepath.Join(d.dir, name), flag)
	if err != nil {
		return nil, err
	}
	if create && d.sync {
		if err := syncDir(d.dir); err != nil {
			f.Close()
			os.Remove(f.Name())
			return nil, err
		}
	}
	return f, nil
}

// openFile is os.OpenFile without the check whether the file can be polled, which takes half of its time: a backlog has
// hundreds of files.
func openFile(path string, flag int) (diskFile, error) {
	for {
		fd, err := syscall.Open(path, flag|syscall.O_CLOEXEC, fileMode)
		if err == nil {
			return diskFile{os.NewFile(uintptr(fd), path), fd}, nil
		}
		if err != syscall.EINTR {
			return diskFile{}, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d *disk) Rename(from, to string) error {
	return os.Rename(filepath.Join(d.dir, from), filepath.Join(d.dir, to))
}

func (d *disk) Remove(name string) error { return os.Remove(filepath.Join(d.dir, name)) }

func (d *disk) Link(name string, to FS, as string) error {
	other, ok := to.(*disk)
	if !ok {
		return errors.ErrUnsupported
	}
	if err := os.Link(filepath.Join(d.dir, name), filepath.Join(other.dir, as)); err != nil || !other.sync {
		return err
	}
	if err := syncDir(other.dir); err != nil {
		_ = other.Remove(as)
		return err
	}
	return nil
}

func (d *disk) Links(name string) (names int, file uint64) {
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(d.dir, name), &st); err != nil {
		return 0, 0
	}
	return int(st.Nlink), st.Ino
}

func (d *disk) Free() (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", d.dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// Close unlocks the folder. The lock file stays: removing it would let two routers lock two files of one name.
func (d *disk) Close() error { return d.lock.Close() }

type diskFile struct {
	*os.File
	fd int
}

// WritevAt is one system call, unless a write comes out short. The queue doesn't close a file that it writes to.
func (f diskFile) WritevAt(parts [][]byte, off int64) (done int, err error) {
	var memory [8][]byte
	left := append(memory[:0], parts...)
	for {
		for len(left) > 0 && len(left[0]) == 0 {
			left = left[1:]
		}
		if len(left) == 0 {
			return done, nil
		}
		n, err := unix.Pwritev(f.fd, left, off+int64(done))
		if err == syscall.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return done, &os.PathError{Op: "write", Path: f.Name(), Err: err}
		}
		done += n
		for i, p := range left {
			k := min(n, len(p))
			left[i] = p[k:]
			n -= k
		}
	}
}

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// isFull reports whether a write failed for lack of room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
