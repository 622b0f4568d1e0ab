package tail

import (
	"context"
	"errors"
	"time"

	"github.com/firelane/firelane/input"
)

// timers are when the loop does what.
type timers struct {
	scan  time.Time // search for new files
	check time.Time // look at every file
	flush time.Time // flush held events again; zero: nothing is held
}

// follow reads what there is, and waits for more.
func (in *Input) follow(ctx context.Context) error {
	in.watch.update(in.folders()) // first: files may be made, and renamed, during the search
	in.scan(true)
	in.watchFolders()
	now := time.Now()
	t := timers{scan: now.Add(in.opts.Refresh), check: now.Add(in.checkEvery())}
	for ctx.Err() == nil {
		if in.pass(ctx) {
			in.notIdle()
		}
		if err := in.flush(ctx, &t); err != nil {
			return err
		}
		if len(in.ready) > 0 {
			in.due(&t) // files may be renamed before the ends of all are reached
			continue
		}
		next, held := in.release()
		if in.dirty && t.flush.IsZero() {
			continue // something was released
		}
		if in.setIdle(!in.dirty && !held) {
			in.scan(false)
			continue
		}
		if in.opts.ExitOnEOF && !in.dirty && !held {
			in.log.Info().Msg("the ends of all files are reached: the input ends")
			return nil
		}
		in.wait(ctx, t, next)
		in.due(&t)
	}
	return nil
}

// checkEvery is the interval at which every file is checked.
func (in *Input) checkEvery() time.Duration {
	if in.watch.works() {
		return checkTime
	}
	return statTime
}

// pass reads a part of each file that may have more, until there is enough for a flush. It reports whether it has read anything.
func (in *Input) pass(ctx context.Context) (read bool) {
	in.liner.now = time.Now()
	list := in.ready
	in.ready = nil
	for n, f := range list {
		if ctx.Err() != nil || in.liner.size >= flushSize {
			in.ready = append(list[n:], in.ready...) // those that have had their turn come last
			return true
		}
		f.ready = false
		if f.ended {
			continue
		}
		more, some := in.read(f)
		read = read || some
		if more {
			in.markReady(f)
		}
	}
	return read
}

// markReady puts f among those that may have more to read.
func (in *Input) markReady(f *file) {
	if !f.ready && !f.ended {
		f.ready = true
		in.ready = append(in.ready, f)
	}
}

// flush queues what was added and saves the offsets.
func (in *Input) flush(ctx context.Context, t *timers) error {
	added := in.liner.size > 0
	in.dirty = in.dirty || added
	in.liner.size = 0
	if !in.dirty {
		in.prepare() // files without a line that counts
		in.save()
		return nil
	}
	if !added && time.Now().Before(t.flush) {
		return nil // it is tried again soon
	}
	// When ctx ends what was added gets a few seconds more: otherwise it may be in the queues of some outputs only.
	limited, cancel := context.WithCancel(in.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(in.flushing, cancel) })
	defer stop()
	in.prepare()
	err := in.flushAndLook(limited, t)
	switch {
	case errors.Is(err, input.ErrHeld):
		for _, f := range in.saving {
			f.unsaved = true
		}
		t.flush = time.Now().Add(heldRetry)
		return nil
	case err != nil:
		return err
	}
	in.dirty, t.flush = false, time.Time{}
	in.save()
	return nil
}

// prepare makes the next commit: the places of all files, up to what they hold, and those that have ended.
func (in *Input) prepare() {
	in.saving = in.saving[:0]
	if in.store != nil {
		in.store.begin()
	}
	for _, f := range in.files {
		if !f.unsaved && !f.ended {
			continue
		}
		in.saving = append(in.saving, f)
		f.unsaved = false // unless something changes until it is saved
		switch {
		case in.store == nil:
		case f.ended:
			in.store.free(f.id)
		default:
			p := f.place
			if p.offset = f.safe(); int64(p.print.size) > p.offset {
				p.print = fingerprint{} // what is before the offset is no whole fingerprint
			}
			in.store.put(p)
		}
	}
	if in.store != nil {
		in.store.seal()
	}
}

// save writes what prepare has made, and forgets the files that have ended.
func (in *Input) save() {
	saved := true
	if in.store != nil {
		var err error
		if saved, err = in.store.commit(); err != nil && !in.wrote {
			in.wrote = true
			in.log.Error().Err(err).Msg("offsets can't be saved: after a restart lines may come again")
		}
	}
	for _, f := range in.saving {
		f.unsaved = f.unsaved || !saved || len(f.streams) > 0 // what it holds comes later
		if f.ended {
			in.forget(f)
		}
	}
	in.saving = in.saving[:0]
}

// forget forgets a file.
func (in *Input) forget(f *file) {
	in.closeFile(f)
	delete(in.files, f.id)
	if in.byPath[f.at] == f {
		delete(in.byPath, f.at)
	}
}

// release emits lines that have waited long enough for others. It returns when more will be due, and whether there are any.
func (in *Input) release() (next time.Time, held bool) {
	if in.liner.set == nil {
		return next, false
	}
	now := time.Now()
	in.liner.now = now
	for _, f := range in.files {
		if len(f.streams) == 0 {
			continue
		}
		due := in.liner.releaseDue(f, now, in.hurry.Load() || in.opts.ExitOnEOF)
		if !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
		f.unsaved = true
		held = held || len(f.streams) > 0
	}
	in.dirty = in.dirty || in.liner.size > 0
	return next, held
}

// wait waits for a change, or until something is due.
func (in *Input) wait(ctx context.Context, t timers, released time.Time) {
	next := t.check
	for _, at := range []time.Time{t.scan, t.flush, released, in.watch.rescan} {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-in.wake:
	case <-in.watch.changed():
	case <-timer.C:
	}
}

// due does what is due: it checks files that have changed, or all of them, and searches for new ones.
func (in *Input) due(t *timers) {
	now := time.Now()
	in.forgetLists(now)
	if in.changes(now) {
		t.check = now // events were lost
	}
	if !in.watch.rescan.IsZero() && !now.Before(in.watch.rescan) || !now.Before(t.scan) {
		in.watch.rescan = time.Time{}
		in.scan(false)
		in.watchFolders()
		t.scan = now.Add(in.opts.Refresh)
	}
	if !now.Before(t.check) {
		in.lookAtAll(now)
		t.check = now.Add(in.checkEvery())
	}
}
