package input

import "github.com/firelane/firelane/config"

// CommonOptions are options that every input of Fluent Bit has and that have no meaning here: where the queue is full,
// reading stops, and nothing is lost. Fluent Bit 1.9, of AWS's image 2.x, starts whatever the booleans are; AWS's own examples have a comment
// after one of them.
type CommonOptions struct {
	MemBufLimit   config.Size `fluentbit:"mem_buf_limit" strict:"true" help:"accepted; where the queue is full, reading stops"`
	StorageType   string      `fluentbit:"storage.type" oneof:"memory,filesystem,memrb" help:"accepted; the queue of each output is on disk where it can be"`
	PauseOnChunks bool        `fluentbit:"storage.pause_on_chunks_overlimit" other:"(not written)" help:"accepted"`
	Threaded      bool        `fluentbit:"threaded" other:"(not written)" help:"accepted"`
	RingCapacity  string      `fluentbit:"thread.ring_buffer.capacity" help:"accepted"`
	RingWindow    string      `fluentbit:"thread.ring_buffer.window" help:"accepted"`
	Routable      string      `fluentbit:"routable" help:"accepted"`
}
