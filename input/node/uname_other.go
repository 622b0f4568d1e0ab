//go:build !linux

package node

import "golang.org/x/sys/unix"

// domainname is empty on systems other than Linux.
func domainname(*unix.Utsname) string { return "" }
