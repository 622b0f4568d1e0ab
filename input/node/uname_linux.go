package node

import "golang.org/x/sys/unix"

// domainname is the NIS domain name, which only Linux has in utsname.
func domainname(u *unix.Utsname) string { return unix.ByteSliceToString(u.Domainname[:]) }
