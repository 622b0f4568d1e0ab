package check

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
	"github.com/firelane/firelane/router"
)

// Limits of what is opened.
const (
	// MaxOpenSize is the largest file, in bytes. A plan of Terraform may have tens of MiB.
	MaxOpenSize = 256 << 20
	// maxFolderFiles is how many files of a folder, and the folders in it, are read.
	maxFolderFiles = 20_000
	// maxFolderSize is how many bytes they may have.
	maxFolderSize = 1 << 30
	// maxFolderDepth is how deep folders may be nested.
	maxFolderDepth = 32
	// maxPlugins is how many inputs, filters and outputs a configuration may have: which of them meet takes the square of their number.
	maxPlugins = 5000
	// maxSubjects is how many log routers are checked at once.
	maxSubjects = 2000
)

// Options are how files are opened.
type Options struct {
	// ConfigFiles are local copies of files in the router's container: FILE, or PATH=FILE with the path in the container or the ARN.
	ConfigFiles []string
	Stdin       []byte // of the path -
	Version     string // firelane's
	Now         time.Time
	// Compile compiles a file that is a configuration. nil: with the variables of this process.
	Compile func(file string) (*config.Plan, []config.Diagnostic, error)
	// Start tells what a command of the router's container starts; nil: every command starts the router as without one.
	Start func(words []string, task *taskdef.Rendered) Start
}

// A Start is what the entry point and the command of a router's container come to.
type Start struct {
	File   string            // the configuration file; "": that of the agent
	Before []config.Extra    // what is read before it
	After  []config.Extra    // what is read after it
	Files  map[string]string // files in memory
	NoInit bool              // the init image's variables aren't read
	Wrong  string            // why the router doesn't start; "" if it does
	Notes  []string
}

// Open reads configurations and task definitions, and compiles the configuration of each log router. A path is a file, a folder or
// - for standard input. The content of a file says what it is. The diagnostics are about files that can't be read.
func Open(paths []string, o Options) ([]*Subject, []config.Diagnostic) {
	k := &opener{Options: o, copies: newCopies(o.ConfigFiles)}
	k.named = append(k.copies.files(), paths...)
	k.wrong = append(k.wrong, k.copies.wrong...)
	for _, path := range paths {
		k.open(path)
	}
	k.dropIncluded()
	k.wrong = append(k.wrong, k.copies.unused(len(k.subjects) > 0)...)
	return k.subjects, k.wrong
}

// An opener is one call of Open.
type opener struct {
	Options
	copies   *copies
	named    []string // files and folders of the command line
	subjects []*Subject
	wrong    []config.Diagnostic
	found    map[*Subject]bool // configurations that were found in a folder
	full     bool
}

func (k *opener) fail(file, format string, args ...any) {
	k.wrong = append(k.wrong, config.Diagnostic{Pos: config.Pos{File: file}, Text: fmt.Sprintf(format, args...)})
}

// open opens one path of the command line.
func (k *opener) open(path string) {
	if path == "-" {
		if len(k.Stdin) > MaxOpenSize {
			k.fail("stdin", "is larger than %d MiB", MaxOpenSize>>20)
			return
		}
		k.stdin(k.Stdin)
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil && builtIn(path):
		k.configuration(path, path, nil, true)
	case err != nil:
		k.fail(path, "can't be read: %v", cause(err))
	case info.IsDir():
		k.folder(path)
	default:
		data, err := readFile(path)
		if err != nil {
			k.fail(path, "can't be read: %v", cause(err))
			return
		}
		k.file(path, data, true)
	}
}

func builtIn(path string) bool {
	_, ok := config.BuiltIn(path)
	return ok
}

// cause returns an error without the path, which the message has already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxOpenSize {
		return nil, fmt.Errorf("it is larger than %d MiB", MaxOpenSize>>20)
	}
	if info.Mode().IsRegular() {
		return os.ReadFile(path)
	}
	if info.Mode()&fs.ModeDevice != 0 {
		return nil, errors.New("it is a device")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f)
}

// read reads at most MaxOpenSize bytes.
func read(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxOpenSize+1))
	if err == nil && len(data) > MaxOpenSize {
		err = fmt.Errorf("it is larger than %d MiB", MaxOpenSize>>20)
	}
	return data, err
}

// stdin opens what standard input has.
func (k *opener) stdin(data []byte) {
	const name = "stdin"
	list, problems, err := taskdef.Read(name, data)
	var none *taskdef.NoneError
	if errors.As(err, &none) && none.Other && len(data) > 0 && (data[0] != '{' || isConfigurationInJSON(data)) {
		k.configuration(name, name, map[string]string{name: string(data)}, true)
		return
	}
	k.definitions(name, list, problems, err, true)
}

// file opens a file. named is false for one of a folder, which may be anything.
func (k *opener) file(path string, data []byte, named bool) {
	if !named && !interesting(path, data) {
		return
	}
	list, problems, err := taskdef.Read(path, data)
	var none *taskdef.NoneError
	if errors.As(err, &none) && none.Other && (!named || len(data) == 0 || data[0] != '{' || isConfigurationInJSON(data)) {
		if named || looksLikeConfiguration(data) {
			k.configuration(path, path, nil, named)
		}
		return
	}
	k.definitions(path, list, problems, err, named)
}

// isConfigurationInJSON reports whether a text is a router's configuration in YAML that is JSON, by its sections.
func isConfigurationInJSON(data []byte) bool {
	var top map[string]json.RawMessage
	if json.Unmarshal(data, &top) != nil {
		return false
	}
	for key := range top {
		if slices.Contains([]string{"pipeline", "service", "includes", "config", "system"}, strings.ToLower(key)) {
			return true
		}
	}
	return false
}

// interesting reports whether a file of a folder may be one to check.
func interesting(path string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		return taskdef.Mentions(data)
	case ".yml", ".yaml":
		return taskdef.Mentions(data) || looksLikeConfiguration(data)
	case ".conf":
		return looksLikeConfiguration(data) || taskdef.Mentions(data)
	}
	return false
}

// looksLikeConfiguration reports whether a text has inputs or outputs of a router in any of the syntaxes.
func looksLikeConfiguration(data []byte) bool {
	for line := range strings.Lines(string(data[:min(len(data), 1<<20)])) {
		line = strings.ToUpper(strings.TrimSpace(line))
		for _, begin := range []string{"[INPUT]", "[OUTPUT]", "[FILTER]", "<SOURCE>", "<MATCH", "<FILTER", "PIPELINE:"} {
			if rest, ok := strings.CutPrefix(line, begin); ok && (strings.HasSuffix(begin, "]") || strings.HasSuffix(begin, ">") || rest == "" || rest[0] == ' ' || rest[0] == '>') {
				return true
			}
		}
	}
	return false
}

// folder opens the files of a folder, and of those in it.
func (k *opener) folder(root string) {
	before, looked, size := len(k.subjects)+len(k.wrong), 0, 0
	start := root
	if info, err := os.Lstat(root); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		start += string(filepath.Separator) // WalkDir doesn't follow a link
	}
	err := filepath.WalkDir(start, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // one that can't be read
		}
		if d.IsDir() {
			depth := strings.Count(strings.TrimPrefix(path, root), string(filepath.Separator))
			if path != root && strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || depth > maxFolderDepth {
				return fs.SkipDir
			}
			return nil
		}
		if looked++; looked > maxFolderFiles {
			return fmt.Errorf("has more than %d files; want a folder with fewer, or the files themselves", maxFolderFiles)
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".json", ".yml", ".yaml", ".conf":
		default:
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if data, err := readFile(path); err == nil {
			if size += len(data); size > maxFolderSize {
				return fmt.Errorf("has more than %d MiB of such files; want a folder with fewer, or the files themselves", maxFolderSize>>20)
			}
			k.file(path, data, false)
		}
		return nil
	})
	switch {
	case err != nil:
		k.fail(root, "%v", err)
	case len(k.subjects)+len(k.wrong) == before:
		k.fail(root, "has no task definition, Terraform plan, CloudFormation template or configuration (*.json, *.yml, *.yaml, *.conf)")
	}
}

// add adds a subject.
func (k *opener) add(s *Subject) {
	if len(k.subjects) >= maxSubjects {
		if !k.full {
			k.fail(s.Name, "is left out, with those after it: more than %d log routers", maxSubjects)
		}
		k.full = true
		return
	}
	s.Now = k.Now
	k.subjects = append(k.subjects, s)
}

// configuration adds a configuration file.
func (k *opener) configuration(name, file string, files map[string]string, named bool) {
	compile := k.Compile
	if compile == nil || files != nil {
		compile = func(file string) (*config.Plan, []config.Diagnostic, error) {
			c := config.Compiler{Catalogue: router.Catalogue(), Lookup: os.LookupEnv, Files: files, KeepGiven: true}
			plan, errs := c.Compile(file)
			return plan, errs, nil
		}
	}
	plan, errs, err := compile(file)
	if err != nil {
		k.fail(file, "%v", err)
		return
	}
	if len(errs) == 0 {
		if n := plugins(plan); n > maxPlugins {
			k.tooMany(name, n)
			return
		}
		errs = k.build(plan)
	}
	plan.Warnings = WithoutText(plan.Warnings, k.named)
	s := &Subject{Name: name, Plan: plan, Errors: WithoutText(errs, k.named)}
	k.add(s)
	if !named {
		if k.found == nil {
			k.found = map[*Subject]bool{}
		}
		k.found[s] = true
	}
}

// plugins is how many inputs, filters and outputs a configuration has.
func plugins(plan *config.Plan) int { return len(plan.Inputs) + len(plan.Filters) + len(plan.Outputs) }

// tooMany tells that a configuration has more plugins than are checked. The router may start with it.
func (k *opener) tooMany(name string, n int) {
	k.fail(name, "is not checked: it has %s inputs, filters and outputs, and firelane check takes at most %s. The router has no such limit", grouped(n), grouped(maxPlugins))
}

// build makes the parts of a router, for the mistakes that only they see.
func (k *opener) build(plan *config.Plan) []config.Diagnostic {
	_, errs := router.New(plan, router.Env{Log: zerolog.Nop(), Version: cmp.Or(k.Version, "dev"), Dry: true})
	return errs
}

// dropIncluded drops configurations of a folder that are part of another one: what it includes, and local copies.
func (k *opener) dropIncluded() {
	if len(k.found) == 0 {
		return
	}
	part := map[string]bool{}
	for _, s := range k.subjects {
		if s.Plan != nil && len(s.Plan.Files) > 1 {
			for _, f := range s.Plan.Files[1:] {
				part[absolute(f)] = true
			}
		}
	}
	for _, f := range k.copies.files() {
		part[absolute(f)] = true
	}
	kept := k.subjects[:0]
	for _, s := range k.subjects {
		if !k.found[s] || !part[absolute(s.Name)] {
			kept = append(kept, s)
		}
	}
	k.subjects = kept
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
