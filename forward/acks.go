package forward

import (
	"errors"
	"os"
	"time"
)

// ackPoll is how often a connection that doesn't read its acks checks whether the server stops.
const ackPoll = 100 * time.Millisecond

// writeAcks writes the acks. Where the client doesn't read, they wait for at most ackTime, without a read buffer if little is
// in it. All connections together have a limited number of bytes of them; beyond that acks are dropped, and the connection ends
// after the same time, without any memory.
func (c *conn) writeAcks() error {
	acks := c.acks
	if c.acks = c.acks[:0]; cap(acks) > restSize {
		c.acks = nil
	}
	if c.rest.paced != nil {
		c.nc.SetWriteDeadline(time.Time{})
		n, err := c.paced.Offer(acks)
		if acks = acks[n:]; err != nil || len(acks) == 0 {
			return err
		}
		c.in.compact()
		c.rest.lie(&c.in)
	}
	if !c.s.memory.TakeUnsent(len(acks)) {
		c.in.returnBuffer()
		c.rest.giveBack(&c.in)
		c.in.buf, c.in.r, c.in.w = nil, 0, 0
		c.awaitStop(ackTime)
		return errUnread
	}
	defer c.s.memory.ReturnUnsent(len(acks))
	c.rest.turn.Wait()
	defer c.rest.turn.Resume()
	err := c.write(acks)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errUnread
	}
	return err
}

// awaitStop waits until the server stops, at most for a time.
func (c *conn) awaitStop(atMost time.Duration) {
	for end := time.Now().Add(atMost); time.Now().Before(end); time.Sleep(ackPoll) {
		if _, stopping := c.s.draining(); stopping {
			return
		}
	}
}
