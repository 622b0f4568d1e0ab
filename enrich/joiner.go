package enrich

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/record"
)

// The defaults of a JoinerConfig.
const (
	DefaultMaxLine    = 4 << 20         // bytes of text after which a line is emitted in pieces
	DefaultMaxTotal   = 8 << 20         // bytes held for all lines together
	DefaultFlushAfter = 5 * time.Second // how long an unfinished line waits for its next part
)

// minHeld is how many bytes the Joiners of a JoinerReserve hold together in any case, however little of the budget is left: one
// line of the largest size, and the beginnings of others. A line that is emitted in pieces because others need the memory
// would be several documents.
const minHeld = DefaultMaxLine + 1<<20

// A JoinerReserve is shared by all Joiners of a process, so that minHeld is one bound for all of them. The zero value is unused.
type JoinerReserve struct{ held atomic.Int64 } // bytes that they hold

// Memory in bytes that is counted besides text and fields.
const (
	lineOverhead = 256 // of an unfinished line
	partOverhead = 64  // of each of its parts
)

// maxParts is how many parts of a line are held before it is emitted in pieces. Docker's have 16 KiB, so that it doesn't meet
// the limit; it bounds the work that parts in any other order than Docker's make.
const maxParts = 1024

// JoinerConfig are the limits of a Joiner; zero values mean the defaults.
type JoinerConfig struct {
	MaxLine    int            // bytes of one line's text
	MaxTotal   int            // bytes held for all lines
	FlushAfter time.Duration  // how long after its last part an unfinished line is emitted
	Share      *budget.Share  // what is held is charged to it; nil: none
	Reserve    *JoinerReserve // nil: the Joiner's own
}

// A Joiner is the Holder that joins the parts of lines that Docker split at 16 KiB. The parts of a line may come on several
// connections, since a log driver reconnects after an error.
//
// Docker (moby's log copier) gives the parts of a line the same partial_id and time, and numbers them from 1; the one
// that ends with the newline has partial_last "true". If the output ends without a newline, the last part has "false", and
// the line is emitted after FlushAfter. Docker before 19.03 sends only partial_message, and the line ends with the
// container's next record without it.
type Joiner struct {
	cfg     JoinerConfig
	unnamed atomic.Int32 // unfinished lines without a partial_id; while there are none, whole records take no lock
	partial nameSet      // partial_message

	mu     sync.Mutex
	lines  map[string]*line
	oldest list // lines by the time of their last part, the oldest first
	key    []byte
	parts  int // held
	bytes  int // of text, fields and overhead
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
	if cfg.Reserve == nil {
		cfg.Reserve = new(JoinerReserve)
	}
	j := &Joiner{cfg: cfg, lines: make(map[string]*line)}
	j.oldest.init()
	j.partial.add("partial_message")
	return j
}

// minPartFields is the number of fields that the smallest part has: container_id, container_name, source, log and
// partial_message. Most records have fewer and are known to be whole by that alone.
const minPartFields = 5

// Wants reports whether ev may be a part of a line. An event that the Joiner doesn't want may go on without Apply.
func (j *Joiner) Wants(ev *record.Event) bool {
	n, rest, err := record.MapHeader(ev.Body)
	return err == nil && (j.unnamed.Load() > 0 || n >= minPartFields && j.partial.meets(rest, n))
}

// Apply holds a part of a line, and emits the line if that completes it, and others if their memory is needed. An event that
// is not a part passes.
func (j *Joiner) Apply(ev *record.Event, out *Out) {
	var p part
	if !p.read(ev.Body) {
		if p.text == nil || !j.endUnnamed(ev, &p, out) {
			out.Next(ev)
		}
		return
	}
	out.Hold(1)
	for _, done := range j.hold(ev, &p, out.Lot) {
		done.emit(out)
	}
}

// hold adds a part and returns the pieces that are ready.
func (j *Joiner) hold(ev *record.Event, p *part, lot Lot) []*piece {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.line(ev, p)
	l.touched = time.Now()
	j.oldest.moveToEnd(l)
	var done []*piece
	if n := len(l.piece.parts); n == maxParts || n > 0 && l.piece.size+len(p.text) > j.cfg.MaxLine {
		done = append(done, j.cut(l))
	}
	j.parts++
	j.count(l.add(p, lot))
	if l.complete() {
		done = append(done, j.cut(l))
		j.forget(l)
	}
	for len(j.lines) > 0 && j.isFull() {
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

// line returns the line that p belongs to, a new one if p is its first part.
func (j *Joiner) line(ev *record.Event, p *part) *line {
	j.key = p.appendKey(j.key[:0])
	if l := j.lines[string(j.key)]; l != nil {
		return l
	}
	l := &line{key: string(j.key), unnamed: len(p.id) == 0}
	l.piece = piece{tag: strings.Clone(ev.Tag), time: ev.Time}
	l.piece.fields, l.piece.count, l.piece.at = appendOthers(nil, ev.Body)
	j.count(l.fixed())
	j.lines[l.key] = l
	if l.unnamed {
		j.unnamed.Add(1)
	}
	return l
}

// count adds n to the bytes that are held.
func (j *Joiner) count(n int) {
	j.bytes += n
	j.cfg.Reserve.held.Add(int64(n))
	if j.cfg.Share != nil {
		j.cfg.Share.Add(n)
	}
}

// isFull reports whether lines must be emitted in pieces to hold less.
func (j *Joiner) isFull() bool {
	return j.bytes > j.cfg.MaxTotal || j.cfg.Reserve.held.Load() > minHeld && j.cfg.Share != nil && j.cfg.Share.Room() == 0
}

// cut removes the parts that a line has so far and returns them.
func (j *Joiner) cut(l *line) *piece {
	out := l.piece
	l.piece.parts, l.piece.size, l.piece.duplicated = nil, 0, 0
	j.parts -= out.held()
	j.count(-out.size - partOverhead*len(out.parts))
	return &out
}

// forget removes a line that has no parts any more.
func (j *Joiner) forget(l *line) {
	j.count(-l.fixed())
	j.oldest.remove(l)
	delete(j.lines, l.key)
	if l.unnamed {
		j.unnamed.Add(-1)
	}
}

// endUnnamed adds a whole record to the unfinished line without a partial_id that it ends, and emits it. It reports whether
// there is one.
func (j *Joiner) endUnnamed(ev *record.Event, p *part, out *Out) bool {
	if j.unnamed.Load() == 0 {
		return false
	}
	j.mu.Lock()
	j.key = p.appendKey(j.key[:0])
	l := j.lines[string(j.key)]
	if l == nil {
		j.mu.Unlock()
		return false
	}
	j.parts++
	j.count(l.add(p, out.Lot))
	done := j.cut(l)
	j.forget(l)
	j.mu.Unlock()
	out.Hold(1)
	done.emit(out)
	return true
}

// Expire implements Holder: it emits the lines that have had no new part for FlushAfter.
func (j *Joiner) Expire(now time.Time, out *Out) time.Time {
	for {
		j.mu.Lock()
		l := j.oldest.first()
		if l == nil || now.Sub(l.touched) < j.cfg.FlushAfter {
			var due time.Time
			if l != nil {
				due = l.touched.Add(j.cfg.FlushAfter)
			}
			j.mu.Unlock()
			return due
		}
		done := j.cut(l)
		j.forget(l)
		j.mu.Unlock()
		done.emit(out)
	}
}

// Oldest implements Aged.
func (j *Joiner) Oldest() (oldest time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for l := j.oldest.root.next; l != &j.oldest.root; l = l.next {
		if l.piece.held() > 0 {
			oldest = older(oldest, l.begun)
		}
	}
	return oldest
}

// Held implements Holder: the number of parts that are held.
func (j *Joiner) Held() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.parts
}
