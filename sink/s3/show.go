package s3

// Show implements sink.Shower: the bucket.
func (s *store) Show(item, _ []byte) (stored []byte, where []string) {
	return item, []string{"bucket", s.bucket}
}
