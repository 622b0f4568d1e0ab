package dead

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockSuffix follows the name of the file that a dead letter is written to, while its records are sent again.
const lockSuffix = ".lock"

// Lock keeps other processes from sending the records of a dead letter again at the same time: each would send all of them. file is one
// of its files. The router goes on writing to it meanwhile.
func Lock(file string) (unlock func(), err error) {
	dir, name := filepath.Split(file)
	name, _, _ = strings.Cut(name, Suffix)
	path := dir + name + Suffix + lockSuffix
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, errors.New("its records are being sent again already, by another process")
			}
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if isNamed(f, path) {
			return func() {
				_ = os.Remove(path) // while it is locked: who has opened it notices
				_ = f.Close()
			}, nil
		}
		_ = f.Close()
	}
}

// isNamed reports whether an open file still has its name.
func isNamed(f *os.File, path string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(ours, named)
}
