package serve

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// A tally counts the messages of a connection by their length, and what is rejected.
type tally struct {
	sizes    []int
	rejected []string
}

func (*tally) Add([]byte, record.Time, []byte) {}
func (t *tally) Reject(_ int, reason string)   { t.rejected = append(t.rejected, reason) }
func (*tally) Flush(context.Context) error     { return nil }

// connOf is a connection of a Stream, and its client's end.
func connOf(t *testing.T, limit int) (*streamConn, net.Conn, *tally) {
	t.Helper()
	client, nc := net.Pipe()
	t.Cleanup(func() { client.Close(); nc.Close() })
	got := new(tally)
	s := NewStream(nil, StreamConfig{Limit: limit, Begin: func(net.Conn) Taker {
		return func(_ input.Receiver, msg []byte) { got.sizes = append(got.sizes, len(msg)) }
	}}, input.Env{})
	t.Cleanup(s.abandon)
	s.idle = make(chan struct{}) // as long as the connection is open
	return &streamConn{s: s, nc: nc, rw: nc, newReceiver: func() input.Receiver { return got }}, client, got
}

// served serves a connection until its client has sent all of in, and hung up.
func served(t *testing.T, c *streamConn, client net.Conn, in []byte) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.serve()
	}()
	client.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := client.Write(in); err != nil {
		t.Error("sending:", err)
	}
	client.Close()
	<-done
}

// TestAConnectionThatHasTheLargeBufferTakesLongMessages: it waited for that buffer, which it had itself, to grow.
func TestAConnectionThatHasTheLargeBufferTakesLongMessages(t *testing.T) {
	c, client, got := connOf(t, MaxMessage)
	for range 2 { // other connections have what the input may have besides it
		b, err := c.s.share.Borrow(1<<20, func() {})
		if err != nil {
			t.Fatal(err)
		}
		defer c.s.share.Return(b)
	}
	served(t, c, client, append(bytes.Repeat([]byte("x"), 300_000), "\nshort\n"...))
	if len(got.sizes) != 2 || got.sizes[0] != 300_000 {
		t.Errorf("got messages of %v bytes and rejects %q, want two", got.sizes, got.rejected)
	}
}

// TestAConnectionThatHasReturnedItsMemoryGoesOn: others waited for it while a full queue held the connection up, but wait no more.
func TestAConnectionThatHasReturnedItsMemoryGoesOn(t *testing.T) {
	c, client, _ := connOf(t, MaxMessage)
	c.buf, _ = c.s.share.Borrow(2<<20, c.hurry)
	c.hurry()
	go client.Write([]byte("next"))
	if err := c.read(); err != nil || string(c.buf[:c.w]) != "next" {
		t.Errorf("got %q and the error %v, want the next message", c.buf[:c.w], err)
	}
}

// TestTheTimeForAMessageBeginsAnewAfterOneThatIsTooLong: a client that had sent one, and was silent for a minute, was cut off in its
// next message.
func TestTheTimeForAMessageBeginsAnewAfterOneThatIsTooLong(t *testing.T) {
	c, client, got := connOf(t, 4)
	c.take, c.buf, c.frames, c.recv = c.s.cfg.Begin(c.nc), c.first[:], frames{limit: c.s.cfg.Limit}, got
	c.begun = time.Now().Add(-bodyTime)
	c.w = copy(c.buf, "too long\nne")
	if _, err := c.takeAll(); err != nil || len(got.rejected) != 1 {
		t.Fatalf("got the rejects %q and the error %v, want one", got.rejected, err)
	}
	go client.Write([]byte("xt\n"))
	if err := c.read(); err != nil {
		t.Errorf("reading on: %v", err)
	}
}
