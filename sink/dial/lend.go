package dial

// A Lender is a request's body that lies in memory. A connection of a Dialer sends it from there, without a copy.
type Lender interface {
	// Lend calls use with the next bytes, at least one and at most max, and advances by as many as use returns. The bytes
	// don't change until use returns, which waits for nothing. With no bytes left it returns io.EOF without calling use;
	// any other error says that the bytes may no longer be read.
	Lend(max int, use func(b []byte) int) error
}
