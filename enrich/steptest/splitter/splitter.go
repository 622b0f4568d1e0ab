// Package splitter is an example of a Holder: it makes an event of each line of a text, and holds an unfinished last line
// until the next event with its tag, or for some time. It isn't in the catalogue, where it would be one line.
package splitter

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/enrich"
	"github.com/firelane/firelane/record"
)

// Options are those of the splitter.
type Options struct {
	Key        string        `fluentbit:"key" fluentd:"key" default:"log" help:"field whose text is split at newlines"`
	FlushAfter time.Duration `fluentbit:"flush_timeout" fluentd:"flush_timeout" default:"5s" help:"how long an unfinished line waits for its end"`
}

// maxHeld is how many bytes are held for all tags together. A line that would be more isn't held.
const maxHeld = 1 << 20

// splitter is the Holder.
type splitter struct {
	key   string
	after time.Duration

	mu    sync.Mutex
	lines map[string]*line // by tag
	held  int              // events
	bytes int
}

// A line is the unfinished one of a tag.
type line struct {
	ev     record.Event // the first event of it, in memory of its own
	text   []byte
	events int
	lot    enrich.Lot
	begun  time.Time // when its first event was added
	due    time.Time
}

// New makes a splitter.
func New(o *Options, _ config.Dialect, _ enrich.Env) (enrich.Holder, error) {
	if o.Key == "" || o.FlushAfter <= 0 {
		return nil, errors.New("key and flush_timeout must not be empty")
	}
	return &splitter{key: o.Key, after: o.FlushAfter, lines: make(map[string]*line)}, nil
}

// Apply implements enrich.Step.
func (s *splitter) Apply(ev *record.Event, out *enrich.Out) {
	value, _ := record.Find(ev.Body, s.key)
	text, ok := record.Text(value)
	if !ok || len(text) == 0 {
		out.Next(ev)
		return
	}
	text, done := s.finish(ev.Tag, text, out)
	s.emit(done, out)
	for len(text) > 0 {
		first, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole && s.hold(ev, first, out) {
			return
		}
		used := out.Mark()
		one := *ev
		one.Body = s.withText(ev.Body, first, out)
		out.Next(&one)
		out.Rewind(used)
		text = rest
	}
}

// finish adds the beginning of text to the unfinished line of a tag. It returns what is left of text, and the line if that
// was its end.
func (s *splitter) finish(tag string, text []byte, out *enrich.Out) (rest []byte, done *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[tag]
	if l == nil {
		return text, nil
	}
	first, rest, whole := bytes.Cut(text, []byte("\n"))
	l.text = append(l.text, first...)
	l.events++
	l.lot = l.lot.And(out.Lot)
	l.due = time.Now().Add(s.after)
	s.held++
	s.bytes += len(first)
	out.Hold(1) // the event is in the line
	if whole || s.bytes > maxHeld {
		s.remove(l)
		done = l
	}
	return rest, done
}

// hold begins an unfinished line and reports whether there is room for it.
func (s *splitter) hold(ev *record.Event, text []byte, out *enrich.Out) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &line{events: 1, lot: out.Lot, text: bytes.Clone(text), begun: time.Now()}
	l.due = l.begun.Add(s.after)
	l.ev = record.Event{Tag: strings.Clone(ev.Tag), Time: ev.Time, Body: bytes.Clone(ev.Body)}
	if s.lines[l.ev.Tag] != nil || s.bytes+l.size() > maxHeld { // another connection may have begun one
		return false
	}
	s.lines[l.ev.Tag] = l
	s.held++
	s.bytes += l.size()
	out.Hold(1)
	return true
}

func (l *line) size() int { return len(l.text) + len(l.ev.Body) + len(l.ev.Tag) }

func (s *splitter) remove(l *line) {
	delete(s.lines, l.ev.Tag)
	s.held -= l.events
	s.bytes -= l.size()
}

// emit emits a line that was held, if there is one.
func (s *splitter) emit(l *line, out *enrich.Out) {
	if l == nil {
		return
	}
	used := out.Mark()
	l.ev.Body = s.withText(l.ev.Body, l.text, out)
	out.ReleaseOf(l.events, l.lot)
	out.Next(&l.ev)
	out.Rewind(used)
}

// withText makes a body with another text.
func (s *splitter) withText(body, text []byte, out *enrich.Out) []byte {
	n, _, _ := record.MapHeader(body)
	b := record.AppendMapHeader(out.Take(), n)
	for f := record.FieldsOf(body); f.Next(); {
		b = append(b, f.RawKey()...)
		if string(f.Key()) == s.key {
			b = record.AppendStrBytes(b, text)
		} else {
			b = append(b, f.Value()...)
		}
	}
	return out.Keep(b)
}

// Expire implements enrich.Holder.
func (s *splitter) Expire(now time.Time, out *enrich.Out) (next time.Time) {
	var due []*line
	s.mu.Lock()
	for _, l := range s.lines {
		switch {
		case !now.Before(l.due):
			due = append(due, l)
			s.remove(l)
		case next.IsZero() || l.due.Before(next):
			next = l.due
		}
	}
	s.mu.Unlock()
	for _, l := range due {
		s.emit(l, out)
	}
	return next
}

// Held implements enrich.Holder.
func (s *splitter) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// Oldest implements enrich.Aged.
func (s *splitter) Oldest() (oldest time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if oldest.IsZero() || l.begun.Before(oldest) {
			oldest = l.begun
		}
	}
	return oldest
}
