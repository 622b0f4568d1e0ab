package enrich

import (
	lists "container/list"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/budget"
	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/parse/multiline"
	"github.com/firelane/firelane/record"
)

// Limits of what a filter multiline holds.
const (
	maxMultiline = 8 << 20                    // bytes, for all streams
	minMultiline = multiline.MaxBlock + 1<<20 // bytes that are held in any case, however little of the budget is left
	// streamOverhead is what a stream takes in bytes, besides its lines.
	streamOverhead = 256
	// multilineShards is how many locks the streams have.
	multilineShards = 8
)

// MultilineOptions are those of Fluent Bit's filter multiline.
type MultilineOptions struct {
	Parsers     []string `fluentbit:"multiline.parser" help:"which lines belong together: docker, cri, go, java, python, ruby, or the names of [MULTILINE_PARSER]; several, with commas, are tried in this order"`
	Key         string   `fluentbit:"multiline.key_content" help:"field that holds the text; default: the parser's, or log"`
	Mode        string   `fluentbit:"mode" oneof:"parser,partial_message" default:"parser" help:"partial_message: join the parts of lines that Docker split. The router has done that already, unless Join_Partial is off"`
	Buffer      bool     `fluentbit:"buffer" default:"true" help:"accepted; lines wait for their next one in any case"`
	FlushMS     int      `fluentbit:"flush_ms" default:"2000" strict:"true" help:"milliseconds that lines wait for their next one; a parser's flush_timeout, if that is longer"`
	EmitterName string   `fluentbit:"emitter_name" help:"accepted; records go on to the next filter"`
	StorageType string   `fluentbit:"emitter_storage.type" help:"accepted"`
	MemBufLimit string   `fluentbit:"emitter_mem_buf_limit" help:"accepted; at most 8 MiB are held"`
	DebugFlush  string   `fluentbit:"debug_flush" help:"accepted"`
}

// Check implements config's check after binding. config has looked up the names of the parsers.
func (o *MultilineOptions) Check(config.Dialect) error {
	switch {
	case o.Mode == "parser" && len(o.Parsers) == 0:
		return &config.OptionError{Option: "multiline.parser", Reason: "is missing; want, for example, java, or the name of a [MULTILINE_PARSER]"}
	case o.Mode != "parser" && len(o.Parsers) > 0:
		return &config.OptionError{Option: "multiline.parser", Reason: "excludes mode partial_message; use two filters", Instead: config.NotWritten}
	case o.FlushMS < 0:
		return &config.OptionError{Option: "flush_ms", Reason: "is negative; want milliseconds, such as 2000"}
	}
	return nil
}

// NewMultiline makes the step of a filter multiline.
func NewMultiline(o *MultilineOptions, d config.Dialect, env Env) (Holder, error) {
	if err := o.Check(d); err != nil {
		return nil, err
	}
	flush := time.Duration(o.FlushMS) * time.Millisecond
	if flush == 0 {
		flush = multiline.DefaultFlush
	}
	if o.Mode != "parser" {
		return NewJoiner(JoinerConfig{FlushAfter: flush, Share: env.Share}), nil
	}
	parsers, err := multiline.FindAll("multiline.parser", o.Parsers, multiline.Env{
		Env: parse.Env{Parsers: env.Parsers, Log: env.Log}, Multiline: env.Multiline,
	})
	if err != nil {
		return nil, err
	}
	m := &multilineStep{set: multiline.NewSet(parsers, o.Key, true, flush), share: env.Share, seed: maphash.MakeSeed()}
	for n := range m.shards {
		m.shards[n] = shard{streams: map[string]*lineStream{}, oldest: lists.New(), reader: m.set.Reader()}
	}
	return m, nil
}

// multilineStep is the Holder. The streams of a tag are told apart by container and source, as Docker names them: stdout and
// stderr of several containers come mixed.
type multilineStep struct {
	set    *multiline.Set
	share  *budget.Share // nil: none
	seed   maphash.Seed
	bytes  atomic.Int64 // held
	shards [multilineShards]shard
}

// A shard has the streams of some keys.
type shard struct {
	mu      sync.Mutex
	streams map[string]*lineStream
	oldest  *lists.List // of *lineStream, by the time of their last line, the oldest first
	reader  *multiline.Reader
	spare   lineStream // for a line of a stream that holds none
	key     []byte
	held    int // events
}

// A lineStream is a stream that holds lines.
type lineStream struct {
	multiline.Stream
	key, tag string
	lot      Lot       // of the lines that are held
	size     int       // bytes that are counted
	begun    time.Time // when the first of these was added
	touched  time.Time
	element  *lists.Element
}

// A taken block is what a stream held, with its tag.
type takenBlock struct {
	*multiline.Block
	tag string
	lot Lot
}

// Apply implements Step: it holds a line that may have others after it, and emits those that are complete. Any other line
// passes.
func (m *multilineStep) Apply(ev *record.Event, out *Out) {
	var room [4]takenBlock
	done, taken := m.add(ev, out, room[:0])
	for _, b := range done {
		m.emit(b, out)
	}
	if !taken {
		out.Next(ev)
	}
}

// add gives ev to its stream, and appends what is complete to done.
func (m *multilineStep) add(ev *record.Event, out *Out, done []takenBlock) (_ []takenBlock, taken bool) {
	var room [256]byte
	key := appendStream(room[:0], ev)
	s := &m.shards[maphash.Bytes(m.seed, key)%multilineShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	group := s.reader.Read(ev.Body, ev.Time)
	s.key = append(append(s.key[:0], key...), group...)
	st := s.streams[string(s.key)]
	if st == nil {
		st = &s.spare
	}
	held, lot := st.lot, out.Lot
	isFirst := st.Block == nil
	before, after, taken := m.set.Add(&st.Stream, s.reader)
	if taken {
		s.held++
		out.Hold(1)
	}
	if before != nil {
		done = append(done, takenBlock{before, ev.Tag, held})
		s.held -= before.Lines
	} else if !isFirst {
		lot = lot.And(held)
	}
	if after != nil {
		done = append(done, takenBlock{after, ev.Tag, lot})
		s.held -= after.Lines
	}
	st.lot = lot
	if st == &s.spare && st.Block == nil {
		return done, taken
	}
	if st == &s.spare {
		st = &lineStream{Stream: s.spare.Stream, key: string(s.key), tag: strings.Clone(ev.Tag), lot: lot}
		s.spare.Stream = multiline.Stream{}
		s.streams[st.key] = st
		st.element = s.oldest.PushBack(st)
	}
	if isFirst || before != nil {
		st.begun = time.Now()
	}
	m.touch(s, st)
	for m.isFull() && s.oldest.Len() > 0 {
		done = append(done, m.take(s, s.oldest.Front().Value.(*lineStream)))
	}
	return done, taken
}

// appendStream appends what identifies the stream of an event. Docker writes the fields of each event in another order.
func appendStream(dst []byte, ev *record.Event) []byte {
	dst = append(append(dst, ev.Tag...), 0)
	var container, source []byte
	for f := record.FieldsOf(ev.Body); f.Next(); {
		switch string(f.Key()) {
		case "container_id":
			container, _ = record.Text(f.Value())
		case "source":
			source, _ = record.Text(f.Value())
		}
	}
	dst = strconv.AppendInt(dst, int64(len(container)), 10)
	dst = append(append(dst, ':'), container...)
	return append(append(dst, source...), 0)
}

// touch notes that a stream has got a line: it holds more, or nothing.
func (m *multilineStep) touch(s *shard, st *lineStream) {
	if st.Block == nil {
		m.forget(s, st)
		return
	}
	st.touched = time.Now()
	s.oldest.MoveToBack(st.element)
	m.count(st, st.Block.Size()+streamOverhead+len(st.key)+len(st.tag))
}

// count notes that a stream holds size bytes.
func (m *multilineStep) count(st *lineStream, size int) {
	m.bytes.Add(int64(size - st.size))
	if m.share != nil {
		m.share.Add(size - st.size)
	}
	st.size = size
}

func (m *multilineStep) forget(s *shard, st *lineStream) {
	m.count(st, 0)
	s.oldest.Remove(st.element)
	delete(s.streams, st.key)
}

// take takes what a stream holds.
func (m *multilineStep) take(s *shard, st *lineStream) takenBlock {
	b := st.Take()
	s.held -= b.Lines
	m.forget(s, st)
	return takenBlock{b, st.tag, st.lot}
}

// isFull reports whether lines must be emitted to hold less.
func (m *multilineStep) isFull() bool {
	held := m.bytes.Load()
	return held > maxMultiline || held > minMultiline && m.share != nil && m.share.Room() == 0
}

// emit emits the record of joined lines.
func (m *multilineStep) emit(b takenBlock, out *Out) {
	used := out.Mark()
	body := out.Keep(b.Append(slices.Grow(out.Take(), b.Len())))
	ev := record.Event{Tag: b.tag, Time: b.Time, Body: body}
	out.ReleaseOf(b.Lines, b.lot)
	m.set.Put(b.Block)
	out.Next(&ev)
	out.Rewind(used)
}

// Expire implements Holder: it emits the lines that have waited for the flush time-out.
func (m *multilineStep) Expire(now time.Time, out *Out) (next time.Time) {
	for n := range m.shards {
		s := &m.shards[n]
		for {
			b, due := m.due(s, now)
			if b.Block == nil {
				if !due.IsZero() && (next.IsZero() || due.Before(next)) {
					next = due
				}
				break
			}
			m.emit(b, out)
		}
	}
	return next
}

// due takes the lines that have waited the longest, if they are due at now. Otherwise it returns when they will be.
func (m *multilineStep) due(s *shard, now time.Time) (b takenBlock, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.oldest.Front()
	if first == nil {
		return b, due
	}
	st := first.Value.(*lineStream)
	if due = st.touched.Add(m.set.Flush); now.Before(due) {
		return b, due
	}
	return m.take(s, st), due
}

// Oldest implements Aged.
func (m *multilineStep) Oldest() (oldest time.Time) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for e := s.oldest.Front(); e != nil; e = e.Next() {
			oldest = older(oldest, e.Value.(*lineStream).begun)
		}
		s.mu.Unlock()
	}
	return oldest
}

// Held implements Holder.
func (m *multilineStep) Held() (n int) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.held
		s.mu.Unlock()
	}
	return n
}
