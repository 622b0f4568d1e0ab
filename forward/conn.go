package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/firelane/firelane/record"
)

// A conn is one connection. All of it belongs to the goroutine that runs serve, except nc's deadlines and its Close.
type conn struct {
	s           *Server
	nc          net.Conn // the socket
	rw          net.Conn // the socket, or TLS on it
	peer        string   // for people
	newReceiver func() Receiver
	recv        Receiver // nil before the first byte

	in     window
	inside bool   // in the middle of a message: the client may not stall
	armed  bool   // a read deadline is set
	got    uint64 // bytes read
	mark   uint64 // got when the deadline was set

	head    head   // of the last message in Message mode
	tag     []byte // of the message at hand, where it must outlive a fill
	body    []byte // of the event at hand, where fields are added to it
	fields  []byte // fields that every event gets, encoded
	nfields int
	json    []byte // the message at hand, where it came as JSON
	line    []byte // the event at hand, where it came as a line
	isJSON  bool
	acks    []byte // to be written after the next Flush
	added   int    // events since the last Flush
	held    int    // bytes of them, while in the middle of a message of entries
	claimed int    // what of held is in the server's sum
	half    bool   // in the middle of a message of entries
	taken   bool   // a message was taken
}

func newConn(s *Server, nc net.Conn, newReceiver func() Receiver) *conn {
	c := &conn{s: s, nc: nc, rw: nc, newReceiver: newReceiver}
	c.peer = nc.RemoteAddr().String()
	if nc.RemoteAddr().Network() == "unix" { // clients have no name
		c.peer = s.Addr().String()
	}
	return c
}

// serve reads the connection until its end.
func (c *conn) serve() {
	defer c.s.forget(c)
	defer c.close()
	defer func() {
		if v := recover(); v != nil {
			c.s.panics.Add(1)
			c.s.log.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).
				Msg(c.s.rules.name + ": " + c.peer + ": a fault in the server itself, connection closed")
		}
	}()
	base := make([]byte, readSize)
	c.in = window{src: c, lender: c.s.memory.lender, base: base, buf: base, limit: c.s.rules.event}
	err := c.start()
	if err == nil {
		err = c.s.handle(c)
	}
	if !c.half && c.s.flushing.Err() == nil { // what was complete before it went wrong is safe
		err = errors.Join(err, c.flush())
	}
	c.report(err)
}

// start does what comes before the first message.
func (c *conn) start() error {
	if c.s.tls != nil {
		t := tls.Server(c.nc, c.s.tls)
		c.rw = t
		ctx, cancel := context.WithTimeout(c.s.flushing, handshakeTime)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			return &fault{what: "TLS handshake: " + err.Error(), kind: "TLS handshake"}
		}
	}
	if c.s.auth != nil {
		if err := c.authenticate(); err != nil {
			return err
		}
	}
	c.addFields()
	return nil
}

// close gives everything back. Events that no Flush has made safe are discarded.
func (c *conn) close() {
	c.rw.Close()
	c.nc.Close()
	c.unclaim()
	c.in.giveBack()
	if c.recv != nil {
		c.recv.Close()
	}
}

// report says why the connection ended, where that isn't as it should be.
func (c *conn) report(err error) {
	var f *fault
	switch {
	case errors.As(err, &f):
	case errors.Is(err, errTooLarge):
		f = &fault{kind: "event too large", what: fmt.Sprintf("an event is larger than %d bytes", c.in.limit)}
	case errors.Is(err, errStalled):
		f = &fault{kind: "stalled", what: fmt.Sprintf("the client sent nothing for %v in the middle of a message", stallTime)}
	case errors.Is(err, errCrowded):
		f = &fault{kind: "crowded", what: errCrowded.Error()}
	case c.added > 0 && c.s.flushing.Err() != nil:
		f = &fault{kind: "stopped", what: fmt.Sprintf("%d events were not made safe before the end", c.added)}
	case err == nil, errors.Is(err, errStopped) && !c.inside, errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return
	case c.inside && (errors.Is(err, errStopped) || isEnd(err)):
		f = &fault{kind: "cut short", what: "the connection ended in the middle of a message, which isn't taken"}
	case isEnd(err):
		return
	default:
		f = &fault{kind: "connection", what: err.Error()}
	}
	if c.recv != nil {
		c.recv.Reject(1, f.kind)
	}
	c.s.quiet.warn(f.kind, c.s.rules.name, c.peer, f.what+": connection closed")
}

// isEnd says that the client hung up, in whichever way.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// A fault is an input that a connection doesn't survive.
type fault struct {
	kind string // constant, a few words
	what string // what is wrong, and what would be right
}

func (f *fault) Error() string { return f.what }

var (
	errStalled = errors.New("the client stalls")
	errStopped = errors.New("the server stops")
)

// Read is the window's source: it blocks for as long as the client likes between two messages, and at most stallTime
// without a byte in the middle of one. The deadline is set once and left alone: when it passes, Read sees whether
// anything came meanwhile. That costs no timer for each read.
func (c *conn) Read(p []byte) (int, error) {
	if c.inside && !c.armed {
		c.arm()
	}
	for {
		n, err := c.rw.Read(p)
		if n > 0 {
			c.got += uint64(n)
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if _, stopping := c.s.draining(); stopping {
			return 0, errStopped
		}
		if c.inside && c.got == c.mark {
			return 0, errStalled
		}
		c.arm()
	}
}

// arm sets the read deadline, or takes it away where the client may be silent.
func (c *conn) arm() {
	var t time.Time
	if c.inside {
		t = time.Now().Add(stallTime)
	}
	c.armed, c.mark = c.inside, c.got
	c.nc.SetReadDeadline(t) // an error comes from Read as well
	if by, stopping := c.s.draining(); stopping {
		c.nc.SetReadDeadline(by)
	}
}

// more makes safe what has been added, writes the acks, and reads on.
func (c *conn) more() error {
	if err := c.flush(); err != nil {
		return err
	}
	c.inside = len(c.in.unused()) > 0
	if err := c.in.fill(); err != nil {
		return err
	}
	if c.recv == nil {
		c.recv = c.newReceiver()
	}
	return nil
}

// flush makes safe what has been added, then writes the acks.
func (c *conn) flush() error {
	if c.added > 0 {
		if err := c.recv.Flush(c.s.flushing); err != nil && !errors.Is(err, ErrHeld) {
			return err
		}
		c.s.pacer.count(c.nc, c.added)
		c.added = 0
		c.unclaim()
	}
	if len(c.acks) == 0 {
		return nil
	}
	err := c.write(c.acks)
	c.acks = c.acks[:0]
	return err
}

func (c *conn) write(b []byte) error {
	c.nc.SetWriteDeadline(time.Now().Add(ackTime)) // an error comes from Write as well
	_, err := c.rw.Write(b)
	return err
}

// relieve makes the beginning of an unfinished message safe where the server holds too much of that kind.
func (c *conn) relieve() error {
	if c.held == c.claimed {
		return nil
	}
	sum := c.s.memory.held.Add(int64(c.held - c.claimed))
	c.claimed = c.held
	if sum <= maxHeld {
		return nil
	}
	return c.flush()
}

func (c *conn) unclaim() {
	c.s.memory.held.Add(-int64(c.claimed))
	c.held, c.claimed = 0, 0
}

// add hands one event on.
func (c *conn) add(tag []byte, t record.Time, body []byte) {
	if c.nfields > 0 {
		body = c.extend(body)
	}
	c.recv.Add(tag, t, body)
	c.added++
	c.held += len(body)
}

// reject skips n events that are wrong in a way that leaves the rest intact.
func (c *conn) reject(n int, kind, right string) {
	c.recv.Reject(n, kind)
	c.s.quiet.warn(kind, c.s.rules.name, c.peer, kind+", "+right+": skipped")
}
