// Package forward is the server side of the forward protocol, Fluentd's own, which Docker's log driver, Fluent Bit and
// the fluent-logger libraries speak; and Fluent Bit's tcp input, whose lines the same server reads.
//
// # The protocol
//
// A client sends messages, one after the other. A message is one MessagePack array (or, where the first byte of a
// connection is { or [, one JSON array), in one of these modes, which its second element determines:
//
//	Message        [tag, time, record, option?]
//	Forward        [tag, [entry, …], option?]
//	PackedForward  [tag, str or bin of entry…, option?]       possibly compressed, gzip (of any number of members) or zstd
//	entry          [time, record] or [[time, metadata], record]
//	time           EventTime | integer or float of seconds | nil, which is now
//	option         {chunk, size, compressed, fluent_signal, …} | nil | nothing
//
// A client that puts a chunk into the option waits for {"ack": chunk}. A nil between messages is a heartbeat, and so is
// a connection that opens and closes, and a datagram to the same port, which is answered with one zero byte.
//
// With a shared key the server speaks first:
//
//	server  ["HELO", {nonce, auth, keepalive}]
//	client  ["PING", hostname, salt, hex(sha512(salt hostname nonce key)), user, hex(sha512(auth user password))]
//	server  ["PONG", ok, reason, hostname, hex(sha512(salt hostname nonce key))]
//
// # What is queued when
//
// Events in Message mode are flushed once for each read from the socket. A message of entries is flushed as a whole,
// when it is complete: a client that breaks off in the middle and sends the message again duplicates nothing. Parts of it
// are flushed only if all messages that are being read exceed the budget of input.Memory. Acks are written only after a
// Flush that returned nil. While a step holds events of a message (input.ErrHeld) the
// connection waits, for at most heldTime, before it reads on.
//
// # Faults in what a client sends
//
// Where the end of a message is still known, the event is skipped, counted and logged, and the rest is taken: resending
// it could not help, so the message is acknowledged. Where it isn't (bytes that are not MessagePack, a limit that
// is exceeded, a client that stalls in the middle) the connection is closed, and nothing of the message is taken.
package forward
