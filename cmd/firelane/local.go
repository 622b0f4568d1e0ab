package main

import (
	"net"

	"github.com/firelane/firelane/admin"
)

// A localServer serves `firelane top` and `firelane tail`.
type localServer struct {
	ln   net.Listener // nil: there is none
	done chan struct{}
}

// startLocal starts to serve `firelane top` and `firelane tail`. If that fails, the router still routes.
func (l *reloader) startLocal() {
	ln, err := admin.ListenLocal()
	if err != nil {
		l.log.Debug().Err(err).Msg("firelane top and firelane tail can't look into this router")
		return
	}
	l.local = localServer{ln, make(chan struct{})}
	go func() {
		defer close(l.local.done)
		_ = admin.ServeLocal(ln, l.admin.config) // its error is that ln is closed
	}()
}

// endLocal ends what startLocal has started.
func (l *reloader) endLocal() {
	if l.local.ln != nil {
		_ = l.local.ln.Close()
		<-l.local.done
	}
}
