package host

import "golang.org/x/sys/unix"

// sysinfo asks the kernel for the memory of the host.
func sysinfo() (ram, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return ram{}, err
	}
	unit := max(uint64(info.Unit), 1)
	return ram{uint64(info.Totalram) * unit, uint64(info.Freeram) * unit, uint64(info.Totalswap) * unit, uint64(info.Freeswap) * unit}, nil
}
