package serve

import (
	"context"
	"net"
	"runtime"
	"testing"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// counted is a Receiver that counts the events that are queued.
type counted struct{ added, queued int }

func (c *counted) Add([]byte, record.Time, []byte) { c.added++ }
func (c *counted) Reject(int, string)              {}
func (c *counted) Flush(context.Context) error     { c.queued = c.added; return nil }

// TestADatagramThatAStopMeetsIsQueued: the stop comes between the datagram and the question whether there is another.
func TestADatagramThatAStopMeetsIsQueued(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	recv := &counted{}
	var s *Packets
	s, err = NewPackets(conn, func(recv input.Receiver, msg []byte, _ func() string) {
		recv.Add(nil, record.Time{}, msg)
		for stop(); !s.isStopping(); {
			runtime.Gosched()
		}
	}, input.Env{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx, func() input.Receiver { return recv }); err != nil || recv.queued != 1 {
		t.Errorf("got %d events queued and error %v, want 1", recv.queued, err)
	}
}
