package firehose

// Show implements sink.Shower: the data and the stream.
func (d *Destination) Show(item, key []byte) (data []byte, where []string) {
	return item, []string{"stream", string(key)}
}
