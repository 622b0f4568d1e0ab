package doctor

import "syscall"

// A fileSystem is what is known about one.
type fileSystem struct {
	free int64  // bytes
	kind string // "" if not known
}

// kinds are the file systems that a task's folders may be in (statfs(2)).
var kinds = map[int64]string{
	0x794c7630: "overlay", 0x01021994: "tmpfs", 0xef53: "ext4", 0x58465342: "xfs", 0x6969: "nfs (such as EFS)", 0x9123683e: "btrfs",
}

func statFS(dir string) (fileSystem, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fileSystem{}, err
	}
	return fileSystem{free: int64(st.Bavail) * int64(st.Bsize), kind: kinds[int64(st.Type)]}, nil
}

// writable reports whether a folder can be written to, without writing.
func writable(dir string) error {
	const w, x = 2, 1 // access(2)
	return syscall.Access(dir, w|x)
}
