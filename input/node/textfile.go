package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/firelane/firelane/metric"
	"github.com/firelane/firelane/record"
)

const (
	maxTextFiles = 1000    // files of the collector textfile
	maxTextFile  = 2 << 20 // bytes of one of them
)

// textfile emits the metrics of files in Prometheus's text format, which other programs write. The option is a pattern; of a folder,
// the files whose names end with .prom are read.
func (n *node) textfile() error {
	paths, err := textFiles(n.text)
	bad := false
	for i, path := range paths {
		if i == maxTextFiles {
			err = errors.Join(err, fmt.Errorf("there are more than %d files", maxTextFiles))
			break
		}
		page, oneErr := readTextFile(path)
		if oneErr == nil {
			oneErr = n.page(path, page)
		}
		if oneErr != nil && !errors.Is(oneErr, fs.ErrNotExist) { // it may have been replaced
			bad = true
			err = errors.Join(err, oneErr)
		}
	}
	if bad {
		n.emit(metric.Counter, "node_textfile_node_textfile_scrape_error",
			"Greater equal than 1 if there was an error opening, reading, or parsing a file, 0 otherwise.", 1, "reason", "syntax error")
	}
	return err
}

// page emits the metrics of a file.
func (n *node) page(path string, page []byte) error {
	bad, err := metric.Parse(page, func(s *metric.Sample, at record.Time, timed bool) {
		if !timed {
			at = n.at
		}
		n.addAt(s, at)
	})
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%d lines of %s are skipped: they are not in Prometheus's text format", bad, path))
	}
	return err
}

// textFiles returns the files that a pattern means.
func textFiles(pattern string) (paths []string, err error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("collector.textfile.path: %w", err)
	}
	for _, path := range found {
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.Mode().IsRegular():
			paths = append(paths, path)
		case info.IsDir():
			entries, err := os.ReadDir(path)
			if err != nil {
				return paths, err
			}
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), ".prom") && !strings.HasPrefix(e.Name(), ".") {
					paths = append(paths, filepath.Join(path, e.Name()))
				}
			}
		}
	}
	return paths, nil
}

// readTextFile reads a regular file.
func readTextFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, err // a folder with such a name
	}
	page, err := io.ReadAll(io.LimitReader(f, maxTextFile+1))
	if err == nil && len(page) > maxTextFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxTextFile)
	}
	return page, err
}
