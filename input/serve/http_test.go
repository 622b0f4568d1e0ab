package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"github.com/firelane/firelane/input"
)

// A failing listener fails once, as the kernel does if it has no memory for a connection.
type failing struct {
	net.Listener
	failed bool
}

func (f *failing) Accept() (net.Conn, error) {
	if !f.failed {
		f.failed = true
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.ENOBUFS)}
	}
	return f.Listener.Accept()
}

// greeting answers each request.
type greeting struct{ Protocol }

func (greeting) Begin(x *Exchange) (answered bool, r *Refusal) {
	x.Writer.WriteHeader(http.StatusNoContent)
	return true, nil
}

func TestAConnectionThatCantBeAcceptedDoesntEndTheServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewHTTP(&failing{Listener: ln}, HTTPConfig{Protocol: greeting{}}, input.Env{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() input.Receiver { return new(tally) }) }()
	client := &http.Client{Transport: new(http.Transport)}
	resp, err := client.Get("http://" + ln.Addr().String())
	if err == nil {
		resp.Body.Close()
		client.CloseIdleConnections()
	}
	cancel()
	if err := errors.Join(err, <-ended); err != nil {
		t.Error(err)
	}
}
