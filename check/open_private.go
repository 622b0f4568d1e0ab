package check

import (
	"os"
	"path/filepath"

	"github.com/firelane/firelane/config"
)

// Private reports whether a file is one that not everybody may read, outside of the folders of the files that the command line names and
// of the working directory. Somebody whose configuration is checked could include such a file, for its lines to be shown: /etc/shadow,
// ~/.aws/credentials.
func Private(file string, named []string) bool {
	real, err := filepath.EvalSymlinks(absolute(file))
	if err != nil {
		return false
	}
	info, err := os.Stat(real)
	if err != nil || info.Mode().Perm()&0o004 != 0 {
		return false
	}
	for _, folder := range append([]string{"."}, named...) {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			folder = filepath.Dir(folder)
		}
		if folder, err = filepath.EvalSymlinks(absolute(folder)); err != nil {
			continue
		}
		if rel, err := filepath.Rel(folder, real); err == nil && filepath.IsLocal(rel) {
			return false
		}
	}
	return true
}

// WithoutText replaces what is said of lines of private files: it may quote them.
func WithoutText(list []config.Diagnostic, named []string) []config.Diagnostic {
	known := map[string]bool{}
	for i := range list {
		d := &list[i]
		private, ok := known[d.File]
		if !ok {
			private = Private(d.File, named)
			known[d.File] = private
		}
		if private {
			*d = config.Diagnostic{Pos: d.Pos, Code: d.Code, Text: "there is a mistake, which isn't shown: not everybody may read this file, and it is in another folder than the configuration"}
		}
	}
	return list
}
