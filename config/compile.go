package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"time"
)

// A Compiler turns configuration files into plans.
type Compiler struct {
	Catalogue []Plugin
	// Lookup returns environment variables, as os.LookupEnv does.
	Lookup func(name string) (value string, ok bool)
	// KeepGiven fills in each Instance.Given. It is for tools: a router doesn't need them.
	KeepGiven bool
	// Hostname is the value of Fluentd's Socket.gethostname, and of Fluent Bit's HOSTNAME unless Lookup has it; "" for the machine's own.
	Hostname string

	// Files are files in memory, by name. They take precedence over those on disk.
	Files map[string]string
	// Before and After are files that are read as if the main one included them in its first and last line. They are of Fluent
	// Bit's dialect; a main file of Fluentd's has none.
	Before, After []Extra
	// Grace is the option grace where the configuration doesn't have it; 0: the option's own default.
	Grace time.Duration
}

// An Extra is a file that something other than a file names: the command line, or a variable.
type Extra struct {
	Name string
	From string // for messages: "-R", "aws_fluent_bit_init_s3_1"
}

// Compile reads the file, whose dialect it detects, and everything that it includes. lookup returns environment variables.
// The diagnostics are all mistakes, in the order of the files; where there are any, only the Warnings of the plan may be
// used.
func Compile(file string, catalogue []Plugin, lookup func(string) (string, bool)) (*Plan, []Diagnostic) {
	return (&Compiler{Catalogue: catalogue, Lookup: lookup}).Compile(file)
}

// A compilation compiles one file to a plan.
type compilation struct {
	report
	*Compiler
	plan    *Plan
	count   map[*Plugin]int           // instances of a plugin so far
	ids     map[string]Pos            // the IDs that are taken, by kind and ID
	skipped map[string]*skippedParser // by lower-case name
	schemas schemas

	multilineSections []*section // of the plan's Multiline
	streams           param      // the option streams_file
}

// A skippedParser is one whose format isn't supported.
type skippedParser struct {
	name, format string
	used         bool // a plugin names it, which is an error there
}

// Compile is the package's Compile.
func (c *Compiler) Compile(name string) (*Plan, []Diagnostic) {
	k := newCompilation(c)
	if c.KeepGiven {
		k.plan.inMemory = c.Files
	}
	l := loader{main: name, files: c.Files}
	f, err := l.open(name, nil, Pos{})
	if err != nil {
		k.error(Pos{File: name}, strings.TrimPrefix(err.Error(), name+" ")).as(CodeFile)
		return k.finish()
	}
	if _, err := os.Stat(name); err != nil && c.Files[name] == "" {
		k.warning(Pos{File: name}, "there is no such file: the one that is built in is used; see docs/image.md").as(CodeFile)
	}
	k.compile(f, l)
	return k.finish()
}

func newCompilation(c *Compiler) *compilation {
	return &compilation{
		Compiler: c,
		plan:     &Plan{},
		count:    map[*Plugin]int{},
		ids:      map[string]Pos{},
		skipped:  map[string]*skippedParser{},
		schemas:  schemas{},
	}
}

// compile compiles the main file.
func (k *compilation) compile(f *file, l loader) {
	k.plan.Files = l.names
	k.plan.Dialect = detect(f.name, f.text)
	if k.plan.Dialect == Fluentd {
		k.fluentd(f, l)
	} else {
		k.classic(f, l)
	}
	if len(k.errors) == 0 && len(k.plan.Inputs) == 0 {
		k.warning(Pos{File: f.name}, "no input is configured: nothing can be received").as(CodeNoInput)
	}
}

// finish sorts the errors and warnings.
func (k *compilation) finish() (*Plan, []Diagnostic) {
	sortByPlace(k.errors, k.plan.Files)
	sortByPlace(k.warnings, k.plan.Files)
	k.plan.Warnings = k.warnings
	return k.plan, k.errors
}

// lookup is the compiler's Lookup with HOSTNAME, which Fluent Bit sets itself where the environment doesn't have it.
func (k *compilation) lookup(name string) (string, bool) {
	value, ok := k.Lookup(name)
	if !ok && name == "HOSTNAME" {
		value = k.hostname()
		ok = value != ""
	}
	return value, ok
}

// hostname is the name of the machine.
func (k *compilation) hostname() string {
	if k.Hostname != "" {
		return k.Hostname
	}
	name, err := os.Hostname()
	if err != nil {
		k.warning(Pos{File: k.plan.Files[0]}, "the host name is unknown: "+err.Error())
	}
	return name
}

// detect returns a file's dialect: by the first line that only one dialect has, or else by the file's name.
func detect(name, text string) Dialect {
	if isYAML(&file{name: name, text: text}) {
		return yamlDialect(text)
	}
	byInclude := -1
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[' || strings.HasPrefix(line, "@SET ") || strings.HasPrefix(line, "@INCLUDE "):
			return FluentBit
		case line[0] == '<':
			return Fluentd
		case strings.HasPrefix(line, "@include ") && byInclude < 0:
			byInclude = int(Fluentd)
		}
	}
	whole := strings.ToLower(filepath.Base(filepath.Dir(name)) + "/" + filepath.Base(name))
	if strings.Contains(whole, "fluent-bit") || strings.Contains(whole, "fluentbit") {
		return FluentBit
	}
	if byInclude >= 0 || strings.Contains(whole, "fluent") {
		return Fluentd
	}
	return FluentBit
}

// sortByPlace sorts diagnostics by file, in the order of files, and by line.
func sortByPlace(list []Diagnostic, files []string) {
	order := map[string]int{}
	for i, f := range files {
		order[f] = i
	}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if a.File != b.File {
			return order[a.File] < order[b.File]
		}
		return a.Line < b.Line
	})
}

// find is the plugin of that kind and name; nil if there is none.
func (k *compilation) find(kind Kind, name string) *Plugin {
	for i := range k.Catalogue {
		p := &k.Catalogue[i]
		if p.Kind != kind {
			continue
		}
		for _, n := range p.names(k.plan.Dialect) {
			if strings.EqualFold(n, name) {
				return p
			}
		}
	}
	return nil
}

// names are what a plugin is called in a dialect.
func (p *Plugin) names(d Dialect) []string {
	if d == Fluentd {
		return p.Fluentd
	}
	return p.FluentBit
}

// wantPlugin is the end of a message about name that lists the plugins of a kind, the most similar names first.
func (k *compilation) wantPlugin(kind Kind, name string) string {
	return wantOneOf(name, k.pluginNames(kind))
}

// pluginNames are the names of the plugins of a kind.
func (k *compilation) pluginNames(kind Kind) (list []string) {
	for i := range k.Catalogue {
		if p := &k.Catalogue[i]; p.Kind == kind || kind == KindOutput && p.Kind == KindReroute {
			list = append(list, p.names(k.plan.Dialect)...)
		}
	}
	if kind == KindOutput && k.plan.Dialect == Fluentd {
		list = append(list, "copy", "relabel", "roundrobin")
	}
	return list
}

// instance makes an instance of the plugin that a section names, and binds its options, without known, those that the caller
// has handled.
func (k *compilation) instance(kind Kind, s *section, name param, id string, known []string) (Instance, bool) {
	i := Instance{Name: name.value, Pos: s.pos}
	i.Plugin = k.find(kind, name.value)
	if i.Plugin == nil {
		k.unknownPlugin(kind, name)
		return i, false
	}
	i.ID = k.identify(i.Plugin, s, id)
	i.Options = i.Plugin.Options()
	i.LogLevel = k.pluginLogLevel(name.value, s)
	for _, p := range s.params {
		if p.secret {
			i.hidden = append(i.hidden, fold(p.key))
		}
	}
	if k.KeepGiven {
		i.Given = k.given(s, k.schemas.of(reflect.TypeOf(i.Options).Elem(), k.plan.Dialect), "", nil)
	}
	return i, k.bind(name.value, s, i.Options, known...)
}

// keepSettings keeps the options of [SERVICE] or <system>.
func (k *compilation) keepSettings(s *section) {
	if k.KeepGiven {
		k.plan.Settings = k.given(s, k.schemas.of(reflect.TypeFor[Service](), k.plan.Dialect), "", nil)
	}
}

// given appends a section's options to list, those of its sections with their names before them. sc is nil for a section that isn't
// declared.
func (k *compilation) given(s *section, sc *schema, prefix string, list []Given) []Given {
	for _, p := range s.params {
		g := Given{Name: prefix + p.key, Value: p.value, Pos: p.pos}
		if sc != nil {
			name := p.key
			if k.plan.Dialect == FluentBit {
				name = fold(name)
			}
			o := sc.params[name]
			g.Secret, g.Unknown = o != nil && o.secret, o == nil && !isCommon(name)
		}
		if p.secret {
			g.Value = ""
		}
		list = append(list, g)
	}
	for _, sub := range s.subs {
		var inner *schema
		if sc != nil && sc.sections[sub.name] != nil {
			if t := base(sc.sections[sub.name].kind); t.Kind() == reflect.Struct && t != typePair {
				inner = k.schemas.of(t, k.plan.Dialect)
			}
		}
		list = k.given(sub, inner, prefix+sub.name+".", list)
	}
	return list
}

// bind writes a section into the struct that target points at.
func (k *compilation) bind(what string, s *section, target any, known ...string) bool {
	return binder{&k.report, k.plan.Dialect, k.schemas, s.pos.File == builtInName}.bind(what, s, target, known...)
}

// identify returns an ID that no other instance of the kind has: the alias, or else the plugin's name and a number.
func (k *compilation) identify(p *Plugin, s *section, alias string) string {
	own := p.names(k.plan.Dialect)[0]
	number := k.count[p]
	k.count[p]++
	id := alias
	if id == "" {
		id = fmt.Sprintf("%s.%d", own, number)
	}
	for n := 1; ; n++ {
		key := p.Kind.String() + " " + id
		before, taken := k.ids[key]
		if !taken {
			k.ids[key] = s.pos
			return id
		}
		next := fmt.Sprintf("%s.%d", own, number+n)
		if alias != "" {
			next = fmt.Sprintf("%s.%d", alias, n)
			k.warning(s.pos, fmt.Sprintf("%s is already the name of the %s in %s:%d; this one is named %s", id, p.Kind, before.File, before.Line, next)).as(CodeAlias)
		}
		id = next
	}
}

func (k Kind) String() string {
	switch k {
	case KindInput:
		return "input"
	case KindFilter:
		return "filter"
	case KindOutput, KindReroute:
		return "output"
	case KindMultiline:
		return "multiline parser"
	case KindStream:
		return "stream task"
	}
	return "parser"
}
