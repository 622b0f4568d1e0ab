package tail

import (
	"path/filepath"
	"time"
)

// maxChanged is how many names of changed files are kept until the loop reads them; if there are more, it checks all files.
const maxChanged = 10_000

// A change is a name in a watched folder whose file has changed.
type change struct {
	folder, name string
	created      bool // or renamed, or deleted
}

// A watcher tells what changes in folders. Its zero value tells nothing.
type watcher struct {
	*notifier           // nil: nothing is watched
	rescan    time.Time // when to search for new files; zero: nothing has told of any
}

func (w *watcher) works() bool { return w.notifier != nil && w.notifier.works() }

// changes checks the files that have changed. lost says that changes were lost: all files have to be checked.
func (in *Input) changes(now time.Time) (lost bool) {
	if in.watch.notifier == nil {
		return false
	}
	list, lost := in.watch.take()
	for c := range list {
		path := filepath.Join(c.folder, c.name)
		f := in.byPath[path]
		if f == nil {
			f = in.byReal(path)
		}
		switch {
		case f == nil && c.created && in.wants(path):
			if id, info, err := stat(path); err == nil {
				in.liner.now = now
				in.found(path, id, info, false)
				in.rescanSoon(now) // it may be a link to another folder
			}
		case f == nil:
		case c.created:
			in.look(f, now)
			in.rescanSoon(now)
		default:
			in.markReady(f)
		}
	}
	if lost {
		in.rescanSoon(now)
	}
	return lost
}

// watchFolders watches the folders of files. One that it didn't watch may have got more since the search.
func (in *Input) watchFolders() {
	if in.watch.update(in.folders()) {
		in.rescanSoon(time.Now())
	}
}

func (in *Input) rescanSoon(now time.Time) {
	if in.watch.rescan.IsZero() {
		in.watch.rescan = now.Add(max(rescanTime, 10*in.took)) // in a large folder it takes long
	}
}

// byReal returns the file whose path is a symbolic link to this one, nil for none.
func (in *Input) byReal(real string) *file { return in.byPath[in.watch.links[real]] }
