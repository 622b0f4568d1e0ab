// Package firelane_test holds what is promised of the whole house; the rooms are listed in docs/architecture.md.
package firelane_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/firelane/firelane/"

	maxFileLines     = 400
	maxFunctionLines = 60
)

// rooms are the folders in the order in which they may import one another: each those before it, and itself.
// A package belongs to the longest name that matches; a folder of sink without a name here is a destination, "sink/".
// Rooms that aren't built yet are skipped.
var rooms = []string{
	"record", "metric", "pattern", "ruby", "config", "field", "parse", "budget", "input", "input/serve", "input/poll", "forward/pace", "forward", "enrich", "buffer",
	"sink", "sink/format", "sink/wire", "sink/dial", "sink/httpsend", "sink/aws", "sink/probe", "kafka", "sink/dead", "sink/report", "sink/deliver", "sink/gather", "sink/", "input/",
	"ecs", "retain", "router/repeat", "router", "admin", "check", "cmd", "e2e",
}

// only are the rooms that may import less of ours than those before them: these, and nothing else.
var only = map[string][]string{
	"record":        {},
	"metric":        {"record"},
	"pattern":       {},
	"ruby":          {"record", "pattern"},
	"config":        {"pattern", "ruby"},
	"budget":        {},
	"field":         {"record", "config"},
	"parse":         {"record", "pattern", "config", "field"},
	"input/serve":   {"record", "config", "budget", "input"},
	"input/poll":    {"record", "metric", "config", "budget", "input"},
	"forward/pace":  {},
	"kafka":         {"config", "sink", "sink/dial", "sink/aws"},
	"input/":        {"record", "metric", "pattern", "config", "field", "parse", "budget", "input", "input/serve", "input/poll", "kafka"},
	"router/repeat": {},
}

// family are folders whose members must not import each other: a destination's or an input's own.
var family = []string{"sink/", "input/"}

// roomOf returns the room that a package belongs to, "" for none.
func roomOf(pkg string) string {
	best := ""
	for _, room := range rooms {
		within := pkg == room || strings.HasPrefix(pkg, strings.TrimSuffix(room, "/")+"/")
		if within && len(room) > len(best) {
			best = room
		}
	}
	return best
}

// member returns the member of a family that a package belongs to, "" for none: sink/bulk for sink/bulk/bulktest.
func member(pkg string) string {
	for _, f := range family {
		rest, ok := strings.CutPrefix(pkg, f)
		if room := roomOf(pkg); ok && (room == f || room+"/" == f) {
			name, _, _ := strings.Cut(rest, "/")
			return f + name
		}
	}
	return ""
}

// wrongImport says why a package must not import another, or "".
func wrongImport(from, to string) string {
	a, b := roomOf(from), roomOf(to)
	allowed, limited := only[a]
	switch {
	case b == "":
		return to + " is no room"
	case a == b && member(from) != "" && member(to) != "" && member(from) != member(to):
		return member(from) + " and " + member(to) + " must not know each other"
	case a == b:
		return ""
	case limited && !slices.Contains(allowed, b):
		return "room " + a + " may import only: " + strings.Join(allowed, ", ")
	case slices.Index(rooms, b) > slices.Index(rooms, a):
		return "room " + a + " comes before " + b
	}
	return ""
}

// longYet are the files and functions that are being split.
var longYet []string

// A source is one parsed Go file.
type source struct {
	path string
	fset *token.FileSet
	*ast.File
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

// sources parses every Go file of the rooms.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	for _, room := range rooms {
		if strings.Contains(room, "/") {
			continue
		}
		err := filepath.WalkDir(room, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			s := source{path: filepath.ToSlash(path), fset: token.NewFileSet()}
			s.File, err = parser.ParseFile(s.fset, path, nil, parser.SkipObjectResolution)
			list = append(list, s)
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return list
}

func TestImportsPointUpwards(t *testing.T) {
	for _, s := range sources(t) {
		for _, spec := range s.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if to, ok := strings.CutPrefix(name, module); ok && !s.test() && !strings.HasPrefix(to, "internal/") { // helpers of tests
				if why := wrongImport(path.Dir(s.path), to); why != "" {
					t.Errorf("%s imports %s: %s", s.path, to, why)
				}
			}
		}
	}
}

func TestImportRulesAreThoseOfTheHouse(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		allowed  bool
	}{
		{"enrich", "record", true},
		{"record", "config", false},
		{"config", "record", false},
		{"field", "config", true},
		{"input", "field", true},
		{"input/tcp", "input", true},
		{"input/tcp", "input/tail", false},
		{"input/kafka", "kafka", true},
		{"input/kafka", "sink", false},
		{"sink/kafka", "kafka", true},
		{"sink/kafka", "input/kafka", false},
		{"kafka", "input", false},
		{"input", "kafka", false},
		{"input/tcp", "input/serve", true},
		{"input/serve", "input/tcp", false},
		{"forward", "input/serve", true},
		{"forward", "forward/pace", true},
		{"forward/pace", "record", false},
		{"sink", "sink/dead", false},
		{"sink/bulk", "sink", true},
		{"sink/bulk", "sink/aws", true},
		{"sink/bulk", "sink/httpsend", true},
		{"sink/bulk", "sink/stream", false},
		{"sink/bulk/bulktest", "sink/bulk", true},
		{"sink/deliver", "sink/bulk", false},
		{"sink/deliver", "sink/dead", true},
		{"sink/bulk", "router", false},
		{"router", "sink/bulk", true},
		{"router", "router/repeat", true},
		{"router/repeat", "record", false},
		{"admin", "router", true},
		{"router", "cmd/firelane", false},
		{"cmd/firelane", "cmd/firelane/shell", true},
		{"cmd/firelane", "attic", false},
	} {
		if why := wrongImport(tt.from, tt.to); (why == "") != tt.allowed {
			t.Errorf("%s imports %s: allowed is %v, want %v (%s)", tt.from, tt.to, why == "", tt.allowed, why)
		}
	}
}

// The product's binary holds no fake server and no test code.
func TestProductImportsNoTestPackages(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/firelane").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		ours := strings.HasPrefix(pkg, module)
		if ours && strings.HasSuffix(pkg, "test") || pkg == "testing" || strings.HasPrefix(pkg, "testing/") || pkg == "net/http/httptest" {
			t.Errorf("cmd/firelane depends on %s", pkg)
		}
	}
}

// Nothing happens before main: no init, no registry that fills itself.
func TestNoInitFunctions(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function", s.path)
			}
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		if n := s.fset.File(s.Pos()).LineCount(); n > maxFileLines && !slices.Contains(longYet, s.path) {
			t.Errorf("%s has %d lines; want at most %d", s.path, n, maxFileLines)
		}
		for _, decl := range s.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && s.lines(f) > maxFunctionLines && !slices.Contains(longYet, s.path+": "+f.Name.Name) {
				t.Errorf("%s: function %s has %d lines; want at most %d", s.path, f.Name.Name, s.lines(f), maxFunctionLines)
			}
		}
	}
}
