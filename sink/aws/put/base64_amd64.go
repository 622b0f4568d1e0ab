//go:build !purego

package put

import "golang.org/x/sys/cpu"

// encodeBlocks encodes n times twelve bytes of src to dst, and reads four bytes more of src. n is at least 1.
//
//go:noescape
func encodeBlocks(dst, src *byte, n int)

// vectors means that the processor has the instructions that encodeBlocks takes (SSSE3).
var vectors = cpu.X86.HasSSSE3

// encodeMost encodes as many bytes at the start of src as it can at once, and returns what is left of both.
func encodeMost(out, src []byte) (rest, left []byte) {
	if n := (len(src) - 4) / 12; vectors && n > 0 {
		encodeBlocks(&out[:16*n][0], &src[0], n)
		return out[16*n:], src[12*n:]
	}
	return out, src
}
