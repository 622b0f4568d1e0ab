package tail

import (
	"bytes"
	"errors"
	"io"
)

// limit is the longest line. Without a limit of the configuration (0, off) it is the highest.
func (in *Input) limit() int {
	if n := int(min(in.opts.MaxLine, maxLine)); n > 0 {
		return n
	}
	return maxLine
}

// read reads a part of f. It reports whether there may be more, and whether it has read anything.
func (in *Input) read(f *file) (more, some bool) {
	if err := in.openFile(f); err != nil {
		in.lost(f, err)
		return false, false
	}
	info, err := f.f.Stat()
	if err != nil {
		in.lost(f, err)
		return false, false
	}
	rewritten := f.size == info.Size() && !f.written.Equal(info.ModTime())
	f.size, f.written = info.Size(), info.ModTime()
	if f.size < f.offset || f.size == f.offset && rewritten && !f.isSame() {
		in.truncated(f)
		return true, true
	}
	if f.size == f.offset {
		in.end(f)
		return false, false
	}
	if in.buf == nil {
		in.setBuffer(readSize)
	}
	n, err := f.f.ReadAt(in.buf, f.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		in.lost(f, err)
		return false, false
	}
	// After the read: what was read is what followed the lines before it, unless the beginning is another one now.
	if !f.isSame() {
		in.truncated(f)
		return true, true
	}
	if hole := holeOf(in.buf[:n]); hole > 0 && (hole < n || n >= min(len(in.buf), in.limit())) {
		f.offset, f.unsaved = f.offset+int64(hole), true
		in.extend(f)
		return true, true
	}
	used := in.lines(f, in.buf[:n])
	if used == 0 && n == len(in.buf) && n < in.limit() { // a long line
		in.setBuffer(min(2*n, in.limit()))
		return true, false
	}
	if used == 0 && n > 0 && n >= in.limit() {
		used = in.longLine(f, in.buf[:n])
	}
	f.offset += int64(used)
	if used > 0 {
		in.reads.Add(1)
		f.changed, f.unsaved = in.liner.now, true
		in.extend(f)
		if len(in.buf) > readSize {
			in.setBuffer(0) // it was for one long line
		}
	} else {
		in.end(f)
	}
	return f.offset+int64(n-used) < f.size, used > 0
}

// isSame reports whether the beginning of f is what was read.
func (f *file) isSame() bool {
	print, err := printOf(f.f, f.print.size)
	return err == nil && print == f.print
}

// holeOf is how many NULs b begins with. A file that was truncated has them where a program goes on writing at its old position: they
// are no part of a line, as in Fluent Bit. Those at the end of the file may become text, so they wait unless they fill the buffer: a program
// may reserve space for its next lines, and on a network file system what has not arrived is NULs.
func holeOf(b []byte) int { return len(b) - len(bytes.TrimLeft(b, "\x00")) }

// setBuffer makes a buffer of n bytes, none for 0. What it has beyond readSize is for a long line, an event that isn't whole yet.
func (in *Input) setBuffer(n int) {
	if in.memory != nil {
		long := max(n-readSize, 0) - max(len(in.buf)-readSize, 0)
		in.memory.AddUnqueued(long)
		in.memory.Charge(n - len(in.buf) - long)
	}
	in.buf = nil
	if n > 0 {
		in.buf = make([]byte, n)
	}
}

// extend makes the fingerprint of as many bytes as were read.
func (in *Input) extend(f *file) {
	if size := int(min(f.offset, printSize)); size > f.print.size {
		if print, err := printOf(f.f, size); err == nil {
			f.print = print
		}
	}
}

// lines adds the whole lines of b, which f has at its offset, and returns how many bytes they have.
func (in *Input) lines(f *file, b []byte) (used int) {
	if in.burster != nil {
		in.burster.Begin()
		defer in.burster.End()
	}
	for {
		end := bytes.IndexByte(b[used:], '\n')
		if end < 0 {
			return used
		}
		line := b[used : used+end]
		switch {
		case f.skips:
			f.skips = false
		case len(line) > in.limit():
			if in.opts.SkipLong {
				in.recv.Reject(1, tooLong)
			} else {
				in.pieces(f, line, f.offset+int64(used))
			}
		default:
			in.line(f, line, f.offset+int64(used))
		}
		used += end + 1
	}
}

func (in *Input) line(f *file, line []byte, at int64) {
	if line = withoutCR(line); len(line) > 0 || !in.opts.SkipEmpty {
		in.liner.add(f, line, at)
	}
}

// pieces adds a line that is too long as several.
func (in *Input) pieces(f *file, line []byte, at int64) {
	for len(line) > 0 {
		n := min(len(line), in.limit())
		in.line(f, line[:n], at)
		line, at = line[n:], at+int64(n)
	}
}

// longLine adds the beginning of a line that is longer than the limit, or leaves it out, and returns how many bytes that is.
func (in *Input) longLine(f *file, b []byte) (used int) {
	switch {
	case f.skips:
		return len(b)
	case in.opts.SkipLong:
		f.skips = true
		in.recv.Reject(1, tooLong)
		return len(b)
	}
	n := in.limit()
	in.line(f, b[:n], f.offset)
	return n
}

// end is called at the end of f. A file that was renamed or deleted, and has had no new line for rotate_wait, is forgotten, unless a
// search finds it by a name that matches; a last line without a newline will get none. At a stop it isn't waited for, but the next run
// follows it.
func (in *Input) end(f *file) {
	if !f.rotated {
		return
	}
	over := in.liner.now.Sub(f.changed) >= in.opts.RotateWait
	if over && !f.sought {
		in.rescanSoon(in.liner.now)
		over = false
	}
	if !over && !in.hurry.Load() {
		return
	}
	if rest := f.size - f.offset; rest > 0 && rest <= int64(len(in.buf)) {
		b := in.buf[:rest]
		if n, err := f.f.ReadAt(b, f.offset); n == len(b) && (err == nil || errors.Is(err, io.EOF)) && !f.skips {
			if holeOf(b) < len(b) {
				in.line(f, b, f.offset)
			}
			f.offset = f.size
		}
	}
	if in.liner.set != nil {
		in.liner.releaseAll(f)
	}
	f.ended, f.unsaved = over, true
}

// truncated begins f anew. If it was copied before, the rest of the copy comes first.
func (in *Input) truncated(f *file) {
	if in.liner.set != nil {
		in.liner.releaseAll(f)
	}
	old := f.place
	at, id := copyOf(f.at, &old, in.files)
	line := in.log.Info().Str("file", f.path).Int64("offset", f.offset)
	if at != "" {
		line.Str("copy", at)
		c := &file{place: old, at: at, named: f.named, tag: f.tag, rotated: true, changed: in.liner.now, unsaved: true}
		if c.id = id; in.addFile(c) {
			in.markReady(c)
		}
	}
	line.Msg("a file was truncated or written anew: it is read from its beginning")
	f.offset, f.print, f.skips, f.unsaved, f.changed = 0, fingerprint{}, false, true, in.liner.now
}

// lost is called where f can't be read.
func (in *Input) lost(f *file, err error) {
	if errors.Is(err, errLater) {
		return
	}
	if in.blocked { // nothing can be added
		in.markReady(f)
		return
	}
	if errors.Is(err, errGone) || f.rotated {
		if f.size > f.offset {
			in.log.Warn().Str("file", f.path).Int64("offset", f.offset).Int64("size", f.size).Err(err).
				Msg("a file is gone before it was read to its end")
		}
		if in.liner.set != nil {
			in.liner.releaseAll(f)
		}
		f.ended, f.unsaved = true, true
		return
	}
	if !f.failed {
		f.failed = true
		in.log.Warn().Str("file", f.path).Err(err).Msg("a file can't be read: it is tried again")
	}
}

// openFile opens f, and closes those that were used the longest ago, if too many are open.
func (in *Input) openFile(f *file) error {
	if f.f != nil {
		in.opened.MoveToBack(f.element)
		return nil
	}
	for in.opened.Len() >= in.maxOpen {
		in.closeFile(in.eldest())
	}
	if err := in.open(f); err != nil {
		return err
	}
	f.element = in.opened.PushBack(f)
	return nil
}

// eldest is the open file that was used the longest ago. One that was renamed is harder to find again, and comes last; before it one that
// nobody has read because a queue is full.
func (in *Input) eldest() *file {
	found := in.opened.Front().Value.(*file)
	for e := in.opened.Front(); e != nil; e = e.Next() {
		switch f := e.Value.(*file); {
		case !f.rotated:
			return f
		case f.late && !found.late:
			found = f
		}
	}
	return found
}

func (in *Input) closeFile(f *file) {
	if f.f != nil {
		in.opened.Remove(f.element)
		f.close()
	}
}
