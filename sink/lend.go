package sink

// A Lender is a request's body that lies in memory. A connection of a Dialer sends it from there, without a copy.
type Lender interface {
	// Lend calls use with the next bytes, at most max and at least one, and counts as many as it returns as read. They
	// don't change until use returns, which waits for nothing. It returns io.EOF, and doesn't call use, where there are
	// none left, and other errors where they may not be read any more.
	Lend(max int, use func(b []byte) int) error
}
