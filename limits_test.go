package firelane_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// limitName are the names of constants that are limits. A limit that has another name may be in the page, too.
var limitName = regexp.MustCompile(`^[mM]ax[A-Z]|(Time|Timeout|Budget|Limit)$`)

// notLimits have such names, and bound nothing that others can make the router hold or wait for.
var notLimits = strings.Fields(`
	record.maxGroup record.maxKeptMembers record.maxRun record.maxKey record.maxRoom
	buffer.maxGap buffer.maxNumberBits buffer.segmentsPerLimit buffer.maxSpares buffer.maxSpareRooms
	ecs/taskdef.maxShown ecs/taskdef.maxReferences ecs/taskdef.defaultBufLimit
	config.maxNames config.maxNear config.maxNameLength config.maxMessage
	field.partTime cmd/firelane.startTime field.maxWidth ruby.kTime enrich.maxShownExpression enrich.maxLifted enrich.maxLiftedBytes enrich.maxLiftedBody enrich.maxFixstr
	forward/pace.maxEvents forward/pace.maxPause forward/pace.maxPauseBytes forward/pace.rateTime forward/pace.maxWriteRetry
	sink/datadog.maxMembers sink/datadog.maxRules sink/aws.maxSkew sink/aws/put.maxMisses
	sink/dial.maxSend sink/cloudwatch.maxSpan sink/bulk.keepTime sink/bulk.omitTime sink/deliver.maxGrowAfter sink/deliver.maxSleep sink/stream.maxPath
	sink/gather.maxSleep sink/gather.maxLinger sink/s3.maxName sink/s3.maxTotal sink/s3.maxParts sink/s3.keyTime sink/s3.defaultChunkLimit`)

// A limit is a constant of the product.
type limit struct {
	name    string // room.constant
	value   constant.Value
	isTime  bool
	comment string
}

// docs/security.md has every limit of the product with its figure. A failure prints the row to add.
func TestLimitsInTheSecurityPageAreThoseOfTheCode(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/0-9]+\\.\\w+)` \\| ([^|]+) \\| [^|]+ \\|$").FindAllStringSubmatch(string(page), -1) {
		if _, twice := shown[row[1]]; twice {
			t.Errorf("docs/security.md has %s twice", row[1])
		}
		shown[row[1]] = strings.TrimSpace(row[2])
	}
	all := limits(t)
	for _, l := range all {
		figure, ok := shown[l.name]
		delete(shown, l.name)
		_, name, _ := strings.Cut(l.name, ".")
		switch {
		case !ok && limitName.MatchString(name) && !slices.Contains(notLimits, l.name):
			t.Errorf("docs/security.md lacks a limit; add to its room's table, or to notLimits:\n| `%s` | %s | %s |", l.name, l.figure(), l.comment)
		case ok && !l.is(figure):
			t.Errorf("docs/security.md has %s = %s, want %s", l.name, figure, l.figure())
		}
	}
	for _, name := range notLimits {
		if !slices.ContainsFunc(all, func(l limit) bool { return l.name == name }) {
			t.Errorf("notLimits has %s, which is no constant of the product", name)
		}
	}
	for name := range shown {
		t.Errorf("docs/security.md has %s, which is no constant of the product", name)
	}
	if len(all) < 100 {
		t.Errorf("got %d constants, want at least 100", len(all))
	}
}

var byteUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// figure returns the value as the page writes it.
func (l limit) figure() string {
	n, exact := constant.Int64Val(constant.ToInt(l.value))
	switch {
	case !exact:
		f, _ := constant.Float64Val(l.value)
		return strconv.FormatFloat(f, 'g', -1, 64)
	case l.isTime && n%int64(time.Second) == 0:
		return fmt.Sprintf("%d s", n/int64(time.Second))
	case l.isTime:
		return fmt.Sprintf("%d ms", n/int64(time.Millisecond))
	}
	for _, u := range byteUnits {
		if n >= u.bytes && n%u.bytes == 0 && (n > 1<<10 || strings.Contains(l.comment, "byte")) {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

// is reports whether figure is the value.
func (l limit) is(figure string) bool {
	number, unit, _ := strings.Cut(strings.ReplaceAll(figure, ",", ""), " ")
	want := constant.MakeFromLiteral(number, token.INT, 0)
	if strings.Contains(number, ".") {
		want = constant.MakeFromLiteral(number, token.FLOAT, 0)
	}
	scale := map[string]int64{"": 1, "bytes": 1, "ms": int64(time.Millisecond), "s": int64(time.Second), "min": int64(time.Minute), "h": int64(time.Hour)}
	for _, u := range byteUnits {
		scale[u.name] = u.bytes
	}
	return want.Kind() != constant.Unknown && scale[unit] != 0 &&
		constant.Compare(constant.BinaryOp(want, token.MUL, constant.MakeInt64(scale[unit])), token.EQL, l.value)
}

// limits returns the numeric constants that the packages of cmd/firelane declare outside functions.
func limits(t *testing.T) (all []limit) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-json=Dir,ImportPath,GoFiles", "./cmd/firelane").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := checker{fset: token.NewFileSet(), done: map[string]*types.Package{}}
	c.std = importer.ForCompiler(c.fset, "source", nil)
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir, ImportPath string
			GoFiles         []string
		}
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if room, ok := strings.CutPrefix(p.ImportPath, module); ok { // in the order of the imports
			all = append(all, c.limits(t, room, p.Dir, p.GoFiles)...)
		}
	}
}

// A checker evaluates constants. It knows the packages that it has seen, and time; of all others it ignores what is missing.
type checker struct {
	fset *token.FileSet
	done map[string]*types.Package
	std  types.Importer
}

func (c *checker) Import(name string) (*types.Package, error) {
	if p := c.done[name]; p != nil {
		return p, nil
	}
	if name == "time" {
		return c.std.Import(name)
	}
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

func (c *checker) limits(t *testing.T, room, dir string, names []string) (all []limit) {
	var files []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(c.fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	cfg := types.Config{Importer: c, IgnoreFuncBodies: true, Error: func(error) {}}
	pkg, _ := cfg.Check(module+room, c.fset, files, nil) // with errors: most imports are missing
	c.done[module+room] = pkg
	for _, f := range files {
		for _, decl := range f.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				continue
			}
			for _, spec := range d.Specs {
				spec := spec.(*ast.ValueSpec)
				for _, name := range spec.Names {
					obj, ok := pkg.Scope().Lookup(name.Name).(*types.Const)
					if !ok || obj.Val().Kind() != constant.Int && obj.Val().Kind() != constant.Float {
						continue
					}
					comment := spec.Comment.Text() + spec.Doc.Text()
					if len(d.Specs) == 1 {
						comment += d.Doc.Text()
					}
					all = append(all, limit{room + "." + name.Name, obj.Val(), obj.Type().String() == "time.Duration", strings.Join(strings.Fields(comment), " ")})
				}
			}
		}
	}
	return all
}
