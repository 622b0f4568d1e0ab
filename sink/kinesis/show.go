package kinesis

// Show implements sink.Shower: the data, the stream and the partition key.
func (d *Destination) Show(item, key []byte) (data []byte, where []string) {
	_, partition, data := keyOf(item)
	return data, []string{"stream", string(key), "partition_key", string(partition)}
}
