package tail

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/parse"
	"github.com/firelane/firelane/parse/multiline"
	"github.com/firelane/firelane/record"
)

// Reasons of rejected lines.
const (
	tooLong   = "line is longer than the limit"
	unmatched = "line can't be parsed"
)

// maxHeld is how many bytes of lines that wait for others all files of an input hold.
const maxHeld = 4 << 20

// A lineStream is lines of a file that wait for others: one for each stream (stdout, stderr) that is mixed in it.
type lineStream struct {
	multiline.Stream
	group   string
	begin   int64 // offset of the first line
	touched time.Time
	size    int // bytes that are counted
}

// liner makes records of lines.
type liner struct {
	dialect   config.Dialect
	key       string
	pathKey   string
	offsetKey string
	unmatched bool // a line that can't be read becomes a record with unmatched_line
	extra     int  // how many of pathKey and offsetKey there are
	parser    *parse.Parser
	set       *multiline.Set // nil: lines aren't joined
	reader    *multiline.Reader
	spare     lineStream // for a line of a stream that holds none

	recv input.Receiver
	now  time.Time
	body []byte
	line []byte // the parsed line
	held int    // bytes, of all files
	size int    // bytes added since the last flush
	more func(bytes int)
}

func (l *liner) setReceiver(recv input.Receiver) { l.recv = recv }

// add adds the line of f that begins at offset at.
func (l *liner) add(f *file, text []byte, at int64) {
	when := record.Time{Sec: uint32(l.now.Unix()), Nsec: uint32(l.now.Nanosecond())}
	if l.set != nil {
		l.addJoined(f, text, at, when)
		return
	}
	l.addText(f, text, at, when)
}

// addText adds a line, or joined lines of Fluentd's format multiline.
func (l *liner) addText(f *file, text []byte, at int64, when record.Time) {
	if l.parser != nil {
		parsed, ok := l.parser.Parse(l.line[:0], text, &when)
		l.line = parsed[:0]
		if n, members, err := record.MapHeader(parsed); ok && err == nil {
			l.begin(f, n, at)
			l.body = append(l.body, members...)
			l.emit(f, when)
			return
		}
		if l.dialect == config.Fluentd && !l.unmatched {
			l.recv.Reject(1, unmatched)
			return
		}
	}
	l.begin(f, 1, at)
	l.body = record.AppendStrBytes(record.AppendStr(l.body, l.key), text)
	l.emit(f, when)
}

// begin begins a record with n fields besides those of the file.
func (l *liner) begin(f *file, n int, at int64) {
	l.body = record.AppendMapHeader(l.body[:0], n+l.extra)
	if l.pathKey != "" {
		l.body = record.AppendStr(record.AppendStr(l.body, l.pathKey), f.named)
	}
	if l.offsetKey != "" {
		l.body = record.AppendInt(record.AppendStr(l.body, l.offsetKey), at)
	}
}

func (l *liner) emit(f *file, when record.Time) {
	l.recv.Add(f.tag, when, l.body)
	l.size += len(l.body)
	if cap(l.body) > maxSpare {
		l.body = nil
	}
	if cap(l.line) > maxSpare {
		l.line = nil
	}
}

// maxSpare is the largest memory for a record, in bytes, that is kept for the next one.
const maxSpare = 256 << 10

// join makes l join lines.
func (l *liner) join(parsers []*multiline.Parser) {
	l.set = multiline.NewSet(parsers, l.key, false, 0)
	if l.set.Flush == 0 {
		l.set.Flush = multiline.DefaultFlush
	}
	l.reader = l.set.Reader()
}

// addJoined gives a line to its stream.
func (l *liner) addJoined(f *file, text []byte, at int64, when record.Time) {
	base := record.AppendStrBytes(record.AppendStr(record.AppendMapHeader(l.line[:0], 1), l.key), text)
	l.line = base[:0]
	group := l.reader.Read(base, when)
	st := f.streams[string(group)]
	held := st != nil
	if !held {
		st = &l.spare
	}
	before, after, taken := l.set.Add(&st.Stream, l.reader)
	l.emitBlock(f, before, st.begin)
	if before != nil || !held {
		st.begin = at
	}
	l.emitBlock(f, after, st.begin)
	switch {
	case !taken && l.parser != nil:
		l.addText(f, text, at, when)
	case !taken:
		l.begin(f, 1, at)
		l.body = record.AppendStrBytes(record.AppendStr(l.body, l.key), text)
		l.emit(f, when)
	}
	switch {
	case !held && st.Block != nil:
		st = &lineStream{Stream: l.spare.Stream, group: string(group), begin: at}
		l.spare.Stream = multiline.Stream{}
		if f.streams == nil {
			f.streams = map[string]*lineStream{}
		}
		f.streams[st.group] = st
	case !held:
		return
	}
	l.touch(f, st)
	if l.held > maxHeld {
		l.release(f, st)
	}
}

// touch notes that a stream of f has got a line: it holds more, or nothing.
func (l *liner) touch(f *file, st *lineStream) {
	size := 0
	if st.Block != nil {
		size = st.Block.Size()
	}
	l.count(size - st.size)
	st.size, st.touched = size, l.now
	if st.Block == nil {
		delete(f.streams, st.group)
	}
}

func (l *liner) count(n int) {
	l.held += n
	if l.more != nil {
		l.more(n)
	}
}

// release emits what a stream of f holds.
func (l *liner) release(f *file, st *lineStream) {
	l.emitBlock(f, st.Take(), st.begin)
	l.touch(f, st)
}

// releaseAll emits what f holds.
func (l *liner) releaseAll(f *file) { l.releaseDue(f, l.now, true) }

// releaseDue emits what has waited for the flush time, or all, and returns when the next is due, the zero time for never.
func (l *liner) releaseDue(f *file, now time.Time, all bool) (next time.Time) {
	var list []*lineStream
	for _, st := range f.streams {
		switch due := st.touched.Add(l.set.Flush); {
		case all || !now.Before(due):
			list = append(list, st)
		case next.IsZero() || due.Before(next):
			next = due
		}
	}
	slices.SortFunc(list, func(a, b *lineStream) int { return cmp.Compare(a.begin, b.begin) })
	for _, st := range list {
		l.release(f, st)
	}
	return next
}

// emitBlock emits joined lines, nil for none.
func (l *liner) emitBlock(f *file, b *multiline.Block, at int64) {
	if b == nil {
		return
	}
	when := b.Time
	if l.parser != nil {
		l.addText(f, b.Text(), at, when)
		l.set.Put(b)
		return
	}
	l.begin(f, b.Members(), at)
	l.body = b.AppendMembers(l.body)
	l.set.Put(b)
	l.emit(f, when)
}

// safe is the offset up to which all lines were added, and none is held.
func (f *file) safe() int64 {
	at := f.offset
	for _, st := range f.streams {
		at = min(at, st.begin)
	}
	return at
}

// withoutCR is a line without the carriage return at its end.
func withoutCR(line []byte) []byte { return bytes.TrimSuffix(line, []byte{'\r'}) }
