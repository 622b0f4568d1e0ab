// Package firelane_test holds what is promised of the whole house; the rooms are listed in docs/architecture.md.
package firelane_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/firelane/firelane/"

// rooms in the order in which they may use one another: each may import those before it.
var rooms = []string{"record", "config", "input", "forward", "enrich", "buffer", "sink", "router", "admin", "cmd", "e2e"}

// alone are the rooms that import no other one.
var alone = []string{"record", "config"}

// eachFile parses every Go file of the rooms; room is its first folder.
func eachFile(t *testing.T, visit func(room, path string, file *ast.File)) {
	t.Helper()
	for _, room := range rooms {
		err := filepath.WalkDir(room, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err == nil {
				visit(room, path, file)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestImportsPointUpwards(t *testing.T) {
	eachFile(t, func(room, path string, file *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			ours, ok := strings.CutPrefix(name, module)
			if !ok {
				continue
			}
			other, _, _ := strings.Cut(ours, "/")
			switch {
			case other == room:
			case slices.Contains(alone, room):
				t.Errorf("%s imports %s: room %s imports no other", path, name, room)
			case !slices.Contains(rooms, other) || slices.Index(rooms, other) > slices.Index(rooms, room):
				t.Errorf("%s imports %s: room %s comes before %s", path, name, room, other)
			}
		}
	})
}

// Nothing happens before main: no init, no registry that fills itself.
func TestNoInitFunctions(t *testing.T) {
	eachFile(t, func(_, path string, file *ast.File) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function", path)
			}
		}
	})
}
