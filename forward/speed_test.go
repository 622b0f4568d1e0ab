package forward

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/internal/race"
	"github.com/firelane/firelane/record"
)

// dockerMessage is a message as Docker's driver writes it.
func dockerMessage(i int) []byte {
	return pack(arr{"web-firelens-0123456789abcdef0123456789abcdef", at(1700000000, uint32(i)), obj{
		"container_id": strings.Repeat("c", 64), "container_name": "/ecs-web-7-web-0123456789", "source": "stdout",
		"log": fmt.Sprintf("%08d GET /products?id=17 200 0.013 \"Mozilla/5.0 (X11; Linux x86_64)\"", i),
	}, obj{}})
}

// counter is a receiver that only counts.
type counter struct{ events, bytes, flushes int }

func (c *counter) Add(_ []byte, _ record.Time, body []byte) { c.events++; c.bytes += len(body) }
func (c *counter) Reject(int, string)                       {}
func (c *counter) Flush(context.Context) error              { c.flushes++; return nil }

// endless gives the same bytes again and again, size at a read.
type endless struct {
	fakeConn
	stream []byte
	pos    int
	left   int // bytes until the end
	size   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), e.size)], e.stream[e.pos:])
	e.pos = (e.pos + n) % len(e.stream)
	e.left -= n
	return n, nil
}

func (e *endless) Write(p []byte) (int, error) { return len(p), nil }

// An endless is paced, as sockets are.
func (e *endless) Poll(p []byte) (int, error)  { return e.Read(p) }
func (e *endless) Await() error                { return nil }
func (e *endless) MayWait() bool               { return false }
func (e *endless) Offer(p []byte) (int, error) { return len(p), nil }
func (e *endless) Count(int)                   {}

// steady serves stream, rounds times over.
func steady(stream []byte, rounds, size int) *counter {
	s := newServer(noListener{&net.TCPAddr{}}, nil, input.Env{Log: zerolog.Nop()})
	s.rules, s.handle = defaults(config.FluentBit).rules(config.FluentBit), (*conn).forward
	k := new(counter)
	c := newConn(s, &endless{stream: stream, left: rounds * len(stream), size: size}, func() input.Receiver { return k })
	s.conns[c] = struct{}{}
	s.idle = make(chan struct{})
	c.serve()
	return k
}

func streams() map[string][]byte {
	var message, acked []byte
	var entries arr
	for i := range 64 {
		message = append(message, dockerMessage(i)...)
		acked = append(acked, pack(arr{"app", at(1, 0), obj{"log": "x"}, obj{"chunk": "p8n9gmxTQVC8/nh2wlKKeQ=="}})...)
		entries = append(entries, arr{at(1700000000, 0), obj{"log": strings.Repeat("x", 100), "source": "stdout"}})
	}
	packed := pack(entries...)
	return map[string][]byte{
		"message": message, "acked": acked, "forward": pack(arr{"app", entries, obj{"chunk": "id"}}),
		"packed": pack(arr{"app", packed}), "gzip": pack(arr{"app", gz(packed), obj{"compressed": "gzip"}}),
		"zstd": pack(arr{"app", zst(packed), obj{"compressed": "zstd"}}),
	}
}

func TestEventsCostNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector a sync.Pool drops at random what is put into it")
	}
	for name, stream := range streams() {
		for _, size := range []int{1 << 20, 1000} { // with and without a message that two reads share
			per := func(rounds int) float64 { return testing.AllocsPerRun(3, func() { steady(stream, rounds, size) }) }
			few, many := per(50), per(550)
			if more := many - few; more > 5 { // of 32,000 events
				t.Errorf("%s, %d bytes a read: got %.0f allocations for 32,000 events, want at most 5", name, size, more)
			}
		}
	}
}

func BenchmarkServer(b *testing.B) {
	for name, stream := range streams() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(stream)))
			k := steady(stream, b.N, 1<<20)
			b.ReportMetric(float64(k.events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkSocket is Docker's way: one write for each record, on a unix socket.
func BenchmarkSocket(b *testing.B) {
	o := defaults(config.FluentBit)
	o.UnixPath = b.TempDir() + "/f.sock"
	s, err := listen(o, config.FluentBit, input.Env{Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	k := new(counter)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, func() input.Receiver { return k }) }()
	c, err := net.Dial("unix", o.UnixPath)
	if err != nil {
		b.Fatal(err)
	}
	m := dockerMessage(1)
	b.ReportAllocs()
	for b.Loop() {
		c.Write(m)
	}
	c.Close()
	s.WaitIdle(ctx)
	cancel()
	<-ended
	if k.events != b.N {
		b.Errorf("%d events of %d", k.events, b.N)
	}
	b.ReportMetric(float64(k.events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(k.events)/float64(k.flushes), "events/flush")
}
