package tail

import (
	"cmp"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/firelane/firelane/config"
)

// An early file existed when the input was made.
type early struct {
	path string
	size int64
	old  bool // ignore_older leaves it out
}

// noteEarly notes the files that exist at the start, up to maxFiles. An application's first lines may come before the first scan, and
// files may be renamed before it.
func (in *Input) noteEarly() {
	in.early = map[fileID]early{}
	now := time.Now()
	in.each(func(path string) bool {
		if id, info, err := stat(path); err == nil {
			in.early[id] = early{path, info.Size(), in.opts.IgnoreOlder > 0 && now.Sub(info.ModTime()) > in.opts.IgnoreOlder}
		}
		return len(in.early) < maxFiles
	})
}

// startOf returns where a file that the first scan finds begins, if it has no saved offset.
func (in *Input) startOf(id fileID, size int64) int64 {
	was, noted := in.early[id]
	switch {
	case in.opts.FromHead:
		return 0
	case !noted && len(in.early) >= maxFiles:
		return size // it may have existed: not all were noted
	}
	return min(was.size, size)
}

// findEarly finds files without a saved offset that existed at the start, and were renamed before the first scan has seen them.
func (in *Input) findEarly() {
	for _, id := range slices.SortedFunc(maps.Keys(in.early), func(a, b fileID) int { return cmp.Compare(in.early[a].path, in.early[b].path) }) {
		e := in.early[id]
		if e.old || in.files[id] != nil {
			continue
		}
		if is, _, err := stat(e.path); err == nil && is == id {
			continue // it is left out
		}
		p, known := in.saved(id, e.path)
		if !known {
			p = place{id: id, offset: in.startOf(id, e.size)}
		}
		p.path = e.path
		in.addRenamed(p, !known)
	}
}

// scan searches for files. Those that existed at the start without a saved offset begin where they ended then, unless
// read_from_head is set; all others at their beginning.
func (in *Input) scan(first bool) {
	in.liner.now = time.Now()
	for _, f := range in.files {
		f.sought = f.rotated
	}
	aged := in.aged
	in.aged = map[string]agedFile{}
	in.each(func(path string) bool {
		id, info, err := stat(path)
		if err != nil {
			return true // it has just gone, or is a folder
		}
		if old, ok := aged[path]; ok {
			in.aged[path] = old
		}
		in.found(path, id, info, first)
		return true
	})
	if first {
		in.findEarly()
		in.findRenamed()
		in.early, in.known = nil, nil
	}
	in.lookAtAll(in.liner.now)
	in.took = time.Since(in.liner.now)
}

// found is called for a file that matches a pattern.
func (in *Input) found(path string, id fileID, info fs.FileInfo, first bool) {
	if current := in.byPath[path]; current != nil {
		if current.id == id {
			return
		}
		in.rotate(current)
	}
	if f := in.files[id]; f != nil { // it was renamed to a name that matches, too; or is there by two names
		switch {
		case f.ended: // it had the inode, which is used again
			in.rescanSoon(in.liner.now)
		case f.rotated:
			in.move(f, path)
		}
		return
	}
	tag, ok := in.tagger.tagFor(path)
	if !ok {
		in.log.Warn().Str("file", path).Msg("a file's path does not match tag_regex: it is not read")
		return
	}
	p, known := in.saved(id, path)
	if !known && in.isOld(path, id, info) {
		return
	}
	f := &file{place: p, at: path, named: path, tag: tag, changed: in.liner.now, unsaved: true, late: in.blocked}
	f.path = path
	if !known {
		f.place = place{id: id, path: path}
		_, took := in.known[path] // it is new: it took the place of one that was followed
		switch old, was := in.aged[path]; {
		case was && old.id == id && old.size <= info.Size():
			f.offset = old.size
		case first && !took:
			f.offset = in.startOf(id, info.Size())
		}
	}
	if !in.addFile(f) {
		return
	}
	delete(in.aged, path)
	in.byPath[path] = f
	if err := in.openFile(f); err != nil {
		in.lost(f, err)
		return
	}
	if !known || f.print.size == 0 {
		in.extend(f)
	}
	in.markReady(f)
}

// An agedFile is one that ignore_older leaves out, and its size.
type agedFile struct {
	id   fileID
	size int64
}

// isOld reports whether a file is left out by ignore_older. In Fluent Bit, what it has at that time isn't read later, either.
func (in *Input) isOld(path string, id fileID, info fs.FileInfo) bool {
	if in.opts.IgnoreOlder <= 0 || in.liner.now.Sub(info.ModTime()) <= in.opts.IgnoreOlder {
		return false
	}
	if in.liner.dialect == config.FluentBit && len(in.aged) < maxFiles {
		in.aged[path] = agedFile{id, info.Size()}
	}
	return true
}

// move notes that a file that was renamed is followed by its new name.
func (in *Input) move(f *file, path string) {
	f.at, f.rotated, f.unsaved = path, false, true
	f.path = path
	in.byPath[path] = f
}

// saved returns the place of a file in the store.
func (in *Input) saved(id fileID, path string) (p place, ok bool) {
	if p, ok := in.places[id]; ok {
		delete(in.places, id)
		return p, true
	}
	for _, was := range in.known[path] {
		if p, ok := in.places[was]; ok && was.ino == id.ino { // a volume that is mounted again may have another device number
			other := p
			other.path = "" // findRenamed forgets it
			in.places[was], p.id = other, id
			return p, true
		}
	}
	for n, p := range in.taken {
		if p.id.ino == id.ino && p.path == path {
			in.taken = slices.Delete(in.taken, n, n+1)
			p.id = id
			return p, true
		}
	}
	return p, false
}

// findRenamed finds the files that were renamed while nobody followed them: what is left of them is read. One that isn't found is
// searched for once more, since it may be renamed just now. Places of all others are forgotten.
func (in *Input) findRenamed() {
	list := slices.Collect(maps.Values(in.places))
	slices.SortFunc(list, func(a, b place) int { return cmp.Compare(a.path, b.path) }) // each folder is listed once
	clear(in.places)
	for _, p := range list {
		in.addRenamed(p, false)
	}
}

// addRenamed adds a file that was renamed, unless it isn't to be read.
func (in *Input) addRenamed(p place, unread bool) {
	tag, tagged := in.tagger.tagFor(p.path)
	f := &file{place: p, at: p.path, named: p.path, tag: tag, changed: in.liner.now, unsaved: true, rotated: true, unread: unread}
	if !in.addFile(f) {
		return
	}
	if !tagged || p.path == "" || !in.wants(p.path) {
		f.ended = true
		return
	}
	if err := in.openFile(f); err != nil {
		in.lost(f, err)
	}
	in.markReady(f)
}

// filesIn returns the names of the files in a folder.
func filesIn(dir string) map[fileID]string {
	names := map[fileID]string{}
	for _, e := range entriesOf(dir) {
		if info, err := e.Info(); err == nil {
			if id, ok := idOf(info); ok {
				names[id] = e.Name()
			}
		}
	}
	return names
}

// addFile adds a file, if there are not too many.
func (in *Input) addFile(f *file) bool {
	if len(in.files) >= maxFiles {
		if !in.full {
			in.full = true
			in.log.Error().Int("limit", maxFiles).Str("file", f.path).Msg("too many files match: this one and others are not read; want narrower patterns in path")
		}
		return false
	}
	in.files[f.id] = f
	return true
}

// rotate notes that a file was renamed or deleted: it is read to its end, and for rotate_wait after that.
func (in *Input) rotate(f *file) {
	if f.rotated {
		return
	}
	if in.byPath[f.at] == f {
		delete(in.byPath, f.at)
	}
	f.rotated, f.sought, f.changed = true, false, time.Now()
	if f.f == nil { // now its new name can be found
		if err := in.openFile(f); err != nil {
			in.lost(f, err)
			return
		}
	}
	in.markReady(f)
}

// lookAtAll checks every file.
func (in *Input) lookAtAll(now time.Time) {
	missed := false
	for _, f := range in.files {
		in.look(f, now)
		missed = missed || !f.missed.IsZero()
	}
	if missed { // each folder is listed once
		slices.SortFunc(in.ready, func(a, b *file) int { return cmp.Compare(a.at, b.at) })
	}
}

// look checks a file: whether it has more to read, and whether another one has its path now.
func (in *Input) look(f *file, now time.Time) {
	if f.ended {
		return
	}
	if f.rotated {
		in.markReady(f) // end forgets it when rotate_wait is over
		if in.byPath[f.path] == nil && in.wants(f.path) {
			if id, info, err := stat(f.path); err == nil { // its successor
				in.found(f.path, id, info, false)
			}
		}
		return
	}
	id, info, err := stat(f.at)
	switch {
	case err != nil && !isGone(err): // it may be there: a server doesn't answer, or a permission is missing
	case err != nil:
		in.rotate(f)
	case id != f.id:
		in.rotate(f)
		in.rescanSoon(now) // its folder may be another one
		if in.wants(f.at) {
			in.found(f.at, id, info, false)
		}
	case info.Size() != f.size || f.size < f.offset || !info.ModTime().Equal(f.written):
		in.markReady(f)
	}
}

// folders are those that may get new lines or files.
func (in *Input) folders() (list []string) {
	for _, p := range in.opts.Path {
		glob("", filepath.Dir(p), func(dir string) bool {
			list = append(list, dir)
			return len(list) < maxFiles
		})
	}
	links := map[string]string{}
	for _, f := range in.byPath {
		list = append(list, filepath.Dir(f.at))
		if real, err := filepath.EvalSymlinks(f.at); err == nil && real != f.at {
			list = append(list, filepath.Dir(real))
			links[real] = f.at
		}
	}
	if in.watch.notifier != nil {
		in.watch.links = links
	}
	slices.Sort(list)
	return slices.Compact(list)
}
