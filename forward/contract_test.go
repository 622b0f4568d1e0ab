package forward

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/inputtest"
)

// source is the client of an input that takes connections.
type source struct {
	network, address string
	message          func(text string) []byte

	nc   net.Conn // since the first Send
	acks []byte
}

func (c *source) Send(t *testing.T, text string) {
	t.Helper()
	if c.nc == nil {
		nc, err := net.Dial(c.network, c.address)
		if err != nil {
			t.Fatal(err)
		}
		c.nc = nc
	}
	if _, err := c.nc.Write(c.message(text)); err != nil {
		t.Fatal(err)
	}
}

func (c *source) Acked(*testing.T) int {
	b := make([]byte, 1000)
	c.nc.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	n, _ := c.nc.Read(b) // a timeout, or the end
	c.acks = append(c.acks, b[:n]...)
	return strings.Count(string(c.acks), ackOfID)
}

func (c *source) Close() {
	if c.nc != nil {
		c.nc.Close()
	}
}

func jsonLine(text string) []byte { return []byte(`{"log":"` + text + "\"}\n") }

func TestPromises(t *testing.T) {
	withChunk := func(text string) []byte { return pack(arr{"app", 1, obj{"log": text}, obj{"chunk": "id"}}) }
	open := func(t *testing.T, in input.Input, err error, message func(string) []byte) (input.Input, inputtest.Source) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		a := in.(*Server).Addr()
		return in, &source{network: a.Network(), address: a.String(), message: message}
	}
	for name, s := range map[string]inputtest.Subject{
		"forward on TCP": {Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
			in, err := New(defaults(config.Fluentd), config.Fluentd, testEnv(new(lines)))
			return open(t, in, err, withChunk)
		}},
		"forward on a unix socket": {Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
			in, err := New(&Options{UnixPath: socketPath(t)}, config.FluentBit, testEnv(new(lines)))
			return open(t, in, err, withChunk)
		}},
		"unix": {Acks: true, Open: func(t *testing.T) (input.Input, inputtest.Source) {
			in, err := NewUnix(&UnixOptions{Path: socketPath(t)}, config.Fluentd, testEnv(new(lines)))
			return open(t, in, err, withChunk)
		}},
		"tcp": {Open: func(t *testing.T) (input.Input, inputtest.Source) {
			in, err := NewTCP(&TCPOptions{Listen: "127.0.0.1"}, config.FluentBit, testEnv(new(lines)))
			return open(t, in, err, jsonLine)
		}},
		"unix_socket": {Open: func(t *testing.T) (input.Input, inputtest.Source) {
			in, err := NewUnixSocket(&UnixSocketOptions{Path: socketPath(t)}, config.FluentBit, testEnv(new(lines)))
			return open(t, in, err, jsonLine)
		}},
		"unix_socket, datagrams": {Open: func(t *testing.T) (input.Input, inputtest.Source) {
			o := &UnixSocketOptions{Path: socketPath(t), Mode: "DGRAM"}
			in, err := NewUnixSocket(o, config.FluentBit, testEnv(new(lines)))
			if err != nil {
				t.Fatal(err)
			}
			return in, &source{network: "unixgram", address: o.Path, message: jsonLine}
		}},
	} {
		t.Run(name, func(t *testing.T) { inputtest.Run(t, s) })
	}
}
