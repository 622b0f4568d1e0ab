package enrich

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/firelane/firelane/record"
)

// A part is a record that is a part of a line, as far as joining needs it. Its slices alias the record.
type part struct {
	container, source, id, text []byte
	ordinal                     int // from 1; 0: none
	last                        bool
}

// read reports whether the record is a part of a line that can be joined: it is marked as one, and has a container and a
// text.
func (p *part) read(body []byte) bool {
	marked := false
	var name []byte
	for f := record.FieldsOf(body); f.Next(); {
		key := f.Key()
		var into *[]byte
		switch string(key) {
		case "log":
			into = &p.text
		case "source":
			into = &p.source
		case "container_id":
			into = &p.container
		case "container_name":
			into = &name
		case "partial_id":
			into = &p.id
		case "partial_message":
			marked = isTrue(f.Value())
			continue
		case "partial_last":
			p.last = isTrue(f.Value())
			continue
		case "partial_ordinal":
			text, _ := record.Text(f.Value())
			p.ordinal, _ = strconv.Atoi(string(text)) // 0 if it is not a number
			continue
		default:
			continue
		}
		*into, _ = record.Text(f.Value())
	}
	if len(p.container) == 0 {
		p.container = name
	}
	return marked && p.text != nil && len(p.container) > 0
}

func isTrue(value []byte) bool {
	if text, ok := record.Text(value); ok {
		return string(text) == "true"
	}
	v, _, err := record.Bool(value)
	return err == nil && v
}

// appendKey appends what identifies the line that the part belongs to. An older Docker has no ids, and a container's stdout
// and stderr are two lines.
func (p *part) appendKey(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(p.container)), 10)
	dst = append(append(dst, ':'), p.container...)
	dst = append(append(dst, p.source...), ':')
	return append(dst, p.id...)
}

// appendOthers appends the members of a part that the joined record keeps, except log. It returns their number and the
// offset at which log goes between them.
func appendOthers(dst, body []byte) (out []byte, count, at int) {
	for f := record.FieldsOf(body); f.Next(); {
		switch string(f.Key()) {
		case "partial_message", "partial_id", "partial_ordinal", "partial_last":
			continue
		case "log":
			at = len(dst)
			continue
		}
		dst = append(append(dst, f.RawKey()...), f.Value()...)
		count++
	}
	return dst, count, at
}

// A line is an unfinished line.
type line struct {
	prev, next *line // in the list of a Joiner
	key        string
	unnamed    bool      // it has no partial_id
	begun      time.Time // when the first of the parts came that are held
	touched    time.Time // when its last part came
	seen       int       // parts so far, without duplicates
	wanted     int       // parts in all: the last one's ordinal; 0 while unknown
	piece      piece
}

func (l *line) fixed() int { return lineOverhead + len(l.key) + len(l.piece.fields) }

// add inserts a part by its ordinal and returns the bytes to count for it. A duplicated part (a log driver that reconnects
// resends what was not acknowledged) is only counted.
func (l *line) add(p *part, lot Lot) int {
	if l.piece.held() > 0 {
		lot = lot.And(l.piece.lot)
	} else {
		l.begun = time.Now()
	}
	l.piece.lot = lot
	ordinal := p.ordinal
	if ordinal <= 0 {
		ordinal = l.seen + 1
	}
	parts := l.piece.parts
	i := len(parts)
	for i > 0 && parts[i-1].ordinal > ordinal {
		i--
	}
	if i > 0 && parts[i-1].ordinal == ordinal && bytes.Equal(parts[i-1].text, p.text) && p.ordinal > 0 {
		l.piece.duplicated++
		return 0
	}
	parts = append(parts, heldPart{})
	copy(parts[i+1:], parts[i:])
	parts[i] = heldPart{ordinal, bytes.Clone(p.text)}
	l.piece.parts = parts
	l.piece.size += len(p.text)
	l.seen++
	if p.last {
		l.wanted = max(ordinal, 1)
	}
	return len(p.text) + partOverhead
}

func (l *line) complete() bool { return l.wanted > 0 && l.seen >= l.wanted }

// A piece is the parts of a line that are emitted together, as one event.
type piece struct {
	tag        string
	time       record.Time
	fields     []byte // members besides log, encoded; shared by all pieces of a line and never changed
	count      int    // of fields
	at         int    // where log goes between them
	parts      []heldPart
	size       int // bytes of their texts
	duplicated int // parts that were duplicates
	lot        Lot
}

type heldPart struct {
	ordinal int
	text    []byte
}

func (p *piece) held() int { return len(p.parts) + p.duplicated }

// emit builds the joined record and emits it.
func (p *piece) emit(out *Out) {
	if len(p.parts) == 0 {
		return
	}
	out.ReleaseOf(p.held(), p.lot)
	used := out.Mark()
	b := slices.Grow(out.Take(), p.size+len(p.fields)+16)
	b = record.AppendMapHeader(b, p.count+1)
	b = append(b, p.fields[:p.at]...)
	b = record.AppendStr(b, "log")
	b = record.AppendStrHeader(b, p.size)
	for _, part := range p.parts {
		b = append(b, part.text...)
	}
	b = out.Keep(append(b, p.fields[p.at:]...))
	out.Next(&record.Event{Tag: p.tag, Time: p.time, Body: b})
	out.Rewind(used)
}

// A list is lines in the order of their last parts. Its root is not one of them.
type list struct{ root line }

func (l *list) init() { l.root.prev, l.root.next = &l.root, &l.root }

func (l *list) first() *line {
	if l.root.next == &l.root {
		return nil
	}
	return l.root.next
}

func (l *list) remove(e *line) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}

// moveToEnd moves e to the end; e may be new.
func (l *list) moveToEnd(e *line) {
	if e.next != nil {
		l.remove(e)
	}
	last := l.root.prev
	e.prev, e.next = last, &l.root
	last.next, l.root.prev = e, e
}
