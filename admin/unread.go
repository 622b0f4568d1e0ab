package admin

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
)

const (
	// sendBuffer is how many bytes the kernel holds for a client that doesn't read, twice as many with its own overhead. They count as
	// the container's memory: Linux's default is up to 4 MiB.
	sendBuffer = 32 << 10
	// maxUnread is how many bytes of pages with metrics wait for clients to read them; a larger page waits until it is the only one.
	maxUnread = 2 << 20
)

// unread is the memory of pages that are made as a whole, and wait for clients to read them.
type unread struct {
	turn chan struct{} // held while a page is made, and until there is room for it

	mu    sync.Mutex
	held  int
	freed chan struct{} // has a value when a page was given back
}

func newUnread() *unread {
	return &unread{turn: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// serve answers with what write makes. A client that doesn't read makes the others wait for room, until writeTimeout.
func (u *unread) serve(w http.ResponseWriter, r *http.Request, write func() []byte) {
	page, ok := u.make(r.Context(), write)
	if !ok {
		return
	}
	defer u.give(len(page))
	_, _ = w.Write(page)
}

// make makes a page, one at a time, and waits for room for it; ok is false if ctx ends first.
func (u *unread) make(ctx context.Context, write func() []byte) (page []byte, ok bool) {
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	defer func() { <-u.turn }()
	page = write()
	return page, u.take(ctx, len(page))
}

// take waits for room for n bytes; false: ctx has ended. Only one waits at a time.
func (u *unread) take(ctx context.Context, n int) bool {
	for {
		u.mu.Lock()
		ok := u.held == 0 || u.held+n <= maxUnread
		if ok {
			u.held += n
		}
		u.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-u.freed:
		case <-ctx.Done():
			return false
		}
	}
}

func (u *unread) give(n int) {
	u.mu.Lock()
	u.held -= n
	u.mu.Unlock()
	select {
	case u.freed <- struct{}{}:
	default:
	}
}

// isLocal reports whether a request comes from this machine.
func isLocal(r *http.Request) bool {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && addr.Addr().IsLoopback()
}
