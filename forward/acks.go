package forward

import (
	"errors"
	"os"
	"time"
)

// writeAcks writes the acks. Where the client doesn't read, they wait for at most ackTime, without a read buffer if little is
// in it; all connections together have maxUnsent bytes of them.
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
		return errUnsent
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
