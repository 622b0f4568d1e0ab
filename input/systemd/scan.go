package systemd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	maxFolders = 1024   // folders of machines
	maxNamed   = 16_384 // names that are read of a folder

	newTime = time.Second // for a new file to be whole
)

// The folders of journals, and the file with the machine's id, which is the name of its folder in them.
var (
	standardRoots = []string{"/var/log/journal", "/run/log/journal"}
	machineIDFile = "/etc/machine-id"
)

// rootsOf returns the folders that journals are searched for in: that of the options; or those of this machine in the standard
// ones; or the standard ones, where the machine's id isn't known, as in a container.
func rootsOf(path string) []string {
	if path != "" {
		return []string{path}
	}
	id, err := os.ReadFile(machineIDFile)
	name := strings.TrimSpace(string(id))
	if err != nil || !isMachineID(name) {
		return standardRoots
	}
	var own []string
	for _, root := range standardRoots {
		dir := filepath.Join(root, name)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			own = append(own, dir)
		}
	}
	if own == nil {
		return standardRoots
	}
	return own
}

// isMachineID reports whether a folder's name is the id of a machine.
func isMachineID(name string) bool {
	return len(name) == 32 && strings.Trim(name, "0123456789abcdef") == ""
}

// isJournal reports whether a file's name is that of a journal, also of one that journald has found damaged.
func isJournal(name string) bool {
	return strings.HasSuffix(name, ".journal") || strings.HasSuffix(name, ".journal~")
}

// scan searches for files. first says that it is the first search.
func (in *Input) scan(first bool) {
	in.folders, in.again = map[string]time.Time{}, false
	for _, s := range in.sources {
		s.seen = false
	}
	complete, some := true, false // all names were seen, and a folder was
	for _, root := range in.roots {
		entries, err := in.list(root)
		if err != nil {
			complete = complete && errors.Is(err, fs.ErrNotExist) && len(in.roots) > 1
			continue
		}
		some = true
		complete = complete && len(entries) < maxNamed
		in.findAll(root, entries, first)
		for _, e := range entries {
			if !isMachineID(e.Name()) || len(in.folders) >= maxFolders {
				continue
			}
			dir := filepath.Join(root, e.Name())
			entries, err := in.list(dir)
			if err != nil {
				complete = complete && errors.Is(err, fs.ErrNotExist)
				continue
			}
			complete = complete && len(entries) < maxNamed
			in.findAll(dir, entries, first)
		}
	}
	if !some && !in.missing {
		in.log.Warn().Strs("folders", in.roots).Msg("no journal that can be read was found in these folders: searching again every few seconds; want the host's /var/log/journal mounted, and the right to read it")
	}
	in.missing = !some
	if complete && some {
		in.forget()
	}
	if first {
		in.fromTail = false
		in.save()
	}
}

// list returns what is in a folder, and notes when it was changed.
func (in *Input) list(dir string) ([]fs.DirEntry, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	in.folders[dir] = info.ModTime()
	entries, err := f.ReadDir(maxNamed)
	if len(entries) == maxNamed {
		in.tooMany()
	}
	if errors.Is(err, io.EOF) || len(entries) > 0 {
		return entries, nil
	}
	return nil, err
}

// foldersChanged reports whether a folder has changed since it was searched.
func (in *Input) foldersChanged() bool {
	for dir, at := range in.folders {
		if info, err := os.Stat(dir); err != nil || !info.ModTime().Equal(at) {
			return true
		}
	}
	return false
}

// findAll takes the journal files of a folder.
func (in *Input) findAll(dir string, entries []fs.DirEntry, first bool) {
	for _, e := range entries {
		if !isJournal(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil {
			continue // it was deleted or renamed
		}
		if id, ok := idOf(info); ok {
			in.find(path, id, info, first)
		}
	}
}

// find takes the file at path, unless it is one that is known.
func (in *Input) find(path string, id fileID, info fs.FileInfo, first bool) {
	if s := in.byFile[id]; s != nil && s.path == path && !s.gone {
		s.seen = true
		return
	}
	f, file, err := in.openJournal(path)
	if err != nil {
		in.noJournal(path, info, err)
		return
	}
	_ = f.Close()
	delete(in.logged, path)
	s := in.sources[file.FileID]
	switch {
	case s != nil && s.isAt(s.path) && s.header.Entries >= file.Entries:
		return // a copy
	case s != nil: // it was renamed, or what was found first is a copy
		in.close(s)
		delete(in.byFile, s.id)
		s.path, s.id, s.seen = path, id, true
		in.byFile[id] = s
		return
	case len(in.sources) >= maxFiles:
		in.tooMany()
		return
	}
	if was := in.byFile[id]; was != nil { // its inode was used again
		was.gone = true
	}
	s = &source{header: file.Header, path: path, id: id, identity: identity(in.id, in.tag, file.FileID), changed: time.Now(), seen: true}
	s.next = key{s.header.HeadSeqnum, s.header.HeadRealtime}
	in.begin(s, first)
	in.sources[file.FileID], in.byFile[id] = s, s
}

func (in *Input) tooMany() {
	if !in.full {
		in.full = true
		in.log.Warn().Int("limit", maxFiles).Msg("there are more journal files than are read: the others are left out")
	}
}

// isAt reports whether s is the file at a path.
func (s *source) isAt(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	id, ok := idOf(info)
	return ok && id == s.id
}

// begin sets where the reading of a new file begins.
func (in *Input) begin(s *source, first bool) {
	kept := false
	if in.positions != nil {
		s.pos, kept = in.positions.get(s.header.FileID)
		s.saved = s.pos
	}
	switch {
	case kept:
	case first && in.fromTail && (in.positions == nil || in.positions.fresh):
		s.pos = s.header.Entries
	}
	if s.pos > 0 && s.pos < s.header.Entries && in.open(s) == nil {
		in.peek(s)
	}
}

// noJournal says that a file can't be read. One that is being made may not be whole yet.
func (in *Input) noJournal(path string, info fs.FileInfo, err error) {
	if errors.Is(err, fs.ErrNotExist) || in.logged[path] || time.Since(info.ModTime()) < newTime {
		return
	}
	if len(in.logged) >= maxFiles {
		clear(in.logged)
	}
	in.logged[path] = true
	in.log.Warn().Str("file", path).Err(err).Msg("this is not a journal file that can be read: it is left out")
}

// forget forgets files that were deleted. One that is open is read to its end first.
func (in *Input) forget() {
	for id, s := range in.sources {
		if s.seen && !s.gone {
			continue
		}
		if s.file != nil && s.unread() || s.pos != s.saved {
			continue // it is read first, and its entries queued
		}
		if left := s.header.Entries - min(s.pos, s.header.Entries); left > 0 && !s.broken {
			in.log.Warn().Str("file", s.path).Uint64("entries", left).Msg("a journal file was deleted before it was read to its end")
		}
		in.close(s)
		delete(in.sources, id)
		if in.byFile[s.id] == s {
			delete(in.byFile, s.id)
		}
	}
}
