//go:build !linux

package doctor

import "errors"

// A fileSystem is what is known about one.
type fileSystem struct {
	free int64  // bytes
	kind string // "" if not known
}

func statFS(string) (fileSystem, error) { return fileSystem{}, errors.ErrUnsupported }

func writable(string) error { return nil }
