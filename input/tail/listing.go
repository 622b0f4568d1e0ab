package tail

import (
	"errors"
	"path/filepath"
	"time"
)

const (
	// listTime is how long a list of a folder's files is used to find those that were renamed. Thousands may be renamed or deleted
	// together, and a list of a large folder takes long to make.
	listTime = time.Second
	// maxListed is how many names such lists have together.
	maxListed = 20_000
)

// A listing is the names of the files in a folder.
type listing struct {
	begun time.Time
	names map[fileID]string
}

// errLater is the error of a file that may have another name by now: it is searched for again at the next check.
var errLater = errors.New("the file has been renamed just now")

// open opens f where it is. If it was renamed, it is searched for in its folder.
func (in *Input) open(f *file) (err error) {
	if f.f, err = openAs(f.at, f.id); errors.Is(err, errGone) {
		if f.missed.IsZero() {
			f.missed = time.Now()
		}
		if f.at, err = in.findAgain(f); err == nil {
			switch f.f, err = openAs(f.at, f.id); {
			case errors.Is(err, errGone):
				f.missed, err = time.Now(), errLater // it was renamed once more
			case err == nil && !f.isRenamed():
				f.close()
				err = errGone
			}
		}
	}
	if err == nil {
		f.missed = time.Time{}
	}
	return err
}

// findAgain returns where f is now.
func (in *Input) findAgain(f *file) (at string, err error) {
	dir := filepath.Dir(f.at)
	l, ok := in.lists[dir]
	if !ok || time.Since(l.begun) > listTime {
		l = in.list(dir)
	}
	if name := l.names[f.id]; name != "" {
		return filepath.Join(dir, name), nil
	}
	if l.begun.Sub(f.missed) < listTime {
		return f.at, errLater // a list may lack a file that is renamed meanwhile, too
	}
	return f.at, errGone
}

// list lists a folder.
func (in *Input) list(dir string) listing {
	l := listing{begun: time.Now(), names: filesIn(dir)}
	in.listed += len(l.names) - len(in.lists[dir].names)
	if in.lists == nil || in.listed > maxListed {
		in.lists, in.listed = map[string]listing{}, len(l.names)
	}
	in.lists[dir] = l
	return l
}

// forgetLists frees the memory of lists that are too old.
func (in *Input) forgetLists(now time.Time) {
	for dir, l := range in.lists {
		if now.Sub(l.begun) > listTime {
			in.listed -= len(l.names)
			delete(in.lists, dir)
		}
	}
}
