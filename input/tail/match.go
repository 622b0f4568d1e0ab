package tail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/pattern"
)

// maxNames is how many names of a folder are in memory at once.
const maxNames = 10_000

// cleaned are patterns without /./ and //: paths of files, which are compared with them, have none. One with /../ stays as it is: what
// that leads to depends on symbolic links. [!a] is [^a], as in both dialects.
func cleaned(patterns []string) (list []string) {
	for _, p := range patterns {
		if p != "" && !slices.Contains(strings.Split(p, "/"), "..") {
			p = filepath.Clean(p)
		}
		list = append(list, strings.ReplaceAll(p, "[!", "[^"))
	}
	return list
}

// each calls see for each file that matches any of path and is not excluded, until see returns false. One that matches several may come
// several times.
func (in *Input) each(see func(path string) bool) {
	for _, p := range in.opts.Path {
		if !glob("", p, func(path string) bool { return in.excludes(path) || see(path) }) {
			return
		}
	}
}

// glob calls see for each path that begins with base, and goes on as the pattern says, until see returns false. It is filepath.Glob
// without hidden names, and without all names of a folder in memory: maxNames of them are read at once, and sorted.
func glob(base, pattern string, see func(path string) bool) (more bool) {
	for {
		part, rest, isFolder := strings.Cut(pattern, "/")
		if strings.ContainsAny(part, `*?[\`) {
			return globIn(base, part, rest, isFolder, see)
		}
		base += part
		if !isFolder {
			_, err := os.Lstat(base)
			return err != nil || see(base)
		}
		base, pattern = base+"/", rest
	}
}

// globIn is glob for a pattern that begins with a name with wildcards, in the folder base.
func globIn(base, name, rest string, isFolder bool, see func(path string) bool) (more bool) {
	f := openFolder(base)
	if f == nil {
		return true
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(maxNames)
		slices.Sort(names)
		for _, n := range names {
			switch {
			case !matches(name, n) || isHidden(name, n):
			case isFolder && !glob(base+n+"/", rest, see), !isFolder && !see(base+n):
				return false
			}
		}
		if err != nil {
			return true
		}
	}
}

// openFolder opens a folder; nil if there is none.
func openFolder(path string) *os.File {
	if path == "" {
		path = "."
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	return f
}

// wants reports whether the file at path is one that is followed.
func (in *Input) wants(path string) bool {
	return slices.ContainsFunc(in.opts.Path, func(p string) bool { return matches(p, path) && !isHidden(p, path) }) && !in.excludes(path)
}

// excludes reports whether exclude_path leaves the file out. In Fluent Bit, * matches slashes, too, and a dot at a name's beginning.
func (in *Input) excludes(path string) bool {
	name, flat := filepath.Base(path), noFolders.Replace(path)
	return slices.ContainsFunc(in.opts.Exclude, func(p string) bool {
		return matches(p, path) || matches(p, name) || in.liner.dialect == config.FluentBit && matches(noFolders.Replace(p), flat)
	})
}

// noFolders makes a path one name.
var noFolders = strings.NewReplacer("/", "\x00")

func matches(pattern, path string) bool {
	ok, err := filepath.Match(pattern, path)
	return ok && err == nil
}

// isHidden reports whether path, which matches pattern, has a name that begins with a dot where the pattern doesn't: a wildcard
// doesn't match such a dot, as in shells.
func isHidden(pattern, path string) bool {
	names, parts := strings.Split(path, "/"), strings.Split(pattern, "/")
	for n := range min(len(names), len(parts)) {
		if strings.HasPrefix(names[n], ".") && !strings.HasPrefix(strings.TrimPrefix(parts[n], `\`), ".") {
			return true
		}
	}
	return false
}

// A tagger makes the tags of files.
type tagger struct {
	tag     string
	dialect config.Dialect
	regex   *pattern.Capture // nil: none
}

// dotted replaces what Fluent Bit replaces in the tag of a path. It is made once, since making it takes longer than using it.
var dotted = strings.NewReplacer("/", ".", `\`, ".", ":", ".", "*", "")

// newTagger makes a tagger. As in Fluent Bit, a tag_regex that isn't a pattern has no effect; err says what is wrong with it.
func newTagger(o *Options, d config.Dialect, id string) (t tagger, err error) {
	t.dialect = d
	if t.tag = o.Tag; t.tag == "" {
		t.tag = id
	}
	if o.TagRegex != "" {
		t.regex, err = pattern.CompileFluentBitCapture(o.TagRegex, nil)
	}
	return t, err
}

// tagFor makes the tag of the file at path. ok is false if the path doesn't match tag_regex: then Fluent Bit doesn't read the file.
func (t *tagger) tagFor(path string) (made []byte, ok bool) {
	tag := t.tag
	if t.regex != nil && strings.ContainsAny(tag, "<*") {
		groups, ok := t.regex.Groups(nil, []byte(path))
		if !ok {
			return nil, false
		}
		tag = withGroups(tag, groups)
	}
	before, after, ok := strings.Cut(tag, "*")
	switch {
	case !ok:
	case t.dialect == config.Fluentd:
		tag = before + strings.TrimPrefix(squeezed(strings.ReplaceAll(path, "/", ".")), ".") + after
	default:
		tag = strings.TrimLeft(before+path+after, `/\:`)
		tag = squeezed(dotted.Replace(tag))
		tag = strings.TrimSuffix(tag, ".")
	}
	return []byte(tag), true
}

// withGroups puts the groups of tag_regex into a tag, _ for one that has no match.
func withGroups(tag string, groups []pattern.Group) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(tag, "<")
		name, after, closed := strings.Cut(rest, ">")
		b.WriteString(before)
		if !ok || !closed {
			b.WriteString(tag[len(before):])
			return b.String()
		}
		value := "_"
		for _, g := range groups {
			if g.Name == name {
				value = string(g.Text)
			}
		}
		b.WriteString(value)
		tag = after
	}
}

// squeezed is a tag with one dot in place of several.
func squeezed(tag string) string {
	for strings.Contains(tag, "..") {
		tag = strings.ReplaceAll(tag, "..", ".")
	}
	return tag
}
