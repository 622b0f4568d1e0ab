// Package prometheustest is a fake of a server of Prometheus's remote write, for tests. It refuses what the real one does: other
// headers, labels that are not sorted or occur twice, names with other characters, samples that are older than the last one of
// their series. It can be told to fail.
//
// Its source is the page "Prometheus Remote-Write specification", version 1.0, of Prometheus's documentation.
package prometheustest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

// maxBody is the largest body in bytes, Prometheus's own limit (remote, decodeReadLimit).
const maxBody = 32 << 20

// Options say how the server behaves.
type Options struct {
	User, Pass string // basic authentication; "": none
	Path       string // "": /api/v1/write
	// Fault, unless nil, is asked before request n (from 1) is read: a status other than 0 is the answer, with these headers.
	Fault func(n int, r *http.Request) (status int, h http.Header)
	// Refuse, unless nil, returns why a series is refused, "" if it isn't. Nothing of the request is stored then.
	Refuse func(series string) string
}

// A Sample is a value of a series.
type Sample struct {
	Value float64
	At    int64 // milliseconds
}

// Server is the fake, an http.Handler.
type Server struct {
	opts Options

	mu       sync.Mutex
	requests int
	series   map[string][]Sample
}

// New makes a server.
func New(o Options) *Server {
	if o.Path == "" {
		o.Path = "/api/v1/write"
	}
	return &Server{opts: o, series: map[string][]Sample{}}
}

// Requests is the number of requests so far.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Series are the stored samples, by name{label="value",…}.
func (s *Server) Series() map[string][]Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]Sample{}
	for name, samples := range s.series {
		out[name] = append([]Sample(nil), samples...)
	}
	return out
}

// refusal is an answer other than 204.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func bad(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	n := s.requests
	s.mu.Unlock()
	if s.opts.Fault != nil {
		if status, h := s.opts.Fault(n, r); status != 0 {
			_, _ = io.Copy(io.Discard, r.Body)
			for k, v := range h {
				w.Header()[k] = v
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "told to fail")
			return
		}
	}
	err := s.write(r)
	var no *refusal
	switch {
	case errors.As(err, &no):
		http.Error(w, no.text, no.status)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) write(r *http.Request) error {
	user, pass, _ := r.BasicAuth()
	switch h := r.Header; {
	case r.URL.Path != s.opts.Path:
		return &refusal{http.StatusNotFound, "404 page not found"}
	case r.Method != http.MethodPost:
		return &refusal{http.StatusMethodNotAllowed, "Method Not Allowed"}
	case s.opts.User != "" && (user != s.opts.User || pass != s.opts.Pass):
		return &refusal{http.StatusUnauthorized, "Unauthorized"}
	case h.Get("Content-Type") != "application/x-protobuf", h.Get("Content-Encoding") != "snappy":
		return &refusal{http.StatusUnsupportedMediaType, "want application/x-protobuf and snappy"}
	case h.Get("X-Prometheus-Remote-Write-Version") != "0.1.0", h.Get("User-Agent") == "":
		return bad("a header that senders must set is missing")
	}
	packed, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return err
	}
	if size, err := snappy.DecodedLen(packed); err != nil || size > maxBody {
		return bad("the body is not a block of snappy, or too large")
	}
	body, err := snappy.Decode(nil, packed)
	if err != nil {
		return bad("snappy: %v", err)
	}
	_, err = s.Store(body)
	return err
}

// Store stores a WriteRequest, decompressed: all of it, or nothing. It returns the samples that weren't there yet.
func (s *Server) Store(body []byte) (staged map[string][]Sample, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	staged = map[string][]Sample{}
	err = fields(body, func(number protowire.Number, series []byte, _ uint64) error {
		if number != 1 {
			return bad("field %d of WriteRequest; want 1", number)
		}
		name, samples, err := readSeries(series)
		if err != nil {
			return err
		}
		if s.opts.Refuse != nil {
			if why := s.opts.Refuse(name); why != "" {
				return bad("%s", why)
			}
		}
		for _, sample := range samples {
			stored := s.series[name]
			if len(staged[name]) > 0 {
				stored = staged[name]
			}
			if n := len(stored); n > 0 {
				switch last := stored[n-1]; {
				case sample.At < last.At:
					return bad("out of order sample for %s", name)
				case sample.At == last.At && math.Float64bits(sample.Value) != math.Float64bits(last.Value):
					return bad("duplicate sample for timestamp for %s", name)
				case sample.At == last.At:
					continue
				}
			}
			staged[name] = append(staged[name], sample)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, samples := range staged {
		s.series[name] = append(s.series[name], samples...)
	}
	return staged, nil
}

var (
	labelNames  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	metricNames = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
)

func readSeries(b []byte) (name string, samples []Sample, err error) {
	var labels []string
	last := ""
	err = fields(b, func(number protowire.Number, content []byte, _ uint64) error {
		switch number {
		case 1:
			var key, value string
			if err := fields(content, func(number protowire.Number, text []byte, _ uint64) error {
				if number == 1 {
					key = string(text)
				} else {
					value = string(text)
				}
				return nil
			}); err != nil {
				return err
			}
			switch {
			case key <= last:
				return bad("label %q is not sorted, or occurs twice", key)
			case value == "" || strings.ToValidUTF8(value, "") != value:
				return bad("label %q is empty or not UTF-8", key)
			case key == "__name__" && !metricNames.MatchString(value):
				return bad("invalid metric name %q", value)
			case !labelNames.MatchString(key):
				return bad("invalid label name %q", key)
			}
			if last = key; key == "__name__" {
				name = value
			} else {
				labels = append(labels, key+"="+strconv.Quote(value))
			}
		case 2:
			var s Sample
			if err := fields(content, func(number protowire.Number, _ []byte, v uint64) error {
				if number == 1 {
					s.Value = math.Float64frombits(v)
				} else {
					s.At = int64(v)
				}
				return nil
			}); err != nil {
				return err
			}
			samples = append(samples, s)
		default:
			return bad("field %d of TimeSeries", number)
		}
		return nil
	})
	if err == nil && (name == "" || len(samples) == 0) {
		err = bad("a series has no name or no sample")
	}
	if len(labels) > 0 {
		name += "{" + strings.Join(labels, ",") + "}"
	}
	return name, samples, err
}

// fields calls see with each field of a message: its bytes, or its number.
func fields(b []byte, see func(number protowire.Number, content []byte, v uint64) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return bad("not Protocol Buffers")
		}
		b = b[n:]
		var content []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			n = -1
		}
		if n < 0 {
			return bad("not Protocol Buffers")
		}
		b = b[n:]
		if err := see(number, content, v); err != nil {
			return err
		}
	}
	return nil
}
