//go:build !amd64 || purego

package put

// encodeMost leaves all to the loop.
func encodeMost(out, src []byte) (rest, left []byte) { return out, src }
