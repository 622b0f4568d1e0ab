package cloudwatch

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/internal/leaktest"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/cloudwatch/cloudwatchtest"
	"github.com/firelane/firelane/sink/sinktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// now is the time of the tests' records, and the services' clock.
func now() time.Time { return time.Unix(1_700_000_000, 123_456_789) }

// A service is a fake of the service, and a destination for it.
type service struct {
	*cloudwatchtest.Server
	*Destination
	log *logBuffer
}

// logBuffer is a log that several goroutines write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// options are Fluent Bit's options, as binding leaves them, with changes by set.
func options(set func(o *Options)) *Options {
	o := &Options{
		Group: "/ecs/web", Stream: "web", DefaultGroup: "fluentbit-default", DefaultStream: "/fluentbit-default",
		CreateGroup: true, LargeEvents: "cut",
	}
	o.Region, o.Keepalive, o.Verify, o.ConnectTimeout = "eu-west-1", true, true, 10*time.Second
	o.AccessKeyID, o.SecretAccessKey = "AKID", "secret"
	if set != nil {
		set(o)
	}
	return o
}

// serve starts a fake of the service and a destination for it.
func serve(t testing.TB, opts cloudwatchtest.Options, set func(o *Options)) *service {
	t.Helper()
	if opts.Now == nil {
		opts.Now = now
	}
	s := cloudwatchtest.New(opts)
	return service{Server: s, log: &logBuffer{}}.connect(t, s, options(set), config.FluentBit)
}

func (s service) connect(t testing.TB, h http.Handler, o *Options, d config.Dialect) *service {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.Endpoint = server.URL
	if err := o.Check(d); err != nil {
		t.Fatal(err)
	}
	dest, err := New(o, d, sink.Env{Log: zerolog.New(s.log), Hostname: "h1"})
	if err != nil {
		t.Fatal(err)
	}
	s.Destination = dest.(*Destination)
	t.Cleanup(func() { _ = dest.Close() })
	return &s
}

// fluentd are Fluentd's options, as binding leaves them, with changes by set.
func fluentd(set func(o *Options)) *Options {
	o := options(nil)
	o.Group, o.Stream, o.DefaultGroup, o.DefaultStream, o.CreateGroup = "", "", "", "", false
	yes := true
	o.CreateStream, o.MaxEvents, o.SSLVerifyPeer = &yes, 10_000, true
	set(o)
	return o
}

// line makes a record with one field.
func line(i int) *sink.Record {
	return sinktest.Record("app.web", uint64(i), "log", fmt.Sprint("line ", i))
}

// lines makes n records.
func lines(n int) (all []*sink.Record) {
	for i := range n {
		all = append(all, line(i))
	}
	return all
}

// at is a record of d after the tests' time.
func at(i int, d time.Duration) *sink.Record {
	r, t := line(i), now().Add(d)
	r.Time = record.Time{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
	return r
}

// send encodes records and sends them once.
func (s *service) send(t testing.TB, records ...*sink.Record) sink.Reply {
	t.Helper()
	req, err := sinktest.Encode(s, records...)
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t.Context(), req)
}

// deliver sends records, which must all be accepted.
func (s *service) deliver(t testing.TB, records ...*sink.Record) {
	t.Helper()
	if r := s.send(t, records...); r.Verdict != sink.Done || r.Err != nil || len(r.Items) != 0 {
		t.Fatalf("got %+v, want every item done", r)
	}
}

// messages are those of a stream, with a bar between them.
func (s *service) messages(group, stream string) string {
	var all []string
	for _, e := range s.Events(group, stream) {
		all = append(all, e.Message)
	}
	return strings.Join(all, "|")
}

// serveHTTP starts a server and returns its URL.
func serveHTTP(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
