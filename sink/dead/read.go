package dead

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/firelane/firelane/record"
)

// An Entry is one line of a dead letter's file.
type Entry struct {
	Time       time.Time       `json:"time"`
	Output     string          `json:"output"`
	Index      string          `json:"index"`
	Status     int             `json:"status"`
	Type       string          `json:"type"`
	Reason     string          `json:"reason"`
	ID         string          `json:"id"`
	Tag        string          `json:"tag"`
	RecordTime time.Time       `json:"record_time"`
	Record     json.RawMessage `json:"record,omitempty"`
	Packed     []byte          `json:"msgpack,omitempty"` // the record, if it is large

	line []byte // as it is in the file
}

// Body returns the record as MessagePack.
func (e *Entry) Body() ([]byte, error) {
	if e.Packed == nil {
		body, err := record.AppendFromJSON(nil, e.Record)
		if err == nil && record.KindOf(body[0]) != record.KindMap {
			err = record.ErrType
		}
		return body, err
	}
	if n, err := record.Check(e.Packed); err != nil || n < len(e.Packed) || record.KindOf(e.Packed[0]) != record.KindMap {
		return nil, errors.New("its MessagePack is not a record")
	}
	return e.Packed, nil
}

// IsLine reports whether Read has read a line for the entry, if only one that isn't an entry.
func (e *Entry) IsLine() bool { return e.line != nil }

// maxEntry is the longest line that is read, in bytes.
const maxEntry = 128 << 20

// Files lists the files of all dead letters in dir, the oldest of each output first. A folder that doesn't exist has none.
// Files that were claimed and not removed are included, each before the unclaimed one of the same name; what isn't a regular file, and
// could keep a reader waiting, isn't.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	type file struct {
		output string
		number int
		name   string
	}
	var found []file
	for _, e := range entries {
		output, rest, ok := strings.Cut(e.Name(), Suffix)
		digits, isRotated := strings.CutPrefix(strings.TrimSuffix(rest, claimed), ".")
		number, err := strconv.Atoi(digits)
		if ok && e.Type().IsRegular() && (isRotated && err == nil && number > 0 || digits == "") {
			found = append(found, file{output, number, e.Name()})
		}
	}
	slices.SortFunc(found, func(a, b file) int {
		return cmp.Or(strings.Compare(a.output, b.output), b.number-a.number, len(b.name)-len(a.name))
	})
	var files []string
	for _, f := range found {
		files = append(files, filepath.Join(dir, f.name))
	}
	return files, nil
}

// claimed is the suffix of files that Claim has renamed.
const claimed = ".claimed"

// Claim renames a file, so that a running router no longer writes to it but starts another one, and returns the new name.
// The caller removes the file when it has processed the records.
func Claim(path string) (string, error) {
	if strings.HasSuffix(path, claimed) {
		return path, nil
	}
	to := path + claimed
	if _, err := os.Stat(to); err == nil {
		return "", fmt.Errorf("%s was left by an earlier claim; resend or remove it first", to)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking %s: %w", path, err)
	}
	return to, os.Rename(path, to)
}

// Read yields the entries of a dead letter's file. For a line that isn't one it yields an error that names the line, with an entry that
// only Rest.Keep takes, and goes on.
func Read(path string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.Close()
		r := bufio.NewReaderSize(f, 64<<10)
		for n := 1; ; n++ {
			line, err := readLine(r)
			if err == io.EOF && len(line) == 0 {
				return
			}
			if err != nil && err != io.EOF {
				yield(Entry{}, fmt.Errorf("%s:%d: %w", path, n, err))
				return
			}
			var e Entry
			if bad := json.Unmarshal(line, &e); bad != nil {
				if !yield(Entry{line: line}, fmt.Errorf("%s:%d: not an entry: %w", path, n, bad)) {
					return
				}
				continue
			}
			e.line = line
			if !yield(e, nil) {
				return
			}
		}
	}
}

// readLine reads up to a newline, or to the end of the file.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err != bufio.ErrBufferFull {
			return line, err
		}
		if len(line) > maxEntry {
			return nil, errors.New("the line is too long")
		}
	}
}
