package serve

import "time"

// Limits on what a client may make a server hold or wait for.
const (
	MaxBody = 8 << 20 // bytes of a request's body, after decompression, whatever the options say

	MaxEvent  = 4 << 20 // bytes of an event: it is in memory with its body, as what was made of it, and while it is delivered
	MaxEvents = 100_000 // events of a request
	maxExtra  = 2 << 20 // bytes of what is added to the events of a request, such as its headers
	eventCost = 16      // bytes of an event in a batch, besides its fields

	maxConns     = 128       // connections at once; one more closes the oldest that has no request, or is closed itself
	connCost     = 20 << 10  // bytes of a connection: its buffers and stacks
	tlsCost      = 40 << 10  // bytes of its TLS: keys, certificates, and a record in each direction
	maxHeader    = 16 << 10  // bytes of a request's headers
	maxKept      = 64 << 10  // bytes of a buffer of converted events that is kept for the next request
	maxCollected = 256 << 10 // bytes of a body whose events are all converted before the first one is added

	MaxMessage  = 1 << 20             // bytes of a message on a connection that only sends, whatever the options say
	maxStreams  = 512                 // connections of such an input at once; one more is closed
	firstBuffer = 4 << 10             // bytes of the buffer of such a connection, before a long message
	streamCost  = firstBuffer + 8<<10 // bytes of such a connection

	MaxDatagram  = 65_507    // bytes of a datagram
	maxBurst     = 128 << 10 // bytes of datagrams that are flushed together
	maxDatagrams = 1024      // the same, in datagrams

	maxZstdWindow = 8 << 20               // bytes of the window that a zstd stream may ask for
	zstdCost      = maxZstdWindow + 1<<20 // bytes of a decompressor
	gzipCost      = 100 << 10             // bytes of a decompressor for gzip or deflate
	snappyCost    = 160 << 10             // bytes of a decompressor for snappy
	maxBlock      = 1 << 20               // bytes of a body of one snappy block, before and after decompression

	headerTime  = 10 * time.Second      // from the first byte of a connection or request to the end of its headers
	stallTime   = 30 * time.Second      // without a byte in the middle of a body
	bodyTime    = time.Minute           // from a body's first byte to its last, plus a second for each slowestRate bytes
	slowestRate = 64 << 10              // bytes per second
	turnTime    = 5 * time.Second       // for a large request to be converted and queued after another one, before the answer is 503
	roomTime    = 5 * time.Second       // for the events of others to be queued, if there is no room for those of a request, before the answer is 503
	roomRetry   = 20 * time.Millisecond // until room is looked for again
	answerTime  = 10 * time.Second      // for a client to take an answer
	maxIdleTime = time.Minute           // between two requests, whatever the options say
	fullTime    = 15 * time.Second      // for a full queue to take a request's events, before the answer is 503
	heldRetry   = 50 * time.Millisecond // between two flushes while a step holds events of a request
	heldTime    = time.Minute           // for steps to emit them, before the answer is 503
	drainTime   = time.Second           // for reading what clients have already sent, when serving ends
	flushTime   = 5 * time.Second       // for queueing it
)
