package systemd

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/systemd/journal"
	"github.com/firelane/firelane/record"
)

// What entries are refused for.
const damagedEntry = "journal entry is damaged"

// follow reads what there is, and waits for more.
func (in *Input) follow(ctx context.Context) error {
	in.scan(true)
	next := time.Now().Add(scanTime) // search
	last := false                    // the files have been checked since WaitIdle was called
	var retry time.Time              // of a flush; zero: nothing is held
	for ctx.Err() == nil {
		some := in.pass(ctx)
		in.chargeAll()
		if some {
			in.setIdle(false, last)
		}
		if err := in.flush(ctx, &retry, some); err != nil {
			return err
		}
		if some {
			continue
		}
		hurry := in.hurry.Load()
		if hurry && !last {
			last = true
			in.refresh(&next, true)
			continue
		}
		in.setIdle(!in.dirty, last)
		in.wait(ctx, retry)
		if !hurry {
			in.refresh(&next, false)
		}
	}
	return nil
}

// pass adds entries in their order, until there is enough for a flush. It reports whether it has read any.
func (in *Input) pass(ctx context.Context) (some bool) {
	for n := 0; n < in.opts.MaxEntries && in.size < flushSize && ctx.Err() == nil; {
		s, then := in.oldestTwo()
		if s == nil {
			break
		}
		some = true
		for ; n < in.opts.MaxEntries && in.size < flushSize && ctx.Err() == nil; n++ {
			if in.addNext(s); !s.unread() || then != nil && then.before(s) {
				n++
				break
			}
		}
	}
	return some
}

// oldestTwo returns the file whose next entry comes first, and the one whose next entry comes after that; nil for none.
func (in *Input) oldestTwo() (first, second *source) {
	for _, s := range in.sources {
		switch {
		case !s.unread():
		case first == nil || s.before(first):
			first, second = s, first
		case second == nil || s.before(second):
			second = s
		}
	}
	return first, second
}

// addNext adds the next entry of s, or leaves it out.
func (in *Input) addNext(s *source) {
	if err := in.open(s); err != nil {
		in.fail(s, err)
		return
	}
	e, err := s.file.Peek()
	switch {
	case err == nil:
		if !in.add(s, e) {
			return
		}
	case !isDamage(err):
		in.fail(s, err)
		return
	case in.doubts(s):
		return
	case journal.Unreachable(err):
		s.broken = true
		in.log.Warn().Str("file", s.path).Uint64("entries", s.pos).Uint64("unread", s.header.Entries-s.pos).Err(err).
			Msg("a journal file is damaged: the rest of it can't be read")
		return
	default:
		in.recv.Reject(1, damagedEntry)
		in.log.Warn().Str("file", s.path).Uint64("entry", s.pos).Err(err).Msg("an entry of a journal file is damaged: it is left out")
	}
	s.file.Skip()
	s.doubt = time.Time{}
	s.pos++
	in.peek(s)
}

// peek notes what the next entry of s is. Where it is damaged, one will say so.
func (in *Input) peek(s *source) {
	if e, err := s.file.Peek(); err == nil {
		s.next = key{e.Seqnum, e.Realtime}
	} else if !errors.Is(err, io.EOF) {
		s.next.seqnum++
	}
}

// doubts reports whether damage may be what journald is writing: not all that it has written may be seen at once. Then s is read
// again a little later.
func (in *Input) doubts(s *source) bool {
	if s.header.Archived {
		return false
	}
	if s.doubt.IsZero() {
		s.doubt = time.Now()
	}
	if time.Since(s.doubt) >= newTime {
		return false
	}
	s.blocked = true
	in.close(s)
	return true
}

// add adds an entry, if the filter takes it. It reports whether the next one can follow.
func (in *Input) add(s *source, e *journal.Entry) bool {
	tag, body, ok, err := in.maker.make(s, e)
	if err != nil && isDamage(err) && in.doubts(s) {
		return false
	}
	if err != nil {
		in.log.Warn().Str("file", s.path).Uint64("entry", s.pos).Err(err).Msg("a field of a journal entry can't be read: it is left out of the record")
	}
	if !ok {
		return true
	}
	if in.ident == nil {
		in.recv.Add(tag, timeOf(e.Realtime), body)
	} else {
		in.ident.AddIdentified(tag, timeOf(e.Realtime), body, record.ID{Queue: s.identity, Pos: s.pos})
	}
	in.size += len(body)
	in.dirty = true
	return true
}

// flush queues what was added and saves the positions.
func (in *Input) flush(ctx context.Context, retry *time.Time, added bool) error {
	in.size = 0
	if !in.dirty {
		if added { // entries that the filter doesn't take
			in.save()
		}
		return nil
	}
	if !added && time.Now().Before(*retry) {
		return nil // it is tried again soon
	}
	// When ctx ends what was added gets a few seconds more: otherwise it may be in the queues of some outputs only.
	limited, cancel := context.WithCancel(in.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(in.flushing, cancel) })
	defer stop()
	err := in.recv.Flush(limited)
	switch {
	case errors.Is(err, input.ErrHeld):
		*retry = time.Now().Add(heldRetry)
		return nil
	case err != nil:
		return err
	}
	in.dirty, *retry = false, time.Time{}
	in.save()
	return nil
}

// save saves the positions of files of which entries were read.
func (in *Input) save() {
	for id, s := range in.sources {
		if s.pos == s.saved {
			continue
		}
		if in.positions != nil {
			exists := func(id journal.ID) bool { return in.sources[id] != nil }
			if err := in.positions.put(id, s.pos, exists); err != nil {
				if !in.wrote {
					in.wrote = true
					in.log.Error().Err(err).Msg("positions in the journal can't be saved: after a restart entries may be read again")
				}
				continue
			}
		}
		s.saved = s.pos
	}
}

// wait waits until something is due.
func (in *Input) wait(ctx context.Context, retry time.Time) {
	d := checkTime
	if !retry.IsZero() {
		d = min(d, time.Until(retry))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-in.wake:
	case <-timer.C:
	}
}

// refresh checks the files that are written, and searches for others if that is due or folders have changed.
func (in *Input) refresh(next *time.Time, all bool) {
	now := time.Now()
	for _, s := range in.sources {
		every := checkTime / 2 // the timer is a little early or late
		if now.Sub(s.changed) > quietAfter {
			every = quietTime
		}
		if !all && now.Sub(s.checked) < every || s.over() {
			continue
		}
		was := s.header.Entries
		if in.check(s, now) && s.pos == was {
			in.peek(s)
		}
	}
	if all || in.again || !now.Before(*next) || in.foldersChanged() {
		*next = now.Add(scanTime)
		in.scan(false)
	}
}
