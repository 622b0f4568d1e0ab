package dial

// A Lender is a request's body in memory. A connection made by a Dialer sends it without copying it.
type Lender interface {
	// Lend calls use with the next bytes, at least one and at most max, and advances by as many as use returns. The bytes
	// don't change until use returns; use must not block. If no bytes are left, Lend returns io.EOF without calling use.
	// Any other error means that the bytes may no longer be read.
	Lend(max int, use func(b []byte) int) error
}
