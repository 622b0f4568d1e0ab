package dead

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// A Rest takes the lines of a claimed file that are not sent again, and in the end replaces that file.
type Rest struct {
	claimed string
	f       *os.File // nil before the first line
	w       *bufio.Writer
}

// restSuffix follows the name of the claimed file, while the lines are written.
const restSuffix = ".rest"

// NewRest makes the rest of a file that Claim has returned. It makes no file before the first line.
func NewRest(claimed string) *Rest { return &Rest{claimed: claimed} }

// Keep takes an entry that Read has yielded, or a line that isn't one.
func (r *Rest) Keep(e *Entry) error {
	if r.f == nil {
		f, err := os.OpenFile(r.claimed+restSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("keeping records that are not sent again: %w", err)
		}
		r.f, r.w = f, bufio.NewWriterSize(f, pieceSize)
	}
	_, err := r.w.Write(e.line)
	if err == nil && !strings.HasSuffix(string(e.line[max(0, len(e.line)-1):]), "\n") {
		err = r.w.WriteByte('\n')
	}
	return err
}

// Discard removes what was kept: the claimed file stays.
func (r *Rest) Discard() {
	if r.f != nil {
		_ = r.f.Close()
		_ = os.Remove(r.claimed + restSuffix)
	}
}

// Finish replaces the claimed file, which becomes the oldest rotated one; if nothing was kept, the claimed file is removed. If it
// ends in the middle, the claimed file has either all lines or those that were kept.
func (r *Rest) Finish() error {
	if r.f == nil {
		return os.Remove(r.claimed)
	}
	if err := errors.Join(r.w.Flush(), r.f.Sync(), r.f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", r.claimed+restSuffix, err)
	}
	if err := os.Rename(r.claimed+restSuffix, r.claimed); err != nil {
		return err
	}
	return unclaim(r.claimed)
}

// unclaim makes a claimed file the oldest rotated one. The lock on the current file keeps a running router from rotating meanwhile.
func unclaim(claimed string) error {
	name, _, _ := strings.Cut(claimed[strings.LastIndexByte(claimed, os.PathSeparator)+1:], Suffix)
	path := claimed[:strings.LastIndexByte(claimed, os.PathSeparator)+1] + name + Suffix
	d := &File{path: path, own: map[uint64]int64{}}
	if err := d.lock(); err != nil {
		return err
	}
	defer d.shut()
	files, err := rotated(path)
	if err != nil {
		return err
	}
	oldest := rotatedFile{number: 1}
	if len(files) > 0 {
		oldest.number = files[0].number + 1
	}
	if d.size == 0 { // made by lock
		err = os.Remove(path)
	}
	return errors.Join(err, os.Rename(claimed, oldest.name(path)))
}
