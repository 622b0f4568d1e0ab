package serve

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/input"
)

// A pipeListener accepts one connection, which is a pipe.
type pipeListener struct {
	conns chan net.Conn
	ended chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.ended) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// taking takes each request, and makes no event of it.
type taking struct{ Protocol }

func (taking) Begin(*Exchange) (answered bool, r *Refusal) { return false, nil }
func (taking) Take(*Exchange) *Refusal                     { return nil }
func (taking) Add(*Exchange)                               {}
func (taking) Answer(x *Exchange)                          { x.Writer.WriteHeader(http.StatusNoContent) }
func (taking) Refuse(x *Exchange, r *Refusal)              { http.Error(x.Writer, r.Text, r.Status) }

// The body is larger than all that may wait to be queued: there is room for it when nothing else waits.
func TestALargeBodyWaitsUntilTheEventsOfOthersAreQueued(t *testing.T) {
	for name, tt := range map[string]struct {
		queued time.Duration // after the request has begun
		status int
		took   time.Duration // at least
	}{
		"at once": {0, http.StatusNoContent, 0},
		"soon":    {2 * time.Second, http.StatusNoContent, 2 * time.Second},
		"late":    {time.Minute, http.StatusServiceUnavailable, roomTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			memory := input.NewMemory(budget.New(budget.Default))
			ln := &pipeListener{conns: make(chan net.Conn, 1), ended: make(chan struct{})}
			s := NewHTTP(ln, HTTPConfig{Protocol: taking{}}, input.Env{Memory: memory})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx, func() input.Receiver { return new(tally) }) }()
			here, there := net.Pipe()
			ln.conns <- there
			client := &http.Client{Transport: &http.Transport{
				DialContext: func(context.Context, string, string) (net.Conn, error) { return here, nil },
			}}
			const others = 64 << 10
			if memory.AddUnqueued(others); tt.queued == 0 {
				memory.AddUnqueued(-others)
			} else {
				time.AfterFunc(tt.queued, func() { memory.AddUnqueued(-others) })
			}
			begun := time.Now()
			resp, err := client.Post("http://host/", "text/plain", strings.NewReader(strings.Repeat("x", 7<<20)))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if took := time.Since(begun); resp.StatusCode != tt.status || took < tt.took || took > tt.took+time.Second {
				t.Errorf("%s: got %d after %v, want %d after %v", name, resp.StatusCode, took, tt.status, tt.took)
			}
			client.CloseIdleConnections()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
