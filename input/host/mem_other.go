//go:build !linux

package host

import "errors"

// sysinfo is a call of Linux alone. On other systems firelane is for `firelane check`.
func sysinfo() (ram, error) { return ram{}, errors.ErrUnsupported }
