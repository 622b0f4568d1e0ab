package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/forward/pace"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/record"
)

// A conn is one connection. All of it belongs to the goroutine that runs serve, except nc's deadlines and its Close.
type conn struct {
	s           *Server
	nc          net.Conn  // the socket
	paced       pace.Conn // nc; nil where it isn't paced
	rw          net.Conn  // nc, or TLS on it
	peer        string    // the client's address, for the log
	newReceiver func() input.Receiver
	recv        input.Receiver // nil before the first byte
	burster     input.Burster  // recv, if it is one

	in          window
	rest        rest
	unzipTurns  [2]*input.Turn // for the decompressor of each codec; nil before the first
	unzipped    *window        // of the current payload; nil where it isn't compressed
	inMessage   bool           // in the middle of a message: the client may not stall
	inEntries   bool           // in the middle of a message of entries: nothing of it may be flushed
	tookMessage bool           // at least one message was taken
	deadlineSet bool           // nc has a read deadline
	hurried     atomic.Bool    // others wait for the large buffer that it has
	got         uint64         // bytes read
	gotBefore   uint64         // got when the deadline was set

	signInBy  time.Time // when the client must have signed in; zero: it has, or needn't
	messageAt uint64    // which message is timed: where in the stream it begins
	timedFrom time.Time // since when
	entriesAt uint64    // where the current message of entries begins, or went on after a flush

	prefix  prefix // of the last message in Message mode
	tag     []byte // of the current message, where it must outlive a fill
	body    []byte // of the current event, where fields are added to it
	fields  []byte // fields that every event gets, encoded
	nfields int
	json    []byte // the current message, where it came as JSON
	line    []byte // the current event, where it came as a line
	isJSON  bool
	stream  jsonStream // of the input tcp

	acks     []byte // to be written after the next Flush that returns nil
	added    int    // events since the last Flush
	heldBack bool   // the last Flush returned input.ErrHeld
	unqueued int    // bytes of the events that were added
	reported int    // what of unqueued is in the Memory's sum
}

func newConn(s *Server, nc net.Conn, newReceiver func() input.Receiver) *conn {
	c := &conn{s: s, nc: nc, rw: nc, newReceiver: newReceiver}
	c.paced, _ = nc.(pace.Conn)
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
			c.s.log.Error().Str("peer", c.peer).Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).
				Msg("a fault in firelane itself: connection closed")
		}
	}()
	c.rest = rest{ctx: c.s.flushing, memory: c.s.memory, turn: c.s.memory.Reading.Turn(c.hurry)}
	if c.paced != nil && c.s.tls == nil {
		c.rest.paced = c
	}
	c.in = window{src: c, share: c.s.share, hurry: c.hurry, rest: &c.rest, limit: c.s.rules.event}
	err := c.start()
	if err == nil {
		err = c.s.handle(c)
	}
	if c.s.flushing.Err() == nil {
		err = errors.Join(err, c.end())
	}
	if f := c.faultOf(err); f != nil {
		if c.recv != nil {
			c.recv.Reject(1, f.reason)
		}
		f.log(c.s.log, c.peer, "connection closed")
	}
}

// end flushes what was complete before the fault, and discards what was not.
func (c *conn) end() error {
	if !c.inEntries {
		return c.flush()
	}
	if d, ok := c.recv.(input.Discarder); ok {
		return d.Discard(c.s.flushing)
	}
	return nil
}

// start does what comes before the first message.
func (c *conn) start() error {
	if c.s.signsIn() {
		c.signInBy = time.Now().Add(signInTime)
	}
	if c.s.tls != nil {
		t := tls.Server(c.nc, c.s.tls)
		c.rw = t
		ctx, cancel := context.WithDeadline(c.s.flushing, c.signInBy)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			return &fault{reason: "TLS handshake", message: "the TLS handshake failed", err: err}
		}
	}
	if c.s.auth != nil {
		if err := c.authenticate(); err != nil {
			return err
		}
	}
	if c.s.signsIn() {
		c.signInBy = time.Time{}
		c.s.signedIn(c)
	}
	c.encodeFields()
	return nil
}

// close returns what the connection holds. Events that were not flushed are discarded.
func (c *conn) close() {
	c.rw.Close()
	c.nc.Close()
	c.resetUnqueued()
	c.in.returnBuffer()
	c.rest.giveBack(&c.in)
}

// Read is the window's source: it blocks for as long as the client likes between two messages, and at most stallTime
// without a byte in the middle of one. A message that takes longer than messageTime ends
// it as well, up to stallTime later. The deadline isn't moved with each read, which would cost a timer each time: when it
// passes, Read checks whether anything arrived meanwhile.
func (c *conn) Read(p []byte) (int, error) {
	if c.inMessage && !c.deadlineSet {
		c.setDeadline()
	}
	for {
		if n, err := c.received(c.rw.Read(p)); n > 0 || err != nil {
			return n, err
		}
	}
}

// poll is Read without waiting: 0 bytes without an error mean that nothing is there.
func (c *conn) poll(p []byte) (int, error) {
	n, err := c.paced.Poll(p)
	if n == 0 && err == nil {
		return 0, nil
	}
	return c.received(n, err)
}

// await waits for what poll may read.
func (c *conn) await() error {
	for _, b := range []*[]byte{&c.json, &c.line, &c.body} {
		if cap(*b) > restSize {
			*b = nil
		}
	}
	if c.inMessage && !c.deadlineSet {
		c.setDeadline()
	}
	return c.paced.Await()
}

func (c *conn) mayWait() bool { return c.paced.MayWait() }

// received returns what reading n bytes, or err, means. 0 bytes and no error: a deadline has passed, but the client may go on.
func (c *conn) received(n int, err error) (int, error) {
	if n > 0 {
		c.got += uint64(n)
		c.s.reads.Add(1)
		return n, nil
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, err
	}
	if _, stopping := c.s.draining(); stopping {
		return 0, errStopped
	}
	switch {
	case !c.signInBy.IsZero():
		return 0, errSignIn
	case c.hurried.CompareAndSwap(true, false) && c.holdsMemory():
		return 0, errHurried
	case c.inMessage && c.got == c.gotBefore:
		return 0, errStalled
	case c.inMessage && c.tooSlow():
		return 0, errSlow
	}
	c.setDeadline()
	return 0, nil
}

// setDeadline sets the read deadline, or removes it where the client may be silent.
func (c *conn) setDeadline() {
	var t time.Time
	switch {
	case !c.signInBy.IsZero():
		t = c.signInBy
	case c.inMessage:
		now := time.Now()
		if at := c.messageStart(); at != c.messageAt || c.timedFrom.IsZero() {
			c.messageAt, c.timedFrom = at, now
		}
		t = now.Add(stallTime)
	}
	c.deadlineSet, c.gotBefore = c.inMessage, c.got
	c.nc.SetReadDeadline(t) // Read returns its error as well
	if c.hurried.Load() {
		c.nc.SetReadDeadline(time.Now())
	}
	if by, stopping := c.s.draining(); stopping {
		c.nc.SetReadDeadline(by)
	}
}

// hurry makes the connection end soon, because others wait for its memory. Any goroutine may call it.
func (c *conn) hurry() {
	c.hurried.Store(true)
	c.nc.SetReadDeadline(time.Now())
}

// holdsMemory reports whether the connection has memory that others may wait for.
func (c *conn) holdsMemory() bool { return c.in.base != nil || c.unzipped != nil }

// messageStart returns the offset of the current message in the stream.
func (c *conn) messageStart() uint64 {
	if c.inEntries {
		return c.entriesAt
	}
	return c.got - uint64(len(c.in.unused()))
}

// tooSlow reports whether the client has taken too long for the message that is timed.
func (c *conn) tooSlow() bool {
	at := c.messageStart()
	extra := time.Duration((c.got-at)/slowestRate) * time.Second
	return at == c.messageAt && time.Since(c.timedFrom) >= messageTime+extra
}

// readMore flushes what has been added, writes the acks, and reads on.
func (c *conn) readMore() error {
	if err := c.flush(); err != nil {
		return err
	}
	c.inMessage = len(c.in.unused()) > 0
	if err := c.in.fill(); err != nil {
		return err
	}
	if c.recv == nil {
		c.recv = c.newReceiver()
		c.burster, _ = c.recv.(input.Burster)
	}
	return nil
}

// readOn calls readMore until the first value may be complete.
func (c *conn) readOn() error {
	err := c.readMore()
	for err == nil && !c.in.mayBeComplete() {
		err = c.readMore()
	}
	return err
}

// flush queues what has been added, then writes the acks.
func (c *conn) flush() error {
	if c.added > 0 || c.heldBack && len(c.acks) > 0 {
		if err := c.flushEvents(); err != nil {
			return err
		}
	}
	if len(c.acks) == 0 {
		return nil
	}
	return c.writeAcks()
}

// flushEvents flushes what has been added. Where acks wait for events that a step holds it flushes again until there are
// none, for at most heldTime. Nothing else is read from the connection meanwhile; others are not affected.
func (c *conn) flushEvents() error {
	c.in.release() // a full queue may take long
	err := c.recv.Flush(c.s.flushing)
	c.heldBack = errors.Is(err, input.ErrHeld)
	if err != nil && !c.heldBack {
		return err
	}
	if c.paced != nil {
		c.paced.Count(c.added)
	}
	c.rest.known = c.rest.known || c.added > 0
	c.added = 0
	c.resetUnqueued()
	if c.heldBack && len(c.acks) > 0 {
		return c.awaitHeld()
	}
	return nil
}

// awaitHeld flushes until no step holds events of the connection any more.
func (c *conn) awaitHeld() error {
	timeout := time.NewTimer(heldTime)
	defer timeout.Stop()
	retry := time.NewTicker(heldRetry)
	defer retry.Stop()
	for {
		select {
		case <-retry.C:
		case <-timeout.C:
			c.acks = c.acks[:0]
			return errHeld
		case <-c.s.flushing.Done():
			return c.s.flushing.Err()
		}
		if err := c.recv.Flush(c.s.flushing); !errors.Is(err, input.ErrHeld) {
			c.heldBack = false
			return err
		}
	}
}

func (c *conn) write(b []byte) error {
	c.nc.SetWriteDeadline(time.Now().Add(ackTime)) // Write returns its error as well
	_, err := c.rw.Write(b)
	return err
}

// flushIfOverBudget flushes the beginning of an unfinished message where all connections together hold too much of
// such.
func (c *conn) flushIfOverBudget() error {
	if c.unqueued == c.reported {
		return nil
	}
	over := c.s.memory.AddUnqueued(c.unqueued - c.reported)
	c.reported = c.unqueued
	if !over {
		return nil
	}
	err := c.flush()
	c.entriesAt = c.got // the time for that isn't counted against the client
	return err
}

func (c *conn) resetUnqueued() {
	if c.reported > 0 {
		c.s.memory.AddUnqueued(-c.reported)
	}
	c.unqueued, c.reported = 0, 0
}

// add hands one event to the receiver.
func (c *conn) add(tag []byte, t record.Time, body []byte) {
	if c.nfields > 0 {
		body = c.withFields(body)
	}
	c.recv.Add(tag, t, body)
	c.added++
	c.unqueued += len(body)
}

// reject skips something that is wrong in a way that leaves the rest intact.
func (c *conn) reject(f *fault) {
	c.recv.Reject(1, f.reason)
	f.log(c.s.log, c.peer, "skipped")
}
