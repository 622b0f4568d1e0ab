package input

import (
	"fmt"
	"os"
	"syscall"
)

// OpenState opens the file in which an input keeps how far it has read, or makes it, and locks it with LockState. Anything but a
// regular file is an error, and isn't waited for.
func OpenState(path string) (f *os.File, size int64, err error) {
	if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600); err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	return f, info.Size(), LockState(f)
}

// LockState locks such a file until it is closed. It is an error if another input has it, or another process.
func LockState(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s is in use: %w", f.Name(), err)
	}
	return nil
}
