// Package webtest is what the stand-ins of services with HTTP share: a server that reads requests strictly, within limits,
// and that can be told to fail.
package webtest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// A Fault is a failure of a request. The zero value is none.
type Fault struct {
	Delay  time.Duration // before everything else, while the client is connected
	Hang   bool          // read the body and never answer, until the client leaves
	Status int           // reply with this status, Header and Body, and keep nothing
	Header http.Header
	Body   string
	Lose   bool // keep the records, then close the connection without a reply
}

// Options say how the server behaves.
type Options struct {
	MaxBody   int      // largest body in bytes after decompression, beyond which the reply is a 413; 0: 64 MiB
	MaxWire   int      // largest body in bytes as it is sent; 0: no other limit
	Encodings []string // of Content-Encoding that are read; others are a 415
	// Request returns the fault of a request, before the server reads it. number counts from 1.
	Request func(number int, r *http.Request) Fault
}

// Server reads requests. A stand-in embeds it.
type Server struct {
	opts     Options
	requests atomic.Int64
}

// New makes a Server.
func New(o Options) *Server {
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	return &Server{opts: o}
}

// Requests is how many requests have arrived.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// Read reads a request's body. If ok is false, the reply is written already, by the fault of this request or because the
// body can't be read. Otherwise the caller keeps the records and calls done with its reply.
func (s *Server) Read(w http.ResponseWriter, r *http.Request) (body []byte, done func(status int, reply string), ok bool) {
	var f Fault
	if n := int(s.requests.Add(1)); s.opts.Request != nil {
		f = s.opts.Request(n, r)
	}
	if f.Hang {
		_, _ = io.Copy(io.Discard, r.Body) // net/http notices that the client leaves only after that
		f.Delay = time.Hour
	}
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f.Status != 0 {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, values := range f.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
		return nil, nil, false
	}
	body, status, reason := s.read(r)
	if status != 0 {
		http.Error(w, reason, status)
		return nil, nil, false
	}
	return body, func(status int, reply string) {
		if f.Lose {
			panic(http.ErrAbortHandler)
		}
		if reply != "" && reply[0] == '{' {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	}, true
}

func (s *Server) read(r *http.Request) (body []byte, status int, reason string) {
	if r.ContentLength < 0 {
		return nil, http.StatusLengthRequired, "no Content-Length"
	}
	wire := s.opts.MaxBody
	if s.opts.MaxWire > 0 {
		wire = s.opts.MaxWire
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, int64(wire)+1))
	switch {
	case err != nil:
		return nil, http.StatusBadRequest, err.Error()
	case len(raw) > wire:
		_, _ = io.Copy(io.Discard, r.Body)
		return nil, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", wire)
	}
	encoding := r.Header.Get("Content-Encoding")
	if encoding == "" {
		return raw, 0, ""
	}
	if !slices.Contains(s.opts.Encodings, encoding) {
		return nil, http.StatusUnsupportedMediaType, "Content-Encoding " + encoding + " is not supported"
	}
	body, err = Decompress(encoding, raw, s.opts.MaxBody)
	switch {
	case err != nil:
		return nil, http.StatusBadRequest, "decompressing: " + err.Error()
	case len(body) > s.opts.MaxBody:
		return nil, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", s.opts.MaxBody)
	}
	return body, 0, ""
}

// Decompress reads up to limit bytes, and one more if there are more.
func Decompress(encoding string, raw []byte, limit int) ([]byte, error) {
	var from io.Reader
	var err error
	switch encoding {
	case "gzip":
		from, err = gzip.NewReader(bytes.NewReader(raw))
	case "deflate":
		from, err = zlib.NewReader(bytes.NewReader(raw))
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1)); err == nil {
			defer d.Close()
			from = d
		}
	case "snappy":
		return snappy.Decode(nil, raw)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(from, int64(limit)+1))
}
