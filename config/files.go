package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Limits on what is read. They are far above any real configuration; maxFiles is Fluent Bit's own.
const (
	maxFileSize     = 4 << 20 // bytes of one file
	maxFiles        = 1000    // files of one configuration; a file that is included twice counts twice
	maxIncludeDepth = 32      // nesting of included files
)

// A file is one configuration file.
type file struct {
	name   string // as in diagnostics
	text   string
	parent *file // the file that includes it; nil for the main file
	depth  int
}

// pos is a place in f.
func (f *file) pos(line int) Pos { return Pos{f.name, line} }

// A loader reads files and remembers their names.
type loader struct {
	main  string
	files map[string]string // Compiler.Files
	again bool              // the same file may be included again, as in Fluentd
	ruby  bool              // names are Ruby's patterns, and may be folders
	names []string          // every file that was read, in order
	seen  map[string]Pos
	globber
}

// open reads the file called name, which from includes at at. If it doesn't exist on disk, the built-in file of that name is
// used.
func (l *loader) open(name string, from *file, at Pos) (*file, error) {
	f := &file{name: name, parent: from}
	if from != nil {
		f.depth = from.depth + 1
		if f.depth > maxIncludeDepth {
			return nil, fmt.Errorf("includes are nested more than %d deep", maxIncludeDepth)
		}
	}
	key := absolute(name)
	for up := from; up != nil; up = up.parent {
		if absolute(up.name) == key {
			return nil, fmt.Errorf("%s includes itself, directly or through other files", name)
		}
	}
	if first, ok := l.seen[key]; ok && !l.again {
		where := fmt.Sprintf("%s:%d", first.File, first.Line)
		switch {
		case first.File == "":
			return nil, fmt.Errorf("%s is the main file; want another one", name)
		case first.Line == 0: // of a variable or the command line
			where = first.File
		}
		return nil, fmt.Errorf("%s is included twice, first in %s", name, where)
	}
	if len(l.names) >= maxFiles {
		return nil, fmt.Errorf("the configuration has more than %d files", maxFiles)
	}
	text, err := l.text(name, from != nil || at != Pos{})
	if err != nil {
		return nil, err
	}
	if l.seen == nil {
		l.seen = map[string]Pos{}
	}
	l.seen[key] = at
	l.names = append(l.names, name)
	f.text = text
	return f, nil
}

// resolve turns the value of an include into the names of files. A name without wildcards is one file, which may not exist; a
// pattern is all files that match, sorted. Relative names are relative to the folder of the file that includes them, or
// otherwise (as in Fluent Bit) to the folder of the main file.
func (l *loader) resolve(name string, from *file) ([]string, error) {
	pattern := strings.ContainsAny(name, "*?[") || l.ruby && strings.Contains(name, "{")
	candidates := l.candidates(name, from)
	for _, c := range candidates {
		if !pattern {
			switch {
			case l.ruby && isFolder(c):
				return l.filesIn(c, false)
			case l.exists(c):
				return []string{c}, nil
			}
			continue
		}
		found, err := l.glob(c)
		if err != nil {
			return nil, err
		}
		found = append(found, globBuiltIn(c, found)...)
		if len(found) > 0 {
			sort.Strings(found)
			return found, nil
		}
	}
	if pattern {
		return nil, nil
	}
	return candidates[:1], nil
}

// glob lists the files that match a pattern.
func (l *loader) glob(pattern string) ([]string, error) {
	if l.ruby {
		return l.rubyGlob(pattern)
	}
	return l.globber.glob(pattern)
}

// candidates are the paths that a name may mean, in the order in which they are tried.
func (l *loader) candidates(name string, from *file) []string {
	if filepath.IsAbs(name) {
		return []string{name}
	}
	list := []string{filepath.Join(filepath.Dir(from.name), name)}
	if main := filepath.Join(filepath.Dir(l.main), name); main != list[0] {
		list = append(list, main)
	}
	return append(list, name) // in the working directory
}

// readFile reads a file on disk, or otherwise the built-in one of that name. Its errors name the file. The main file may be
// a pipe; an included one must be a regular file, since opening anything else may block for ever.
func readFile(name string, included bool) (string, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if text, ok := BuiltIn(name); ok {
			return text, nil
		}
		return "", fmt.Errorf("%s does not exist", name)
	case err != nil:
		return "", fmt.Errorf("%s can't be read: %s", name, cause(err))
	case info.IsDir():
		return "", fmt.Errorf("%s is a folder, not a file", name)
	case included && !ordinary(name, info):
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("%s can't be read: %s", name, cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return "", fmt.Errorf("%s can't be read: %s", name, cause(err))
	}
	if len(data) > maxFileSize {
		return "", fmt.Errorf("%s is larger than %d MiB", name, maxFileSize>>20)
	}
	return strings.TrimPrefix(string(data), "\ufeff"), nil
}

// ordinary reports whether a file is one whose reading ends. Those of /proc say that they are regular, and some wait for what comes; and
// with them a message would show the environment of a process.
func ordinary(name string, info fs.FileInfo) bool {
	return info.Mode().IsRegular() && !strings.HasPrefix(absolute(name), "/proc/")
}

// ReadFile reads a file that an option names, such as a certificate: at most 4 MiB. A pipe or a device is an error, since reading it may
// block or never end.
func ReadFile(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && !info.IsDir() && !ordinary(name, info) {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(data) > maxFileSize {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxFileSize>>20)
	}
	return data, err
}

// cause is the text of err without the operation and the path, which the caller names.
func cause(err error) string {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// absolute returns the same path for all names of one file.
func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	return name
}

// text returns the text of the file in memory of that name, or else of the one on disk.
func (l *loader) text(name string, included bool) (string, error) {
	if text, ok := l.files[name]; ok {
		return text, nil
	}
	return readFile(name, included)
}

func (l *loader) exists(name string) bool {
	if _, ok := l.files[name]; ok {
		return true
	}
	if _, err := os.Stat(name); err == nil {
		return true
	}
	_, ok := BuiltIn(name)
	return ok
}
