package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// Limits of what is read of queues without an output before the router runs.
const (
	maxOrphans     = 64        // queues that are examined; others are kept, and only counted
	maxOrphanBytes = 256 << 20 // bytes of one queue that are searched for tags
	maxOrphanTags  = 4096
	orphanChunk    = 1 << 20 // bytes read at once
)

// An Orphan is a queue whose output the configuration doesn't have.
type Orphan struct {
	Queue   string `json:"queue"`  // its folder
	Output  string `json:"output"` // what it was for
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
	Reason  string `json:"reason"` // why no output delivers it
}

// orphan is an Orphan that is being examined.
type orphan struct {
	Orphan
	dir, name string
	is        identity
	lock      *buffer.Lock // nil: not ours
	tags      map[string]bool
	whole     bool            // tags are those of all records
	fit       map[*output]int // how well the outputs fit that may take its place
	adopted   bool
}

// adopt gives each queue without an output to the output that takes its place, and keeps and names the others. It is called
// with the queues of all outputs locked and not opened.
//
// An output takes the place of another if it is new (it had no queue), is the only one like that, delivers to the same kind of
// destination, and if the plan leads all tags of the queue's records to it. An output that isn't new got its own copy of
// those records.
//
// It returns the folders that were taken over, and by which output. Those that are known are left alone: the caller has an output
// for them. nil: none is.
func (r *Router) adopt(known func(queue string) bool) map[string]*output {
	found, taken := r.findOrphans(), make(map[string]*output)
	for n := range found {
		f := &found[n]
		successor := r.successorOf(f, found)
		if successor == nil || f.Records == 0 {
			continue
		}
		if err := successor.lock.TakeOver(f.lock); err != nil {
			f.Reason = err.Error()
			continue
		}
		f.adopted = true
		taken[filepath.Join(f.dir, f.name)] = successor
		r.log.Info().Str("queue", f.Queue).Str("was_for", f.Output).Str("output", successor.id).Int64("records", f.Records).
			Msg("an output has changed: the output that now takes the tags of its records delivers them")
	}
	for _, f := range found {
		if f.adopted {
			continue
		}
		if f.lock != nil {
			_ = f.lock.Close() // nothing was written to it
		}
		if known != nil && known(filepath.Join(f.dir, f.name)) {
			continue
		}
		r.orphansMu.Lock()
		r.orphans = append(r.orphans, f.Orphan)
		r.orphansMu.Unlock()
		r.log.Warn().Str("queue", f.Queue).Str("was_for", f.Output).Int64("records", f.Records).Int64("bytes", f.Bytes).Str("reason", f.Reason).
			Msg("a queue has no output: its records are kept and not delivered; configure the output again, or remove the folder")
	}
	return taken
}

// findOrphans locks and examines the queues without an output. Folders without records are removed.
func (r *Router) findOrphans() (found []orphan) {
	known := make(map[string]map[string]bool) // names by folder
	for _, o := range r.outputs {
		dir := r.queueDir(o)
		if known[dir] == nil {
			known[dir] = make(map[string]bool)
		}
		known[dir][o.name] = true
	}
	more := 0
	for dir, own := range known {
		names, err := buffer.Names(dir)
		if dir == "" || err != nil {
			continue // where queues can't be listed, opening them has failed already
		}
		for _, name := range names {
			if own[name] {
				continue
			}
			if len(found) == maxOrphans {
				more++
				continue
			}
			if f := (orphan{dir: dir, name: name}); r.examine(&f) {
				found = append(found, f)
			}
		}
	}
	if more > 0 {
		r.log.Warn().Int("queues", more).Int("limit", maxOrphans).Msg("more queues have no output: they are kept, and were not examined")
	}
	slices.SortFunc(found, func(a, b orphan) int { return cmp.Compare(a.Queue, b.Queue) })
	return found
}

// examine reads what a queue was for and what it holds; false if it holds nothing, or another router has it.
func (r *Router) examine(f *orphan) bool {
	f.Queue = filepath.Join(f.dir, f.name)
	var err error
	if f.lock, err = buffer.LockFolder(f.dir, f.name); errors.Is(err, buffer.ErrLocked) {
		return false
	} else if err != nil {
		return f.keep(err.Error())
	}
	f.Queue = f.lock.Path()
	about := f.lock.About()
	if f.is = parseAbout(about); about == "" || f.is.lines == nil {
		f.is = identityOfFolder(f.name)
	} else if f.lock.Empty() {
		return f.lock.Remove() != nil // otherwise its output, once it is back, would not count as new
	}
	f.Output = cmp.Or(f.is.String(), f.name)
	asked := slices.ContainsFunc(r.outputs, func(o *output) bool { return r.mayAdopt(o, f) })
	err = r.read(f, asked)
	within, _ := buffer.Names(f.Queue) // queues inside its folder, such as the deferred one; their tags are not read
	for _, name := range within {
		part := orphan{dir: f.Queue, name: name, Orphan: Orphan{Queue: filepath.Join(f.Queue, name)}}
		err = errors.Join(err, r.read(&part, false))
		f.Records += part.Records
		f.Bytes += part.Bytes
	}
	if err != nil {
		return f.keep(err.Error())
	}
	if f.lock, err = buffer.LockFolder(f.dir, f.name); err != nil {
		return false
	}
	if f.lock.Empty() {
		return f.lock.Remove() != nil
	}
	f.whole = f.whole && f.lock.OnlySegments()
	f.fit = make(map[*output]int)
	for _, o := range r.outputs {
		if n := r.fit(o, f); n > 0 {
			f.fit[o] = n
		}
	}
	return true
}

// keep sets the reason why the queue is kept.
func (f *orphan) keep(reason string) bool {
	f.Reason = reason
	return true
}

// read opens the queue, which takes its lock, and counts what it holds. If tags is set it reads the tags of the records.
func (r *Router) read(f *orphan, tags bool) (err error) {
	lock := f.lock
	f.lock = nil
	q, err := buffer.Open(buffer.Options{
		Dir: f.dir, Name: f.name, Lock: lock, Log: r.log.With().Str("queue", f.Queue).Logger().Level(zerolog.WarnLevel),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	s := q.Stats()
	f.Records, f.Bytes = s.Records, s.Bytes
	if !tags {
		return nil
	}
	f.tags = make(map[string]bool)
	q.Drain()
	var events record.BatchReader
	for done := 0; ; {
		c, err := q.Next(context.Background(), orphanChunk, sink.Immediately)
		if errors.Is(err, buffer.ErrClosed) {
			f.whole = true
			return nil
		}
		if err != nil || done > maxOrphanBytes || len(f.tags) > maxOrphanTags {
			return err
		}
		for _, batch := range c.Batches {
			done += len(batch)
			events.Reset(batch)
			for ev := new(record.Event); events.Next(ev); {
				f.tags[ev.Tag] = true
			}
		}
		q.Release(c)
	}
}

// mayAdopt reports whether an output could take the place of the queue's, whatever the queue holds.
func (r *Router) mayAdopt(o *output, f *orphan) bool {
	old := f.is.value(pluginKey)
	return o.isNew && o.lock != nil && r.queueDir(o) == f.dir && (o.is.dead != "") == (f.is.dead != "") &&
		(sameKind(old, o.is.value(pluginKey)) || old == "" && f.is.alias == o.is.alias)
}

// fit returns how well an output fits that may take the place of the queue's: 0 not at all.
func (r *Router) fit(o *output, f *orphan) (n int) {
	sameMatch := f.is.value(matchKey) == o.is.value(matchKey)
	if !r.mayAdopt(o, f) || (len(f.tags) == 0 || !f.whole) && !sameMatch {
		return 0
	}
	for tag := range f.tags {
		if !r.plan.Takes(o.is.index, tag) {
			return 0
		}
	}
	n = 1
	if sameMatch {
		n++
	}
	if f.is.alias != "" && f.is.alias == o.is.alias {
		n += 2
	}
	return n
}

// successorOf returns the output that takes the place of the queue's; nil if there is none, with the reason in f. Where there
// are several, or an output could take several queues, the same alias tells which belong together, or the same match.
func (r *Router) successorOf(f *orphan, all []orphan) *output {
	if f.lock == nil || f.Reason != "" {
		return nil
	}
	successor, fit, others := r.bestFit(f)
	switch {
	case f.Records == 0:
		f.Reason = "nothing in it can be read: it is damaged, or of another version"
		return nil
	case successor == nil:
		f.Reason = "no new output to the same kind of destination takes all tags of its records"
		return nil
	case others > 0:
		f.Reason = fmt.Sprintf("%d new outputs take the tags of its records; give the right one the alias that it had before", others+1)
		return nil
	}
	for n := range all {
		if other := &all[n]; other != f && other.fit[successor] >= fit {
			f.Reason = fmt.Sprintf("output %s could take the records of %s as well; give it the alias that it had before", successor.id, other.Queue)
			return nil
		}
	}
	return successor
}

// bestFit returns the output that fits best, how well it does, and how many others fit as well.
func (r *Router) bestFit(f *orphan) (best *output, fit, others int) {
	for _, o := range r.outputs {
		switch n := f.fit[o]; {
		case n == 0:
		case n > fit:
			best, fit, others = o, n, 0
		case n == fit:
			others++
		}
	}
	return best, fit, others
}
