package check

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/firelane/firelane/config"
)

// Private reports whether a file is one that not everybody may read, outside of the folders of the files that the command line names and
// of the working directory. Somebody whose configuration is checked could include such a file, for its lines to be shown: /etc/shadow,
// ~/.aws/credentials. A file that can't be inspected is private.
func Private(file string, named []string) bool {
	real, err := filepath.EvalSymlinks(absolute(file))
	if err != nil {
		return !isNoFile(err)
	}
	for _, name := range append([]string{"."}, named...) {
		folder, own := name, ""
		if info, err := os.Stat(name); err != nil || !info.IsDir() {
			folder, own = filepath.Dir(name), filepath.Base(name)
		}
		if folder, err = filepath.EvalSymlinks(absolute(folder)); err != nil {
			continue
		}
		if own != "" && real == filepath.Join(folder, own) {
			return false // it is named itself, and not by a link
		}
		if isBelow(real, folder) && (!isWide(folder) || isPublic(real, folder)) {
			return false
		}
	}
	return !isPublic(real, "/")
}

// isNoFile reports whether an error says that there is no file: what is checked also has names in place of files, such as stdin.
func isNoFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL)
}

// isBelow reports whether a path is a folder, or in it.
func isBelow(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}

// isWide reports whether a folder has more than a project: it is the root, the home folder, or one above that.
func isWide(folder string) bool {
	home, err := os.UserHomeDir()
	if err == nil {
		home, err = filepath.EvalSymlinks(home)
	}
	return folder == "/" || err == nil && isBelow(home, folder)
}

// isPublic reports whether everybody who may use a folder may read a file in it, by the modes of the file and of the folders between.
func isPublic(file, folder string) bool {
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return false
	}
	for dir := filepath.Dir(file); dir != folder && dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o001 == 0 {
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
