package enrich

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/record"
)

// Apply implements Step: it holds a part, and emits the records that it completes. Any other event passes.
func (c *concat) Apply(ev *record.Event, out *Out) {
	p, ok := c.read(ev)
	if !ok {
		out.Next(ev)
		return
	}
	var room [4]concatBlock
	done, passes := c.add(ev, &p, out, room[:0])
	for i := range done {
		c.emit(&done[i], ev, out)
	}
	if passes {
		out.Next(ev)
	}
}

// add adds a part to its stream, and appends the blocks that are complete to done. passes reports that the event isn't held.
func (c *concat) add(ev *record.Event, p *concatPart, out *Out, done []concatBlock) (_ []concatBlock, passes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key = strconv.AppendInt(append(append(c.key[:0], ev.Tag...), 0), int64(len(p.identity)), 10)
	c.key = append(append(append(append(c.key, ':'), p.identity...), 0), p.id...)
	st := c.streams[string(c.key)]
	if c.mode == "multiline_start_regexp" {
		switch {
		case p.first:
			done, st = c.cut(done, st, false), nil
		case p.last:
		case st == nil && c.start != nil:
			return done, true
		case st != nil && p.alone:
			return c.cut(done, st, false), true
		}
	}
	if st != nil && (st.bytes+len(p.text) > c.limit() || len(st.parts) == maxConcatLines) {
		done, st = c.cut(done, st, false), nil
	}
	if st == nil {
		st = c.begin(ev)
	}
	c.push(st, ev, p, out.Lot)
	out.Hold(1)
	if p.last || c.mode == "n_lines" && len(st.parts) >= c.o.Lines {
		done = c.cut(done, st, true)
	}
	for c.isFull() && c.oldest.Len() > 0 {
		done = c.cut(done, c.oldest.Front().Value.(*concatStream), false)
	}
	return done, false
}

// limit returns the maximum length of a joined text, in bytes.
func (c *concat) limit() int {
	if c.mode == "partial_key" && c.o.Overflow != "ignore" && c.o.Limit > 0 {
		return int(min(c.o.Limit, maxConcatText))
	}
	return maxConcatText
}

// begin makes the stream of c.key. ev is its first part.
func (c *concat) begin(ev *record.Event) *concatStream {
	st := &concatStream{key: string(c.key), begun: time.Now()}
	st.tag, st.time = strings.Clone(ev.Tag), ev.Time
	st.first = c.appendWithoutText(nil, ev.Body)
	c.streams[st.key] = st
	st.element = c.oldest.PushBack(st)
	return st
}

// appendWithoutText appends a record with an empty text, since the text is held in the stream's parts.
func (c *concat) appendWithoutText(dst, body []byte) []byte {
	n := 1
	for f := record.FieldsOf(body); f.Next(); {
		if !isNamed(&f, c.o.Key) {
			n++
		}
	}
	dst = record.AppendMapHeader(dst, n)
	for f := record.FieldsOf(body); f.Next(); {
		switch {
		case !isNamed(&f, c.o.Key):
			dst = append(append(dst, f.RawKey()...), f.Value()...)
		case n > 0:
			dst = record.AppendStr(append(dst, f.RawKey()...), "")
			n = 0 // only one of two fields with this name
		}
	}
	return dst
}

// isNamed reports whether a field has that name.
func isNamed(f *record.Fields, name string) bool { return f.Key() != nil && string(f.Key()) == name }

// push adds a part. Docker's parts are sorted by their ordinals.
func (c *concat) push(st *concatStream, ev *record.Event, p *concatPart, lot Lot) {
	i := len(st.parts)
	if i > 0 {
		lot = lot.And(st.lot)
	}
	st.lot = lot
	for i > 0 && st.parts[i-1].ordinal > p.ordinal {
		i--
	}
	st.parts = slices.Insert(st.parts, i, heldPart{p.ordinal, bytes.Clone(p.text)})
	st.bytes += len(p.text)
	st.last, st.touched = ev.Time, time.Now()
	c.oldest.MoveToBack(st.element)
	c.held++
	c.count(st, lineOverhead+len(st.key)+len(st.first)+st.bytes+partOverhead*len(st.parts))
}

// count sets a stream's size in bytes, and updates the total and the budget.
func (c *concat) count(st *concatStream, size int) {
	c.bytes += size - st.size
	if c.share != nil {
		c.share.Add(size - st.size)
	}
	st.size = size
}

// isFull reports whether the streams hold too much, so that the oldest must be emitted.
func (c *concat) isFull() bool {
	return c.bytes > maxConcat || c.bytes > minConcat && c.share != nil && c.share.Room() == 0
}

// cut removes a stream, unless it is nil, and appends its block to done. whole means that the current event is its last part.
func (c *concat) cut(done []concatBlock, st *concatStream, whole bool) []concatBlock {
	if st == nil {
		return done
	}
	c.count(st, 0)
	c.held -= len(st.parts)
	c.oldest.Remove(st.element)
	delete(c.streams, st.key)
	st.whole = whole
	return append(done, st.concatBlock)
}

// emit builds and emits the joined record: the fields of the first part, and the fields that only the last one has. ev is the
// current event, nil in Expire.
func (c *concat) emit(b *concatBlock, ev *record.Event, out *Out) {
	used := out.Mark()
	var last []byte
	if b.whole {
		if n, _, _ := record.MapHeader(ev.Body); n <= maxConcatAdded {
			last = ev.Body
		}
	}
	size := b.bytes + max(len(b.parts)-1, 0)*len(c.o.Separator)
	body := c.appendRecord(slices.Grow(out.Take(), size+len(b.first)+len(last)+16), b, last, size)
	joined := record.Event{Tag: b.tag, Time: b.last, Body: out.Keep(body)}
	switch {
	case c.o.FirstTime:
		joined.Time = b.time
	case ev != nil && ev.Tag == b.tag && !b.unfinished:
		joined.Time = ev.Time
	}
	out.ReleaseOf(len(b.parts), b.lot)
	if !b.unfinished || c.label == "" || !out.Divert(&joined, c.label) {
		out.Next(&joined)
	}
	out.Rewind(used)
}

// appendRecord appends the joined record of a block. The joined text has size bytes.
func (c *concat) appendRecord(dst []byte, b *concatBlock, last []byte, size int) []byte {
	n := 0
	for f := record.FieldsOf(b.first); f.Next(); {
		if !c.drops(f.Key()) && !c.fromLast(f.Key(), last) {
			n++
		}
	}
	for f := record.FieldsOf(last); f.Next(); {
		if c.adds(&f, b) {
			n++
		}
	}
	dst = record.AppendMapHeader(dst, n)
	for f := record.FieldsOf(b.first); f.Next(); {
		switch {
		case c.drops(f.Key()) || c.fromLast(f.Key(), last):
		case isNamed(&f, c.o.Key):
			dst = record.AppendStrHeader(append(dst, f.RawKey()...), size)
			for i, p := range b.parts {
				if i > 0 {
					dst = append(dst, c.o.Separator...)
				}
				dst = append(dst, p.text...)
			}
		default:
			dst = append(append(dst, f.RawKey()...), f.Value()...)
		}
	}
	for f := record.FieldsOf(last); f.Next(); {
		if c.adds(&f, b) {
			dst = append(append(dst, f.RawKey()...), f.Value()...)
		}
	}
	return dst
}

// adds reports whether a field of the last part is added to the joined record: if the first part lacks it, or if it is the flag.
func (c *concat) adds(f *record.Fields, b *concatBlock) bool {
	if f.Key() == nil || c.drops(f.Key()) {
		return false
	}
	_, ok := record.Find(b.first, string(f.Key()))
	return !ok || string(f.Key()) == c.flag()
}

// flag returns the name of the field that says whether more parts follow, if an option can keep it: then the joined record has the
// last part's value.
func (c *concat) flag() string {
	switch c.mode {
	case "partial_key":
		return c.o.PartialKey
	case "use_partial_cri_logtag":
		return c.o.CRITag
	}
	return ""
}

// fromLast reports whether the joined record has the last part's value of a field.
func (c *concat) fromLast(key, last []byte) bool {
	return last != nil && key != nil && string(key) == c.flag()
}

// drops reports whether a field is left out of the joined record.
func (c *concat) drops(key []byte) bool {
	switch name := string(key); c.mode {
	case "partial_key":
		return !c.o.KeepPartial && name == c.o.PartialKey
	case "use_partial_metadata":
		m := &c.metadata
		return !c.o.KeepMetadata && (name == m.message || name == m.id || name == m.ordinal || name == m.last)
	case "use_partial_cri_logtag":
		return name == c.o.CRIStream || !c.o.KeepPartial && name == c.o.CRITag
	}
	return false
}

// Expire implements Holder: it emits the records that have had no new part for the flush interval.
func (c *concat) Expire(now time.Time, out *Out) time.Time {
	for {
		c.mu.Lock()
		first := c.oldest.Front()
		if first == nil {
			c.mu.Unlock()
			return time.Time{}
		}
		st := first.Value.(*concatStream)
		if due := st.touched.Add(c.flush); now.Before(due) {
			c.mu.Unlock()
			return due
		}
		var room [1]concatBlock
		done := c.cut(room[:0], st, false)
		c.mu.Unlock()
		done[0].unfinished = true
		c.emit(&done[0], nil, out)
	}
}

// Oldest implements Aged.
func (c *concat) Oldest() (oldest time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.oldest.Front(); e != nil; e = e.Next() {
		oldest = older(oldest, e.Value.(*concatStream).begun)
	}
	return oldest
}

// Held implements Holder.
func (c *concat) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}
