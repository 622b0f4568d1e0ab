package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of patterns for file names.
const (
	maxGlobFiles    = 2_000   // files and folders that a ** of Ruby's looks at
	maxGlobPatterns = 100     // patterns that the {a,b} of one of Ruby's stand for
	maxGlobNames    = 100_000 // names that all patterns of a configuration are compared with: links in folders may lead back, as in /proc
)

// A globber finds the files of patterns.
type globber struct {
	names int // that patterns were compared with
}

// glob is filepath.Glob with a limit.
func (g *globber) glob(pattern string) (found []string, err error) {
	folder, last := filepath.Split(pattern)
	if _, err := filepath.Match(last, ""); err != nil {
		return nil, fmt.Errorf("%q is not a pattern for file names", pattern)
	}
	folders := []string{filepath.Clean(folder)} // of "" it is "."
	if isPattern(folder) {
		if folders, err = g.glob(filepath.Clean(folder)); err != nil {
			return nil, err
		}
	}
	for _, name := range folders {
		list := []string{last}
		if isPattern(last) {
			list = g.namesIn(name)
		}
		if g.names += len(list); g.names > maxGlobNames {
			return nil, fmt.Errorf("%q looks at too many files: more than %d by all patterns together; want fewer wildcards", pattern, maxGlobNames)
		}
		for _, n := range list {
			path := filepath.Join(name, n)
			if folder == "" {
				path = n
			}
			if ok, _ := filepath.Match(last, n); isPattern(last) && ok {
				found = append(found, path)
			} else if _, err := os.Lstat(path); !isPattern(last) && err == nil {
				found = append(found, path)
			}
		}
	}
	return found, nil
}

func isPattern(name string) bool { return strings.ContainsAny(name, `*?[\`) }

// namesIn lists the names in a folder, one more than the limit at most.
func (g *globber) namesIn(folder string) []string {
	if !isFolder(folder) { // a pipe would wait
		return nil
	}
	f, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.Readdirnames(maxGlobNames - g.names + 1)
	return sorted(list)
}

// configSuffixes are those of the files in a folder that Fluentd includes.
var configSuffixes = []string{".conf", ".yaml", ".yml"}

// rubyGlob lists the files that match one of Ruby's patterns, which has {a,b} and **/ besides what Glob has. A folder stands for
// the configuration files in it.
func (g *globber) rubyGlob(pattern string) (found []string, err error) {
	patterns, err := expandBraces(pattern)
	if err != nil {
		return nil, err
	}
	looked := 0
	for _, p := range patterns {
		list, err := g.globDeep(p, &looked)
		if err != nil {
			return nil, err
		}
		found = append(found, list...)
	}
	found = slices.DeleteFunc(slices.Compact(sorted(found)), isFolder)
	return found, nil
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// expandBraces returns the patterns that the {a,b} of one stand for.
func expandBraces(pattern string) ([]string, error) {
	list := []string{pattern}
	for i := 0; i < len(list); {
		open := strings.IndexByte(list[i], '{')
		end := -1
		if open >= 0 {
			end = strings.IndexByte(list[i][open:], '}')
		}
		if end < 0 {
			i++
			continue
		}
		before, inner, after := list[i][:open], list[i][open+1:open+end], list[i][open+end+1:]
		var parts []string
		for part := range strings.SplitSeq(inner, ",") {
			parts = append(parts, before+part+after)
		}
		list = slices.Replace(list, i, i+1, parts...)
		if len(list) > maxGlobPatterns {
			return nil, fmt.Errorf("%q stands for more than %d patterns", pattern, maxGlobPatterns)
		}
	}
	return list, nil
}

// globDeep is Glob with **/ for any number of folders, except for hidden ones.
func (g *globber) globDeep(pattern string, looked *int) (found []string, err error) {
	before, after, deep := strings.Cut(pattern, "**/")
	if !deep {
		return g.glob(pattern)
	}
	after = strings.TrimPrefix(after, "**/")
	roots, err := g.glob(filepath.Clean(before + "."))
	if err != nil {
		return nil, err
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if *looked++; *looked > maxGlobFiles {
				return fmt.Errorf("%q looks at more than %d files; want a folder with fewer", pattern, maxGlobFiles)
			}
			switch {
			case err != nil || !d.IsDir(): // what can't be read has no files
				return nil
			case name != root && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			}
			list, err := g.globDeep(filepath.Join(name, after), looked)
			found = append(found, list...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// filesIn lists the configuration files in a folder, and in those inside of it if deep.
func (g *globber) filesIn(folder string, deep bool) ([]string, error) {
	pattern := filepath.Join(folder, "*")
	if deep {
		pattern = filepath.Join(folder, "**", "*")
	}
	found, err := g.rubyGlob(pattern)
	return slices.DeleteFunc(found, func(name string) bool { return !slices.Contains(configSuffixes, filepath.Ext(name)) }), err
}
