package buffer

import "slices"

// Rewind has Next return again, in order, what was taken and released: for an output that goes on with another configuration.
// What was committed is not returned again. It undoes Drain and Overfill. No chunk may be in flight, and no Next running.
func (q *Queue) Rewind() {
	q.mu.Lock()
	defer q.unlock()
	q.draining, q.overfull = false, false
	q.current = 0
	for _, s := range q.segs {
		s.out = slices.DeleteFunc(s.out, func(c *Chunk) bool {
			if c.state != released {
				return false
			}
			q.stats.Ended -= int64(c.ended)
			return true
		})
		s.released = tally{}
		s.read = s.low
		s.skipTaken()
	}
	q.wakeReader()
}

// Interrupt ends the waits of all Appends, and of those to come until it is called with false: the error is ErrInterrupted.
func (q *Queue) Interrupt(on bool) {
	q.mu.Lock()
	defer q.unlock()
	q.interrupt = on
	if !on {
		return
	}
	for _, w := range q.waiters {
		select {
		case w.room <- struct{}{}:
		default:
		}
	}
}

// Adjust gives the queue another limit, policy, Sync, and log; of o it reads nothing else. A limit of 0 leaves that of a queue in
// memory as it is.
func (q *Queue) Adjust(o Options) error {
	q.mu.Lock()
	defer q.unlock()
	q.full, q.sync, q.log = o.Full, o.Sync, o.Log
	if !q.stats.Durable {
		if o.Limit > 0 {
			q.stats.Limit = o.Limit
		}
		return nil
	}
	q.keep = maxSpares
	if o.Sync {
		q.keep = 0
	}
	if d, ok := q.lock.(*disk); ok {
		d.sync = o.Sync
	}
	return q.setLimits(o)
}

// Describe replaces what the queue's folder says that the queue is for, as Lock.Describe does.
func (q *Queue) Describe(about string) error {
	q.mu.Lock()
	defer q.unlock()
	d, ok := q.lock.(*disk)
	if !ok || q.isClosed() {
		return nil
	}
	return (&Lock{d}).Describe(about)
}

// readEnd is where the run of batches ends that begins at s.read: at what was taken before, or at the segment's end.
func (s *segment) readEnd() place {
	for _, c := range s.out {
		if c.from.off >= s.read.off {
			return c.from
		}
	}
	return s.end
}

// skipTaken moves s.read over what was taken before.
func (s *segment) skipTaken() {
	for _, c := range s.out {
		if c.from == s.read {
			s.read = c.to
		}
	}
}

// took notes that a chunk was taken: from is where the segment was read up to.
func (s *segment) took(c *Chunk) {
	s.read = c.to
	n := len(s.out)
	for n > 0 && s.out[n-1].from.off > c.from.off {
		n--
	}
	s.out = slices.Insert(s.out, n, c)
	s.skipTaken()
}

// unread is what of the segment was not taken.
func (s *segment) unread() tally {
	t := s.end.minus(s.read)
	for _, c := range s.out {
		if c.from.off >= s.read.off {
			taken := c.to.minus(c.from)
			t.records -= taken.records
			t.bytes -= taken.bytes
		}
	}
	return t
}
