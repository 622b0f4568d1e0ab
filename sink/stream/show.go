package stream

// Show implements sink.Shower: the line, and the file.
func (f *file) Show(item, key []byte) (stored []byte, where []string) {
	return item, []string{"file", string(key)}
}
