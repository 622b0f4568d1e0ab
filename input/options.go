package input

// CommonOptions are options that every input of Fluent Bit has and that have no meaning here: where the queue is full,
// reading stops, and nothing is lost.
type CommonOptions struct {
	MemBufLimit   string `fluentbit:"mem_buf_limit" help:"accepted; where the queue is full, reading stops"`
	StorageType   string `fluentbit:"storage.type" help:"accepted; the queue of each output is on disk where it can be"`
	PauseOnChunks string `fluentbit:"storage.pause_on_chunks_overlimit" help:"accepted"`
	Threaded      string `fluentbit:"threaded" help:"accepted"`
	RingCapacity  string `fluentbit:"thread.ring_buffer.capacity" help:"accepted"`
	RingWindow    string `fluentbit:"thread.ring_buffer.window" help:"accepted"`
	Routable      string `fluentbit:"routable" help:"accepted"`
}
