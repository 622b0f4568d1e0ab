//go:build !amd64 || purego

package record

func appendStrings(dst, b []byte, r *memberRun) (out, rest []byte) { return appendStringsGo(dst, b, r) }
