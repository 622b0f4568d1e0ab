//go:build !purego

package record

// appendStrings appends members from b on, with a comma after each, as long as their key is a fixstr of 1 to maxKey
// bytes of which none is r.stop or has to be escaped, and their value a string of at most 65,535 bytes of ASCII. It stops at the
// first other member, or where dst has no room; r.value is then set if the key is written and the value isn't. It may write
// anywhere in dst's capacity.
func appendStrings(dst, b []byte, r *memberRun) (out, rest []byte) {
	wrote, read := copyStrings(dst, b, r)
	return dst[:len(dst)+wrote], b[read:]
}

// copyStrings is appendStrings; it returns how many bytes it wrote after dst and how many of b it read.
//
//go:noescape
func copyStrings(dst, b []byte, r *memberRun) (wrote, read int)
