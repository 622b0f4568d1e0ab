package check

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

// maxCopies is how many local copies of configuration files there may be.
const maxCopies = 100

// A wantedFile is a file in the container that a configuration reads.
type wantedFile struct {
	path        string // in the container
	source      string // what the task definition names: the path, or the ARN of an object
	at          taskdef.Place
	unknown     bool
	missing     func() // what is to be done without a local copy
	consequence string
}

// A copies are the local copies that --config-file names.
type copies struct {
	list  []*localCopy
	wrong []config.Diagnostic
}

// A localCopy is one of them.
type localCopy struct {
	path string // in the container, or the ARN; "" if the command line doesn't say
	file string
	text string
	used bool
}

// newCopies reads the local copies.
func newCopies(args []string) *copies {
	c := &copies{}
	if len(args) > maxCopies {
		c.wrong = append(c.wrong, config.Diagnostic{Pos: config.Pos{File: "--config-file"}, Text: "is there more than 100 times"})
		return c
	}
	for _, arg := range args {
		l := &localCopy{file: arg}
		if p, file, ok := strings.Cut(arg, "="); ok && (strings.HasPrefix(p, "/") || strings.HasPrefix(p, "arn:")) {
			l.path, l.file = p, file
		}
		info, err := os.Stat(l.file)
		if err == nil && info.Size() > maxCopySize {
			c.wrong = append(c.wrong, config.Diagnostic{Pos: config.Pos{File: l.file}, Text: "is larger than 4 MiB, the limit of a configuration file"})
			continue
		}
		data, err := readFile(l.file)
		if err == nil && len(data) > maxCopySize { // a pipe or a device has no size
			err = errors.New("it is larger than 4 MiB")
		}
		if err != nil {
			c.wrong = append(c.wrong, config.Diagnostic{Pos: config.Pos{File: l.file}, Text: "can't be read: " + cause(err).Error()})
			continue
		}
		l.text = string(data)
		c.list = append(c.list, l)
	}
	return c
}

// maxCopySize is the largest local copy, in bytes.
const maxCopySize = 4 << 20

// match finds the copies of files: by the path in the container, by the name without its folder, and otherwise the only copy for the
// only file. It returns their text by the path in the container, and the names of the copies. A copy whose path nothing wants is among
// them, for what the files include.
func (c *copies) match(wanted []wantedFile) (text, local map[string]string) {
	text, local = map[string]string{}, map[string]string{}
	take := func(p string, l *localCopy) {
		text[p], local[p], l.used = l.text, l.file, true
	}
	taken := map[*localCopy]bool{}
	for _, l := range c.list {
		if strings.HasPrefix(l.path, "/") {
			take(l.path, l)
			taken[l] = true
		}
	}
	find := func(fits func(w wantedFile, l *localCopy) bool) {
		for _, w := range wanted {
			for _, l := range c.list {
				if _, done := text[w.path]; !done && !taken[l] && fits(w, l) {
					take(w.path, l)
					taken[l] = true
				}
			}
		}
	}
	find(func(w wantedFile, l *localCopy) bool { return l.path != "" && l.path == w.source })
	find(func(w wantedFile, l *localCopy) bool {
		return l.path == "" && filepath.Base(l.file) == path.Base(w.source)
	})
	if len(wanted) == 1 && len(c.list) == 1 {
		find(func(_ wantedFile, l *localCopy) bool { return l.path == "" })
	}
	return text, local
}

// unused reports copies that no task definition wanted.
func (c *copies) unused(anything bool) (list []config.Diagnostic) {
	for _, l := range c.list {
		if !l.used && anything {
			list = append(list, config.Diagnostic{Pos: config.Pos{File: l.file}, Text: "no log router has a configuration file of this name; want --config-file PATH=FILE, with the path in the container"})
		}
	}
	return list
}

// files are the names of all copies.
func (c *copies) files() (list []string) {
	for _, l := range c.list {
		list = append(list, l.file)
	}
	return list
}
