//go:build !amd64

package record

func appendStrings(dst, b []byte, r *memberRun) (out, rest []byte) { return appendStringsGo(dst, b, r) }
