package enrich

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/record"
)

// The defaults of a JoinerConfig.
const (
	DefaultMaxLine    = 4 << 20         // bytes of text after which a line is given out in pieces
	DefaultMaxTotal   = 8 << 20         // bytes held for all lines together
	DefaultFlushAfter = 5 * time.Second // how long an unfinished line waits for its next part
)

// lineOverhead is what an unfinished line counts for besides its text and fields, in bytes; partOverhead a part.
const (
	lineOverhead = 256
	partOverhead = 64
)

// JoinerConfig are the limits of a Joiner; zero values mean the defaults.
type JoinerConfig struct {
	MaxLine    int           // bytes of one line's text
	MaxTotal   int           // bytes held for all lines
	FlushAfter time.Duration // how long after its last part an unfinished line is given out
}

// A Joiner puts lines together again that Docker split at 16 KiB. It is safe for concurrent use: the parts of a line
// may come by several connections, since a log driver connects anew when it has to.
//
// Docker (moby's log copier) gives the parts of a line the same partial_id and time, and numbers them from 1; the one
// that the newline ends has partial_last "true". Output that ends without a newline is a part that says "false" and
// stays the last: it is given out after FlushAfter. Docker before 19.03 sends partial_message alone, and what ends the
// line is the container's next record without it.
type Joiner struct {
	cfg  JoinerConfig
	old  atomic.Int32 // unfinished lines without a partial_id; where there are none, whole records pass unlocked
	mark nameSet      // partial_message

	mu     sync.Mutex
	lines  map[string]*line
	oldest list // by their last part
	key    []byte
	parts  int
	bytes  int
}

// NewJoiner makes a Joiner.
func NewJoiner(cfg JoinerConfig) *Joiner {
	if cfg.MaxLine <= 0 {
		cfg.MaxLine = DefaultMaxLine
	}
	if cfg.MaxTotal <= 0 {
		cfg.MaxTotal = DefaultMaxTotal
	}
	if cfg.FlushAfter <= 0 {
		cfg.FlushAfter = DefaultFlushAfter
	}
	j := &Joiner{cfg: cfg, lines: make(map[string]*line)}
	j.oldest.init()
	j.mark.add("partial_message")
	return j
}

// minPartFields is the number of fields that the smallest part has: container_id, container_name, source, log and
// partial_message. A record with fewer is a whole one; that is all it costs to know for most.
const minPartFields = 5

// Add looks at one event. It returns true where ev is no part of a line: the caller goes on with it. Otherwise the part
// is held. Lines that are complete thereby, or have to make room, are given to emit with the number of parts in them,
// before Add returns; ev is not read after that. The event passed to emit is valid until emit returns. The sum of parts
// over all calls of emit, and Held's, is the number of parts that were added.
func (j *Joiner) Add(ev *record.Event, s *Scratch, emit func(ev *record.Event, parts int)) bool {
	old := j.old.Load() > 0
	n, rest, err := record.MapHeader(ev.Body)
	if err != nil || !old && (n < minPartFields || !j.mark.meets(rest, n)) {
		return true
	}
	var p part
	if !p.read(ev.Body) {
		if old && p.text != nil {
			return j.endOld(ev, &p, s, emit)
		}
		return true
	}
	done := j.hold(ev, &p)
	for _, d := range done {
		d.emit(s, emit)
	}
	return false
}

// hold adds a part and returns the pieces that are ready.
func (j *Joiner) hold(ev *record.Event, p *part) []*piece {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.line(ev, p)
	l.touched = time.Now()
	j.oldest.moveToEnd(l)
	var done []*piece
	if len(l.piece.parts) > 0 && l.piece.size+len(p.text) > j.cfg.MaxLine {
		done = append(done, j.cut(l))
	}
	j.parts++
	j.bytes += l.add(p)
	if l.complete() {
		done = append(done, j.cut(l))
		j.forget(l)
	}
	for j.bytes > j.cfg.MaxTotal {
		l := j.oldest.first()
		if len(l.piece.parts) == 0 {
			j.forget(l)
			continue
		}
		done = append(done, j.cut(l))
		j.oldest.moveToEnd(l)
	}
	return done
}

// line finds the line that p belongs to, or begins it.
func (j *Joiner) line(ev *record.Event, p *part) *line {
	j.key = p.appendKey(j.key[:0])
	if l := j.lines[string(j.key)]; l != nil {
		return l
	}
	l := &line{key: string(j.key), old: len(p.id) == 0}
	l.piece = piece{tag: strings.Clone(ev.Tag), time: ev.Time}
	l.piece.fields, l.piece.count, l.piece.at = appendOthers(nil, ev.Body)
	j.bytes += l.fixed()
	j.lines[l.key] = l
	if l.old {
		j.old.Add(1)
	}
	return l
}

// cut takes what is there of a line out of it.
func (j *Joiner) cut(l *line) *piece {
	out := l.piece
	l.piece.parts, l.piece.size, l.piece.repeated = nil, 0, 0
	j.parts -= out.held()
	j.bytes -= out.size + partOverhead*len(out.parts)
	return &out
}

// forget removes a line whose text was cut out.
func (j *Joiner) forget(l *line) {
	j.bytes -= l.fixed()
	j.oldest.remove(l)
	delete(j.lines, l.key)
	if l.old {
		j.old.Add(-1)
	}
}

// endOld adds a whole record to the unfinished line of an old Docker, if there is one that it ends.
func (j *Joiner) endOld(ev *record.Event, p *part, s *Scratch, emit func(*record.Event, int)) bool {
	j.mu.Lock()
	j.key = p.appendKey(j.key[:0])
	l := j.lines[string(j.key)]
	if l == nil {
		j.mu.Unlock()
		return true
	}
	j.parts++
	j.bytes += l.add(p)
	done := j.cut(l)
	j.forget(l)
	j.mu.Unlock()
	done.emit(s, emit)
	return false
}

// Expire gives out the lines whose last part came FlushAfter before now, or earlier.
func (j *Joiner) Expire(now time.Time, s *Scratch, emit func(ev *record.Event, parts int)) {
	j.release(s, emit, func(l *line) bool { return now.Sub(l.touched) >= j.cfg.FlushAfter })
}

// Flush gives out everything that is held.
func (j *Joiner) Flush(s *Scratch, emit func(ev *record.Event, parts int)) {
	j.release(s, emit, func(*line) bool { return true })
}

// release gives out and forgets the lines that are due, from the oldest on. emit runs without the lock.
func (j *Joiner) release(s *Scratch, emit func(*record.Event, int), due func(*line) bool) {
	for {
		j.mu.Lock()
		l := j.oldest.first()
		if l == nil || !due(l) {
			j.mu.Unlock()
			return
		}
		done := j.cut(l)
		j.forget(l)
		j.mu.Unlock()
		done.emit(s, emit)
	}
}

// Held is what is held now: parts, and the bytes that they count for.
func (j *Joiner) Held() (parts, bytes int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.parts, j.bytes
}
