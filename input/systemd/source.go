package systemd

import (
	"container/list"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/firelane/firelane/input/systemd/journal"
)

// A fileID is a file's device and inode.
type fileID struct{ dev, ino uint64 }

// A source is one file of the journal.
type source struct {
	header   journal.Header // when it was last read
	path     string         // where it is now
	id       fileID
	identity [10]byte

	pos   uint64 // entries that were added
	saved uint64 // entries that the file of positions has, or that need not be saved
	next  key    // of the next entry, where there is one

	f       *os.File      // nil: closed
	file    *journal.File // nil: closed
	element *list.Element // in Input.opened, while it is open

	changed time.Time // when it was last seen to grow
	checked time.Time // when its header was last read
	blocked bool      // it can't be read until it was checked
	failed  bool      // that was logged
	doubt   time.Time // when its next entry was first found damaged, while it is written
	broken  bool      // its next entries can't be found
	seen    bool      // by the search for files
	gone    bool      // it was deleted
}

// A key says where an entry comes among those of other files.
type key struct{ seqnum, realtime uint64 }

// before reports whether the next entry of s comes before that of o. The numbers of files that journald has written one after
// another can be compared; otherwise the times are.
func (s *source) before(o *source) bool {
	if s.header.SeqnumID == o.header.SeqnumID && s.next.seqnum != o.next.seqnum {
		return s.next.seqnum < o.next.seqnum
	}
	return s.next.realtime < o.next.realtime
}

// unread reports whether there is an entry that can be added.
func (s *source) unread() bool { return !s.blocked && !s.broken && s.pos < s.header.Entries }

// over reports whether there will be no more entries.
func (s *source) over() bool { return s.header.Archived && (s.broken || s.pos >= s.header.Entries) }

// idOf returns the device and inode of a file.
func idOf(info fs.FileInfo) (id fileID, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return id, false
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, true //nolint:unconvert // the types differ between systems
}

// openJournal opens the file at path.
func (in *Input) openJournal(path string) (*os.File, *journal.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	file, err := journal.Open(f, &in.decoder)
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, file, nil
}

// open opens s, and closes the file that was used the longest ago, if too many are open.
func (in *Input) open(s *source) error {
	if s.file != nil {
		in.opened.MoveToBack(s.element)
		return nil
	}
	f, file, err := in.openJournal(s.path)
	if err != nil {
		return err
	}
	if file.FileID != s.header.FileID {
		_ = f.Close()
		s.gone, in.again = true, true // another one is there
		return fs.ErrNotExist
	}
	for in.opened.Len() >= maxOpen {
		in.close(in.opened.Front().Value.(*source))
	}
	file.Seek(s.pos)
	s.f, s.file = f, file
	s.element = in.opened.PushBack(s)
	return nil
}

// close closes s.
func (in *Input) close(s *source) {
	if s.file != nil {
		in.opened.Remove(s.element)
		_ = s.f.Close()
		s.f, s.file = nil, nil
	}
}

// check reads the header of s again. It reports whether s has grown.
func (in *Input) check(s *source, now time.Time) (grown bool) {
	s.checked = now
	if s.over() {
		in.close(s)
		return false
	}
	if err := in.open(s); err != nil {
		in.fail(s, err)
		return false
	}
	if _, err := s.file.Refresh(); err != nil {
		in.fail(s, err)
		return false
	}
	s.blocked, s.failed = false, false
	if grown = s.file.Entries > s.header.Entries; grown {
		s.changed, s.broken = now, false
	}
	s.header = s.file.Header
	return grown
}

// fail notes that s can't be read now.
func (in *Input) fail(s *source, err error) {
	s.blocked = true
	in.close(s)
	if !s.failed && !os.IsNotExist(err) { // the search for files notes that
		s.failed = true
		in.log.Warn().Str("file", s.path).Uint64("entries", s.pos).Err(err).Msg("reading a journal file failed: it is tried again")
	}
}
