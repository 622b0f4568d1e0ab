package sample

import (
	"bytes"
	"fmt"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/router"
)

// entryCost is about how many bytes an entry takes.
const entryCost = 200

// builder makes Lines of what a Trace shows.
type builder struct {
	plan   *config.Plan
	show   *router.Trace
	tag    string
	line   *Line
	frames []frame // the last one is that of the event at hand
	steps  []step  // that were entered
	held   map[heldKey][]heldEvent
}

// A frame is what was emitted, or came from the input, and the paths that branch off it.
type frame struct {
	emitted *Path // by a step; nil: it came from the input
	paths   []*Path
	taken   []heldEvent // of which emitted was made
	key     heldKey
	step    *Entry
	kept    bool // emitted is among the Paths of step
}

type step struct {
	entry  *Entry
	filter int
	before []byte
	frames int // when it was entered
	key    heldKey
}

// heldKey is a filter, and the tag of events that it holds. Of these it releases the oldest first.
type heldKey struct {
	filter int
	tag    string
}

type heldEvent struct {
	line  *Line
	entry *Entry
	body  []byte
}

// begin begins a line.
func (b *builder) begin(l *Line) {
	b.line, b.frames, b.steps = l, append(b.frames[:0], frame{}), b.steps[:0]
}

// path is the path of the event at hand; nil before it has one.
func (b *builder) path() *Path {
	f := &b.frames[len(b.frames)-1]
	if len(f.paths) == 0 {
		return f.emitted
	}
	return f.paths[len(f.paths)-1]
}

// add adds an entry to the path of the event at hand.
func (b *builder) add(e *Entry) *Entry {
	p := b.path()
	if p == nil { // it didn't get as far as a path
		p = &Path{Tag: b.tag, now: b.tag}
		b.line.Paths = append(b.line.Paths, p)
	}
	if b.line.isFull() {
		return e
	}
	p.Entries = append(p.Entries, e)
	b.grow(entryCost + e.Diff.size())
	return e
}

// grow counts an entry or a path of so many bytes.
func (b *builder) grow(size int) {
	b.line.size += size
	if b.line.entries++; b.line.isFull() {
		b.line.Notes = append(b.line.Notes, fmt.Sprintf("it becomes more than %d records and steps: the others are left out here", maxEntries))
	}
}

// isFull reports whether nothing more is kept of what becomes of the line.
func (l *Line) isFull() bool { return l.entries >= maxEntries }

// see takes what a Trace shows.
func (b *builder) see(s *router.Sight) {
	switch s.What {
	case router.Began:
		b.began(s)
	case router.Filtered:
		if !s.Kept {
			b.add(&Entry{Does: Dropped, Filter: s.Filter})
		} else if d := diffOf(s.Event, s.After); !d.empty() {
			b.add(&Entry{Does: Changed, Filter: s.Filter, Diff: d})
		}
	case router.Entered:
		e := b.add(&Entry{Does: Dropped, Filter: s.Filter})
		b.steps = append(b.steps, step{e, s.Filter, bytes.Clone(s.Event.Body), len(b.frames), heldKey{s.Filter, s.Event.Tag}})
	case router.Held:
		b.hold(s)
	case router.Emitted:
		b.emit(s)
	case router.Ended:
		b.end(s)
	case router.Left:
		b.steps = b.steps[:len(b.steps)-1]
	case router.Arrived:
		r := resultOf(s)
		b.line.size += len(r.Document)
		b.add(&Entry{Does: Stored, Result: r})
	case router.Unrouted:
		tag := b.tag
		if p := b.path(); p != nil {
			tag = p.now
		}
		b.add(&Entry{Does: Unrouted, Tag: tag})
	case router.Looped:
		b.add(&Entry{Does: Looped})
	case router.Failed:
		b.fail(s)
	}
}

// began begins a path.
func (b *builder) began(s *router.Sight) {
	f := &b.frames[len(b.frames)-1]
	p := &Path{Tag: s.Event.Tag, now: s.Event.Tag}
	switch {
	case s.Depth > 0 && s.Depth <= len(f.paths):
		around := f.paths[s.Depth-1]
		if p.now == around.now {
			p.Tag = ""
		}
		if b.line.isFull() {
			f.paths = append(f.paths[:s.Depth], p)
			return
		}
		b.grow(entryCost)
		if n := len(around.Entries); n > 0 && around.Entries[n-1].Does == Branched {
			around.Entries[n-1].Paths = append(around.Entries[n-1].Paths, p)
		} else {
			around.Entries = append(around.Entries, &Entry{Does: Branched, Paths: []*Path{p}})
		}
		f.paths = append(f.paths[:s.Depth], p)
	case f.emitted != nil: // again
		f.emitted.now = p.now
		f.paths = append(f.paths[:0], f.emitted)
	default:
		b.line.Paths = append(b.line.Paths, p)
		f.paths = append(f.paths[:0], p)
	}
}

// hold notes that the step at hand holds the event.
func (b *builder) hold(s *router.Sight) {
	if len(b.steps) == 0 {
		return
	}
	at := &b.steps[len(b.steps)-1]
	at.entry.Does = Held
	for range s.N {
		b.held[at.key] = append(b.held[at.key], heldEvent{b.line, at.entry, at.before})
		b.line.held++
		b.line.size += len(at.before)
	}
}

// emit begins what happens to an event that a step emits.
func (b *builder) emit(s *router.Sight) {
	f := frame{key: heldKey{s.Filter, s.After.Tag}}
	p := &Path{Tag: s.Tag, Label: s.Label, now: s.After.Tag}
	if p.Label != "" && p.Tag == p.now {
		p.Tag = ""
	}
	before := []byte(nil)
	all := b.held[f.key]
	switch n := min(s.N, len(all)); {
	case n > 0:
		f.taken, b.held[f.key] = all[:n:n], all[n:]
		f.step, before = f.taken[0].entry, f.taken[0].body
		p.Lines = b.release(f.taken)
	case len(b.steps) > 0:
		at := &b.steps[len(b.steps)-1]
		f.step, before = at.entry, at.before
		if at.entry.Does == Dropped {
			at.entry.Does = Emitted
		}
	default: // a part of what was held, and was emitted before
		f.step = b.add(&Entry{Does: Emitted, Filter: s.Filter})
	}
	p.Diff = diffOf(&record.Event{Body: before, Time: s.After.Time}, s.After)
	if f.kept = !b.line.isFull(); f.kept {
		b.grow(entryCost + p.Diff.size())
		f.step.Paths = append(f.step.Paths, p)
	}
	f.emitted, f.paths = p, []*Path{p}
	b.frames = append(b.frames, f)
}

// release notes that events are no longer held, and returns the lines that they came from, each once.
func (b *builder) release(taken []heldEvent) (lines []int) {
	first := taken[0].line
	for _, h := range taken {
		h.line.held--
		if len(lines) == 0 || lines[len(lines)-1] != h.line.Number {
			lines = append(lines, h.line.Number)
		}
		if h.line != first {
			h.line.Joined = first.Number
		}
	}
	if taken[0].entry.Does = Emitted; len(taken) > 1 {
		taken[0].entry.Does, taken[0].entry.Lines = Joined, lines
	}
	return lines
}

// end ends what happens to an emitted event.
func (b *builder) end(s *router.Sight) {
	f := &b.frames[len(b.frames)-1]
	if !s.Kept { // it never left
		if f.kept {
			f.step.Paths = f.step.Paths[:len(f.step.Paths)-1]
		}
		for _, h := range f.taken {
			h.line.held++
		}
		b.held[f.key] = append(f.taken, b.held[f.key]...)
	}
	b.frames = b.frames[:len(b.frames)-1]
}

// fail notes that a filter panicked.
func (b *builder) fail(s *router.Sight) {
	if n := len(b.steps) - 1; n >= 0 && b.steps[n].filter == s.Filter {
		at := b.steps[n]
		at.entry.Does = Failed
		b.steps, b.frames = b.steps[:n], b.frames[:at.frames]
		return
	}
	b.add(&Entry{Does: Failed, Filter: s.Filter})
}
