package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/input"
)

// An Exchange is a request and its answer. It is valid until the last method of Protocol for it returns.
type Exchange struct {
	Request *http.Request
	Writer  http.ResponseWriter
	Body    []byte         // after decompression
	Events  []byte         // first an empty buffer; what Take leaves here is reused for the next request
	Tag     []byte         // of the events; the protocol sets it
	Count   int            // of the events; Take sets it
	Extra   int            // bytes that Add adds to each of them; Take sets it
	Recv    input.Receiver // takes the events

	conn    *conn
	mode    mode
	room    []byte      // empty: what is left of the memory that the body is in
	size    int         // bytes of events that Drain has discarded
	largest int         // bytes of the largest of these
	add     func()      // adds Events; in mode adding
	read    bool        // the body was read
	turn    *input.Turn // of a decompressor
	hurried atomic.Bool // others wait for memory that it has
}

// exchange reads a request, and queues its events.
func (s *HTTP) exchange(x *Exchange) error {
	x.Recv = s.takeReceiver()
	give, err := s.readBody(x)
	if err != nil {
		return err
	}
	defer give()
	x.read = true
	held := 0
	defer func() { s.memory.AddUnqueued(-held) }()
	hold := func(n int) error {
		s.memory.AddUnqueued(-held)
		held = 0
		if s.awaitRoom(x, n) {
			held = n
			return nil
		}
		return &Refusal{Status: http.StatusServiceUnavailable, Text: "too many events of other requests are not queued yet", retry: time.Second}
	}
	if err := hold(len(x.Body)); err != nil {
		return err
	}
	defer s.keepEvents(x)
	if len(x.Body) > maxCollected {
		if err := s.takeTurn(); err != nil {
			return err
		}
		defer func() { <-s.large }()
		x.mode = checking
		x.Events = x.room // what it holds of a large body's event needs no other memory
	} else if events, ok := s.spare.Get().(*[]byte); ok {
		x.Events = (*events)[:0]
	}
	if r := s.cfg.Protocol.Take(x); r != nil {
		return r
	}
	if x.Count > MaxEvents || x.Count*x.Extra > maxExtra {
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "too many events", Text: fmt.Sprintf("the request has %d events; send fewer at a time", x.Count)}
	}
	if n := max(x.largest, len(x.Events)); x.mode == checking && n > MaxEvent {
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "event too large", Text: fmt.Sprintf("the request has an event of %d bytes; an event may have %d", n, MaxEvent)}
	}
	if err := hold(x.size + len(x.Events) + x.Count*(x.Extra+eventCost)); err != nil {
		return err
	}
	if err := s.add(x); err != nil {
		return err
	}
	x.Body = nil
	give()
	s.keepEvents(x)
	return s.flush(x)
}

// awaitRoom waits until there is room for n bytes of events, beside those of others that are not queued yet. It reports whether there is.
func (s *HTTP) awaitRoom(x *Exchange, n int) bool {
	if s.memory.TakeUnqueued(n) {
		return true
	}
	timeout := time.NewTimer(roomTime)
	defer timeout.Stop()
	retry := time.NewTicker(roomRetry)
	defer retry.Stop()
	for {
		select {
		case <-retry.C:
			if s.memory.TakeUnqueued(n) {
				return true
			}
		case <-timeout.C:
			return false
		case <-x.Request.Context().Done():
			return false
		case <-s.flushing.Done():
			return false
		}
	}
}

// takeTurn waits until no other large request is being converted and queued.
func (s *HTTP) takeTurn() error {
	timeout := time.NewTimer(turnTime)
	defer timeout.Stop()
	select {
	case s.large <- struct{}{}:
		return nil
	case <-timeout.C:
	case <-s.flushing.Done():
	}
	return &Refusal{Status: http.StatusServiceUnavailable, Text: "other large requests are not queued yet", retry: time.Second}
}

// The modes of an Exchange. The events of a large body are converted twice, and never are in memory as a whole besides the
// batches.
type mode uint8

const (
	collecting mode = iota // all events stay in Events
	checking               // they are converted to see whether the request is well-formed
	adding                 // they are added as they are converted
)

// Drain is called by Take with Events after each event. It returns what is to be used as Events from then on.
func (x *Exchange) Drain(events []byte) []byte {
	switch {
	case x.mode == checking:
		x.size += len(events)
		x.largest = max(x.largest, len(events))
		return events[:0]
	case x.mode == adding && len(events) >= maxKept:
		x.Events = events
		x.add()
		return events[:0]
	}
	return events
}

// Size is how many bytes of events Take has converted up to the last Drain.
func (x *Exchange) Size(events []byte) int { return x.size + len(events) }

// add adds the events of an exchange that is well-formed.
func (s *HTTP) add(x *Exchange) error {
	if x.mode == checking {
		x.mode, x.Count, x.Events, x.size = adding, 0, x.Events[:0], 0
		x.add = func() { s.cfg.Protocol.Add(x) }
		if r := s.cfg.Protocol.Take(x); r != nil { // impossible: it has not before
			x.Recv = nil // some events have been added to it
			return r
		}
	}
	s.cfg.Protocol.Add(x)
	return nil
}

// keepEvents keeps the buffer of an exchange for another one.
func (s *HTTP) keepEvents(x *Exchange) {
	if b := x.Events; x.mode == collecting && b != nil && cap(b) <= maxKept {
		s.spare.Put(&b)
	}
	x.Events, x.room = nil, nil
}

// flush queues the events of an exchange.
func (s *HTTP) flush(x *Exchange) error {
	ctx, cancel := context.WithTimeout(s.flushing, fullTime)
	err := x.Recv.Flush(ctx)
	cancel()
	if errors.Is(err, input.ErrHeld) {
		err = s.awaitHeld(x)
	}
	if err == nil {
		return nil
	}
	recv := x.Recv
	x.Recv = nil // what it may still hold is not the next request's
	if d, ok := recv.(input.Discarder); ok && (errors.Is(err, input.ErrHeld) || s.flushing.Err() == nil) {
		_ = d.Discard(s.flushing) // the answer is the same
	}
	return &Refusal{Status: http.StatusServiceUnavailable, Text: "the queue is full, or a filter holds events; send them again", retry: 5 * time.Second}
}

// awaitHeld flushes until no step holds events of the exchange any more.
func (s *HTTP) awaitHeld(x *Exchange) error {
	timeout := time.NewTimer(heldTime)
	defer timeout.Stop()
	retry := time.NewTicker(heldRetry)
	defer retry.Stop()
	for {
		select {
		case <-retry.C:
		case <-timeout.C:
			return input.ErrHeld
		case <-s.flushing.Done():
			return s.flushing.Err()
		}
		if err := x.Recv.Flush(s.flushing); !errors.Is(err, input.ErrHeld) {
			return err
		}
	}
}

// refuse counts, logs and answers what was refused.
func (s *HTTP) refuse(x *Exchange, err error) {
	var r *Refusal
	if !errors.As(err, &r) {
		r = refusalOf(x, err)
	}
	if r.Reason != "" {
		if x.Recv == nil {
			x.Recv = s.takeReceiver()
		}
		x.Recv.Reject(1, r.Reason)
	}
	s.log.Warn().Str("peer", x.Request.RemoteAddr).Str("reason", r.Reason).Int("status", r.Status).Msg("a request is refused: " + r.Text)
	s.giveReceiver(x)
	h := x.Writer.Header()
	if r.retry > 0 {
		h.Set("Retry-After", fmt.Sprint(int(r.retry.Seconds())))
	}
	if !x.read {
		h.Set("Connection", "close") // what is left of the body isn't wanted
	}
	_ = x.conn.SetWriteDeadline(time.Now().Add(answerTime))
	s.cfg.Protocol.Refuse(x, r)
}

func (r *Refusal) Error() string { return r.Text }

// refusalOf turns an error of reading a body into a Refusal.
func refusalOf(x *Exchange, err error) *Refusal {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "body too large", Text: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)}
	case errors.Is(err, input.ErrNoMemory), x.hurried.Load():
		return &Refusal{Status: http.StatusServiceUnavailable, Reason: "no memory", Text: "other clients have all the memory that there is", retry: time.Second}
	case errors.Is(err, errBadBody):
		return &Refusal{Status: http.StatusBadRequest, Reason: "bad body", Text: err.Error()}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Refusal{Status: http.StatusBadRequest, Reason: "cut short", Text: "the connection ended in the middle of a body"}
	}
	return &Refusal{Status: http.StatusRequestTimeout, Reason: "too slow", Text: "reading the body failed: " + err.Error()}
}

func (s *HTTP) takeReceiver() input.Receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.receivers); n > 0 {
		r := s.receivers[n-1]
		s.receivers = s.receivers[:n-1]
		return r
	}
	return s.newReceiver()
}

func (s *HTTP) giveReceiver(x *Exchange) {
	if x.Recv == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receivers = append(s.receivers, x.Recv)
	x.Recv = nil
}
