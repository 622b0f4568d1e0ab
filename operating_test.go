package firelane_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// noLog are folders whose code isn't part of a running router.
var noLog = []string{"check/", "e2e/", "cmd/demo/", "cmd/licenses/"}

// otherTexts are the arguments of Msg that are no text of the code: where they come from is said in the page in words.
var otherTexts = map[string]string{
	"cmd/firelane/reload.go: w.String()":                "a warning of the configuration",
	"cmd/firelane/run.go: w.String()":                   "a warning of the configuration",
	"cmd/firelane/run.go: d.String()":                   "a mistake in the configuration",
	"cmd/firelane/run.go: err.Error()":                  "the start ends: errStopped",
	"cmd/firelane/run.go: initHint(err)":                "the init image's steps",
	"cmd/firelane/run.go: text":                         "the init image's steps",
	"retain/keeper.go: line":                            "what a cluster answers",
	"retain/keeper.go: r.Line(false)":                   "what a cluster answers",
	"router/repeat/repeat.go: k.message":                "any message, once more",
	"forward/fault.go: f.message + \": \" + outcome":    "a fault's message, which is tested itself",
	"sink/report/trouble.go: r.sentence(t, n, &b, now)": "a trouble's words, which are tested themselves",
}

// A message is a text that the router logs.
type message struct{ text, where string }

// docs/operating.md has the text of every line that the router can log, with what it means and what to do.
func TestEveryLogLineIsInTheOperatingPage(t *testing.T) {
	b, err := os.ReadFile("docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(strings.NewReplacer(`\|`, "|", "&lt;", "<").Replace(string(b))), " ")
	seen, used := 0, map[string]bool{}
	for _, s := range sources(t) {
		if s.test() || strings.Contains(s.path, "test/") || hasPrefix(s.path, noLog) {
			continue
		}
		f := logging{source: s, used: used}
		for _, m := range f.messages() {
			seen++
			for _, part := range constantParts(m.text) {
				if !strings.Contains(page, part) {
					t.Errorf("docs/operating.md lacks %q, which %s logs", part, m.where)
				}
			}
		}
		for _, where := range f.unknown {
			t.Errorf("%s is no text: name its constants, or say in otherTexts where it comes from", where)
		}
	}
	if seen < 250 {
		t.Errorf("got %d texts, want at least 250", seen)
	}
	for where := range otherTexts {
		if !used[where] {
			t.Errorf("otherTexts has %s, which isn't logged", where)
		}
	}
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

var verb = regexp.MustCompile(`%[a-z]`)

// constantParts are what lies between the verbs of a format, without spaces and punctuation at the ends, and without what is too short
// to tell anything.
func constantParts(text string) (parts []string) {
	for _, part := range verb.Split(text, -1) {
		part = strings.Trim(strings.Join(strings.Fields(part), " "), " ,;:()")
		if len(part) >= 6 {
			parts = append(parts, part)
		}
	}
	return parts
}

// words are the fields of structs whose strings are logged.
var words = map[string]bool{
	"sink.Trouble.What": true, "sink.Trouble.Want": true, "fault.message": true,
}

// A logging is a file whose messages are looked for.
type logging struct {
	source
	used    map[string]bool // of otherTexts
	unknown []string
	found   []message
}

// messages returns the texts that the file logs: arguments of Msg and Msgf, the words of a sink.Trouble and the messages of faults.
func (f *logging) messages() []message {
	for _, decl := range f.Decls {
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "Msg" || s.Sel.Name == "Msgf") && len(n.Args) > 0 {
					f.logged(decl, n.Args[0])
				}
			case *ast.CompositeLit:
				name := ""
				if n.Type != nil {
					name = types.ExprString(n.Type)
				}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok && words[name+"."+types.ExprString(kv.Key)] {
						f.add(texts(kv.Value))
					}
				}
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					if name := types.ExprString(to); (name == "t.What" || name == "t.Want") && i < len(n.Rhs) {
						f.add(texts(n.Rhs[i]))
					}
				}
			}
			return true
		})
	}
	return f.found
}

func (f *logging) add(all []string) {
	for _, text := range all {
		f.found = append(f.found, message{text, f.path})
	}
}

// logged adds the texts of an argument of Msg: its own ones, and those that its variables are given in the same function, or as
// variables of the package.
func (f *logging) logged(within ast.Decl, arg ast.Expr) {
	all := texts(arg)
	ast.Inspect(arg, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			all = append(all, given(within, id.Name)...)
			for _, decl := range f.Decls {
				if v, ok := decl.(*ast.GenDecl); ok && v.Tok == token.VAR {
					all = append(all, given(v, id.Name)...)
				}
			}
		}
		return true
	})
	f.add(all)
	if where := f.path + ": " + types.ExprString(arg); len(constantParts(strings.Join(all, "%s"))) == 0 {
		if f.used[where] = true; otherTexts[where] == "" {
			f.unknown = append(f.unknown, where)
		}
	}
}

// given returns the texts that a variable is given in a declaration.
func given(within ast.Node, name string) (all []string) {
	ast.Inspect(within, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if id, ok := to.(*ast.Ident); ok && id.Name == name && i < len(n.Rhs) {
					all = append(all, texts(n.Rhs[i])...)
				}
			}
		case *ast.ValueSpec:
			for i, id := range n.Names {
				if id.Name == name && i < len(n.Values) {
					all = append(all, texts(n.Values[i])...)
				}
			}
		}
		return true
	})
	return all
}

// texts returns the strings in an expression.
func texts(e ast.Expr) (all []string) {
	ast.Inspect(e, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, _ := strconv.Unquote(lit.Value)
			all = append(all, text)
		}
		return true
	})
	return all
}
