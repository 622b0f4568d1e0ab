package tail

import (
	"bytes"
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
		l.body = record.AppendStr(record.AppendStr(l.body, l.pathKey), f.path)
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
	n := slices.IndexFunc(f.streams, func(s lineStream) bool { return s.group == string(group) })
	st := &l.spare
	if n >= 0 {
		st = &f.streams[n]
	}
	before, after, taken := l.set.Add(&st.Stream, l.reader)
	l.emitBlock(f, before, st.begin)
	if before != nil || n < 0 {
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
	case n < 0 && st.Block != nil:
		f.streams = append(f.streams, lineStream{Stream: st.Stream, group: string(group), begin: at})
		st.Stream, n = multiline.Stream{}, len(f.streams)-1
	case n < 0:
		return
	}
	l.touch(f, n)
	if l.held > maxHeld {
		l.release(f, n)
	}
}

// touch notes that stream n of f has got a line: it holds more, or nothing.
func (l *liner) touch(f *file, n int) {
	st := &f.streams[n]
	size := 0
	if st.Block != nil {
		size = st.Block.Size()
	}
	l.count(size - st.size)
	st.size, st.touched = size, l.now
	if st.Block == nil {
		f.streams = slices.Delete(f.streams, n, n+1)
	}
}

func (l *liner) count(n int) {
	l.held += n
	if l.more != nil {
		l.more(n)
	}
}

// release emits what stream n of f holds.
func (l *liner) release(f *file, n int) {
	st := &f.streams[n]
	l.emitBlock(f, st.Take(), st.begin)
	l.touch(f, n)
}

// releaseAll emits what f holds.
func (l *liner) releaseAll(f *file) {
	for len(f.streams) > 0 {
		l.release(f, 0)
	}
}

// releaseDue emits what has waited for the flush time, and returns when the next is due, the zero time for never.
func (l *liner) releaseDue(f *file, now time.Time, all bool) (next time.Time) {
	for n := 0; n < len(f.streams); {
		due := f.streams[n].touched.Add(l.set.Flush)
		if all || !now.Before(due) {
			l.release(f, n)
			continue
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
		n++
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
	for n := range f.streams {
		at = min(at, f.streams[n].begin)
	}
	return at
}

// withoutCR is a line without the carriage return at its end.
func withoutCR(line []byte) []byte { return bytes.TrimSuffix(line, []byte{'\r'}) }
