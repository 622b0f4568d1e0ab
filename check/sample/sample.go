// Package sample takes lines, as an application writes them, through the steps and the encoders of a configuration, and tells what
// becomes of each. The code is that of a router; nothing is sent, no socket is bound, and no queue is made.
package sample

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/router"
)

// Limits of a sample.
const (
	maxSample = 64 << 20 // bytes of a file of lines
	maxLine   = 8 << 20  // bytes of a line, as of an event of the forward protocol
	// maxPending is the bytes of lines that wait for one that a filter holds. Then the filter releases it, as it would after its
	// flush time.
	maxPending = 8 << 20
	maxEntries = 10_000 // of what becomes of a line; more are left out
)

// Options say how lines become events.
type Options struct {
	Plan    *config.Plan
	Version string
	Name    string // of the file of lines, for errors
	Tag     string // "": see DefaultTag
	Time    time.Time
}

// hostname is the host's in a sample: the same on every machine.
const hostname = "sample-host"

// A Line is what became of a line of the sample.
type Line struct {
	Number int
	Text   []byte
	Paths  []*Path // of the events that it became: one, unless it came in parts that aren't joined
	Joined int     // the line that its record begins with, if that is an earlier one; otherwise 0
	Notes  []string

	entries int // in all of Paths

	held int // events of it that filters hold
	size int // bytes, about
}

// A Path is the way of an event from one point on.
type Path struct {
	Tag, Label string   // that the event was given there; "" where it goes on as before
	Diff       Diff     // how the step that emitted it changed it
	Lines      []int    // of which lines it was made, if there are several
	Entries    []*Entry // in order

	now string // the tag that the event has at the beginning
}

// Does is what an Entry says.
type Does uint8

// The kinds of Entry.
const (
	Changed  Does = iota // by the filter, as Diff says
	Dropped              // by the filter
	Held                 // by the filter, for an event that begins with another line
	Joined               // Lines were joined by the filter
	Emitted              // by the filter, as Paths
	Branched             // the path branches off: Paths
	Stored               // Result
	Unrouted             // no output takes the tag
	Looped               // rerouted too often, and dropped
	Failed               // the filter's code panicked, which drops the event
)

// An Entry is one thing that happens to an event on its path.
type Entry struct {
	Does   Does
	Filter int // index in the plan's Filters
	Diff   Diff
	Lines  []int
	Paths  []*Path
	Tag    string // Unrouted: the one that no output takes
	Result *Result
}

// A Sample is ready to take lines.
type Sample struct {
	name  string // of the file of lines
	sent  string // the tag with which the lines are sent; the input may change it
	trace *router.Trace
	b     builder
	event eventMaker
	notes []string

	pending     []*Line // not told yet, in order
	pendingSize int
}

// New makes a Sample. see gets each line when nothing more can happen to it, in order; its error ends Read. The diagnostics are the
// mistakes that parts find in their options.
func New(o Options) (*Sample, []config.Diagnostic) {
	s := new(Sample)
	if len(o.Plan.Inputs) == 0 {
		s.notes = append(s.notes, "there is no input: the lines come as by the one that ECS adds")
		o.Plan = withInput(o.Plan)
	}
	input, known := inputOf(o.Plan)
	if o.Tag == "" {
		o.Tag = DefaultTag(o.Plan)
	}
	s.name, s.sent = o.Name, o.Tag
	s.event = newEventMaker(o.Tag, o.Time)
	s.event.tag = tagOf(o.Plan, input, o.Tag)
	s.b = builder{plan: o.Plan, tag: s.event.tag, held: make(map[heldKey][]heldEvent)}
	log := zerolog.New(&logWriter{b: &s.b}).Level(zerolog.WarnLevel)
	var diags []config.Diagnostic
	s.trace, diags = router.NewTrace(o.Plan, router.Env{Log: log, Version: o.Version, Hostname: hostname, Dry: true}, input, s.b.see)
	if len(diags) > 0 {
		return nil, diags
	}
	s.b.show = s.trace
	if !known {
		s.notes = append(s.notes, fmt.Sprintf("there is no input for Docker's log driver: the lines come by %s", o.Plan.Inputs[input].ID))
	}
	for n := range o.Plan.Filters {
		if why := s.trace.Off()[n]; why != "" {
			f := &o.Plan.Filters[n]
			s.notes = append(s.notes, fmt.Sprintf("%s (%s) %s: it is left out here", f.ID, place(f.Pos), why))
		}
	}
	return s, nil
}

// Tag returns the tag with which the lines are sent, as Options has it.
func (s *Sample) Tag() string { return s.sent }

// Notes returns what differs from a running router.
func (s *Sample) Notes() []string { return s.notes }

// Close ends what the parts have begun.
func (s *Sample) Close() { s.trace.Close() }

// Read takes the lines of r. see gets each when nothing more can happen to it, in order.
func (s *Sample) Read(r io.Reader, see func(*Line) error) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	total := 0
	for n := 1; ; n++ {
		text, read, err := readLine(lines, maxLine)
		if total += read; total > maxSample {
			return fmt.Errorf("%s has more than %d MiB", s.name, maxSample>>20)
		}
		if errors.Is(err, errLongLine) {
			return fmt.Errorf("%s:%d: the line has more than %d MiB", s.name, n, maxLine>>20)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading %s: %w", s.name, err)
		}
		if read > 0 {
			s.add(&Line{Number: n, Text: text, size: len(text)})
			if err := s.tell(see, false); err != nil {
				return err
			}
		}
		if err != nil {
			s.trace.Release()
			return s.tell(see, true)
		}
	}
}

var errLongLine = errors.New("the line is too long")

// readLine reads a line of at most limit bytes, and returns it without its newline, and how many bytes were read. The error is
// io.EOF at the end.
func readLine(r *bufio.Reader, limit int) (text []byte, read int, err error) {
	for {
		part, err := r.ReadSlice('\n')
		read += len(part)
		if read > limit+1 {
			return nil, read, errLongLine
		}
		text = append(text, part...)
		if err == nil {
			return text[:len(text)-1], read, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, read, err
		}
	}
}

// add takes a line through the steps.
func (s *Sample) add(l *Line) {
	s.pending = append(s.pending, l)
	s.b.begin(l)
	s.event.make(l.Text, func(t record.Time, body []byte) { s.trace.Add([]byte(s.event.tag), t, body) })
}

// tell tells what became of the lines that are complete: all, at the end.
func (s *Sample) tell(see func(*Line) error, all bool) error {
	s.pendingSize = 0
	for _, l := range s.pending {
		s.pendingSize += l.size
	}
	if s.pendingSize > maxPending {
		s.trace.Release()
	}
	n := 0
	for n < len(s.pending) && (all || s.pending[n].held <= 0) {
		if err := see(s.pending[n]); err != nil {
			return err
		}
		n++
	}
	s.pending = append(s.pending[:0], s.pending[n:]...)
	return nil
}

// place is a position for people.
func place(p config.Pos) string { return fmt.Sprintf("%s:%d", p.File, p.Line) }
