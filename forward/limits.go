package forward

import (
	"time"

	"github.com/firelane/firelane/input"
)

// Limits on what a client may make the server hold or wait for.
const (
	maxConns     = 1024     // connections at once; one more is closed
	maxEvent     = 8 << 20  // bytes of one event, and of whatever else must be in memory as a whole
	maxChunk     = 4 << 10  // bytes of a chunk id, which is echoed
	maxSigningIn = 256      // connections that have not signed in yet; one more closes the oldest of them
	maxHandshake = 4 << 10  // bytes of a message of the handshake
	tlsCost      = 40 << 10 // bytes of a connection's TLS: keys, certificates, and a record in each direction

	heartbeatBudget = 128                    // datagrams that are answered within heartbeatTime
	heartbeatTime   = 100 * time.Millisecond // so that a server of 1,000 clients answers each once a second

	readSize        = input.BufferSize // bytes of the buffer that a connection reads with
	defaultLine     = 1 << 20          // bytes of a value or a line of the input tcp
	defaultInflated = 256 << 20        // bytes of a message after decompression, as in Fluentd

	stallTime   = 30 * time.Second      // without a byte in the middle of a message
	messageTime = time.Minute           // from a message's first byte to its last, plus a second for each slowestRate bytes
	slowestRate = 64 << 10              // bytes per second
	signInTime  = 10 * time.Second      // from accepting a connection to the end of TLS and of the handshake
	ackTime     = 10 * time.Second      // for a client to take an ack
	lookupTime  = time.Second           // for a client's host name
	drainTime   = time.Second           // for reading what clients have already sent, when serving ends; each connection must run within it
	flushTime   = 5 * time.Second       // for queueing events, when serving ends
	heldRetry   = 50 * time.Millisecond // between two flushes while a step holds events that an ack waits for
	heldTime    = 60 * time.Second      // for steps to emit such events; after that the connection is closed without ack
)
