package multiline

import (
	"bytes"
	"sync"
	"time"

	"github.com/firelane/firelane/record"
)

const (
	// MaxBlock is how many bytes of text are joined: more is a record of its own. Fluent Bit's multiline_buffer_limit.
	MaxBlock = 2 << 20
	// maxLines is how many lines are joined.
	maxLines = 20_000
	// maxParsers is how many parsers a Set has.
	maxParsers = 16
	// maxSpare is the largest memory of a Block, in bytes, that is kept for the next one.
	maxSpare = 64 << 10
	// blockOverhead is what a Block takes in bytes, besides text and fields.
	blockOverhead = 256
)

// A Set joins the lines that any of its Parsers takes. It is safe for concurrent use.
type Set struct {
	Flush time.Duration // how long lines wait for their next one

	parsers []*Parser
	outer   []string // by Parser: the field of the record that holds the line
	inner   []string // the field that holds the text: of the record, or of what the Parser's parser makes of the line
	glue    [][]byte // between lines of types endswith and equal
	blocks  sync.Pool
}

// NewSet makes a Set. key is the field that holds the line, "" for each Parser's own. With override, it is also the field that
// holds the text in what a Parser's parser returns, as in Fluent Bit's filter; in its inputs it isn't.
func NewSet(parsers []*Parser, key string, override bool, flush time.Duration) *Set {
	s := &Set{parsers: parsers, Flush: flush}
	for _, p := range parsers {
		content := p.content
		if content == "" {
			content = "log"
		}
		outer, inner := key, content
		if key == "" {
			outer = content
		}
		if p.parser == nil || override {
			inner = outer
		}
		var glue []byte
		if p.content == "" && (key == "" || !override) {
			glue = []byte{'\n'}
		}
		s.outer, s.inner, s.glue = append(s.outer, outer), append(s.inner, inner), append(s.glue, glue)
		if p.flush > s.Flush {
			s.Flush = p.flush
		}
	}
	return s
}

// A Reader reads lines for a Set. It belongs to one goroutine at a time.
type Reader struct {
	set   *Set
	at    record.Time
	body  []byte
	lines []reading
}

// A reading is what a line is to one Parser.
type reading struct {
	done, ok      bool
	buf           []byte // memory of body, where the Parser has a parser
	body          []byte
	at            record.Time
	text, pattern []byte
	group         []byte
	inner         string // the field that holds the text
}

// Reader makes a Reader.
func (s *Set) Reader() *Reader { return &Reader{set: s, lines: make([]reading, len(s.parsers))} }

// Read sets the Reader's line to body, a record that must stay valid until Add returns. It returns the value of key_group, by
// which lines that are mixed in one source are told apart; nil for none.
func (r *Reader) Read(body []byte, at record.Time) (group []byte) {
	r.body, r.at = body, at
	for n := range r.lines {
		r.lines[n].done = false
	}
	for n, p := range r.set.parsers {
		if p.group == "" {
			continue
		}
		if l := r.line(n); l.ok && l.group != nil {
			return l.group
		}
	}
	return nil
}

// line returns what the line is to parser n.
func (r *Reader) line(n int) *reading {
	l := &r.lines[n]
	if l.done {
		return l
	}
	buf := l.buf[:0]
	if cap(buf) > maxSpare {
		buf = nil
	}
	*l = reading{done: true, at: r.at, body: r.body, buf: buf, inner: r.set.inner[n]}
	p := r.set.parsers[n]
	if p.parser != nil {
		value, _ := record.Find(r.body, r.set.outer[n])
		text, ok := record.Text(value)
		if !ok {
			return l
		}
		l.buf, ok = p.parser.Parse(l.buf, text, &l.at)
		if p.kind == firstLine {
			l.readFirst(ok, r.set.outer[n], text)
			return l
		}
		if !ok {
			return l
		}
		l.body = l.buf
	}
	for f := record.FieldsOf(l.body); f.Next(); {
		key := f.Key()
		if string(key) == l.inner {
			l.text, l.ok = record.Text(f.Value())
		}
		if p.group != "" && string(key) == p.group {
			l.group, _ = record.Text(f.Value())
		}
		if p.pattern != "" && string(key) == p.pattern {
			l.pattern, _ = record.Text(f.Value())
		}
	}
	if p.pattern == "" {
		l.pattern = l.text
	}
	return l
}

// readFirst is line for firstLine. parsed says that the line is a first one, whose fields are in buf: the lines after it are
// added to the last field that is a text, as in Fluent Bit.
func (l *reading) readFirst(parsed bool, outer string, text []byte) {
	l.ok, l.text, l.inner = true, text, outer
	if !parsed {
		return
	}
	l.body, l.pattern = l.buf, l.buf
	for f := record.FieldsOf(l.body); f.Next(); {
		if value, ok := record.Text(f.Value()); ok {
			l.text, l.inner = value, string(f.Key())
		}
	}
}

// A Stream is the state of the lines of one source. Its zero value holds none.
type Stream struct {
	Block  *Block // the lines that are held; nil: none
	parser int
	rule   int
}

// Add adds the Reader's line. before is the Block that ends before the line, after the one that the line completes; nil for none.
// taken is false if the line belongs to no Block: it goes on by itself, after before. The caller returns each Block by Put.
func (s *Set) Add(st *Stream, r *Reader) (before, after *Block, taken bool) {
	if st.Block != nil {
		l := r.line(st.parser)
		if l.ok {
			p := s.parsers[st.parser]
			if to := p.step(true, st.rule, l.text, l.pattern); to.ok && !to.begins {
				return s.goOn(st, l, to)
			}
		}
	}
	for n, p := range s.parsers {
		l := r.line(n)
		if !l.ok {
			continue
		}
		if to := p.step(false, -1, l.text, l.pattern); to.ok {
			before = st.Take()
			st.parser, st.rule = n, to.rule
			st.Block = s.begin(l)
			if to.ends {
				after = st.Take()
			}
			return before, after, true
		}
	}
	return st.Take(), nil, false
}

// goOn adds a line to those that are held. Where they would become too many, it begins a record of its own, which goes on.
func (s *Set) goOn(st *Stream, l *reading, to step) (before, after *Block, taken bool) {
	b := st.Block
	if len(b.text)+len(l.text) > MaxBlock || b.Lines >= maxLines {
		before = st.Take()
		st.Block = s.begin(l)
	} else {
		k := s.parsers[st.parser].kind
		b.add(l.text, k == byRules || k == firstLine || k == firstText, s.glue[st.parser])
	}
	st.rule = to.rule
	if to.ends {
		after = st.Take()
	}
	return before, after, true
}

// Take returns the lines that are held, nil for none; the Stream holds none then.
func (st *Stream) Take() *Block {
	b := st.Block
	st.Block = nil
	return b
}

// A Block is lines that belong together: the fields of the first one, with the texts of all.
type Block struct {
	Time  record.Time
	Lines int

	fields []byte // the members besides the text
	count  int    // of fields
	at     int    // where the text goes between them
	key    []byte // the text's, encoded
	text   []byte
}

// begin makes a Block of a first line.
func (s *Set) begin(l *reading) *Block {
	b, ok := s.blocks.Get().(*Block)
	if !ok {
		b = new(Block)
	}
	*b = Block{Time: l.at, Lines: 1, fields: b.fields[:0], key: b.key[:0], text: append(b.text[:0], l.text...)}
	for f := record.FieldsOf(l.body); f.Next(); {
		if string(f.Key()) == l.inner {
			b.key, b.at = append(b.key[:0], f.RawKey()...), len(b.fields) // the last one of that name, as line has read
			continue
		}
		b.fields = append(append(b.fields, f.RawKey()...), f.Value()...)
		b.count++
	}
	return b
}

// add adds a line's text. Lines that rules join are apart by a newline.
func (b *Block) add(text []byte, byRules bool, glue []byte) {
	b.Lines++
	if byRules {
		glue = []byte{'\n'}
	}
	if len(b.text) > 0 && !bytes.HasSuffix(b.text, glue) {
		b.text = append(b.text, glue...)
	}
	if byRules && len(text) == 0 {
		b.text = append(b.text, '\n')
	}
	b.text = append(b.text, text...)
}

// Size is how many bytes the Block takes.
func (b *Block) Size() int { return blockOverhead + cap(b.text) + len(b.fields) + len(b.key) }

// Len is how many bytes the Block has as a map, at most.
func (b *Block) Len() int { return len(b.text) + len(b.fields) + len(b.key) + 16 }

// Text is the joined text, which is valid until Put.
func (b *Block) Text() []byte { return b.text }

// Append appends the Block as a map.
func (b *Block) Append(dst []byte) []byte {
	return b.AppendMembers(record.AppendMapHeader(dst, b.Members()))
}

// Members is how many members the Block has as a map.
func (b *Block) Members() int { return b.count + 1 }

// AppendMembers appends the Block's members, without the header of a map.
func (b *Block) AppendMembers(dst []byte) []byte {
	dst = append(append(dst, b.fields[:b.at]...), b.key...)
	dst = record.AppendStrBytes(dst, b.text)
	return append(dst, b.fields[b.at:]...)
}

// Put returns a Block's memory.
func (s *Set) Put(b *Block) {
	if cap(b.text)+cap(b.fields) <= maxSpare {
		s.blocks.Put(b)
	}
}
