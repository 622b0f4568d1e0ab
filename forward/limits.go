package forward

import "time"

// Limits on what a client may make the server hold or wait for.
const (
	maxConns     = 1024     // connections at once; one more is closed
	maxEvent     = 8 << 20  // bytes of one event, and of whatever else must be in memory as a whole
	maxLent      = 12 << 20 // bytes of read buffers beyond readSize, of all connections that share a Memory
	maxHeld      = 8 << 20  // bytes of events of unfinished messages, likewise
	maxChunk     = 4 << 10  // bytes of a chunk id, which is echoed
	maxHandshake = 4 << 10  // bytes of a message of the handshake
	maxAcks      = 64 << 10 // bytes of acks that wait to be written

	readSize        = 32 << 10  // bytes of the buffer that every connection has
	defaultLine     = 1 << 20   // bytes of a line of the input tcp
	defaultInflated = 256 << 20 // bytes of a message after decompression, as in Fluentd

	stallTime     = 30 * time.Second       // without a byte in the middle of a message
	handshakeTime = 10 * time.Second       // for TLS
	ackTime       = 10 * time.Second       // for a client to take an ack
	lookupTime    = time.Second            // for a client's host name
	drainTime     = 100 * time.Millisecond // for reading what clients have already sent, when serving ends
	flushTime     = 5 * time.Second        // for making events safe, when serving ends
	quietTime     = 10 * time.Second       // between two lines of one kind
)
