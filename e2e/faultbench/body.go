package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
)

// maxBulk is the largest body that the destination reads, in bytes: OpenSearch's default of http.max_content_length.
const maxBulk = 100 << 20

// readBody reads a request's body, and decompresses it.
func readBody(r *http.Request) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 1<<10)+512))
	if _, err := buf.ReadFrom(io.LimitReader(r.Body, maxBulk)); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	switch {
	case r.Header.Get("Content-Encoding") == "snappy", r.Header.Get("Content-Type") == "application/x-protobuf" && strings.HasPrefix(r.URL.Path, "/loki/"):
		plain, err := snappy.Decode(nil, buf.Bytes())
		if err != nil {
			return nil, fmt.Errorf("decompress body: %w", err)
		}
		return plain, nil
	case r.Header.Get("Content-Encoding") != "gzip":
		return buf.Bytes(), nil
	}
	z, err := gzip.NewReader(buf)
	if err != nil {
		return nil, fmt.Errorf("decompress body: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxObject))
	if err != nil {
		return nil, fmt.Errorf("decompress body: %w", err)
	}
	return plain, nil
}
