package firelane_test

import (
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/firelane/firelane/router"
)

// pages are all Markdown files, apart from those of tests.
func pages(t *testing.T) []string {
	var list []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			list = append(list, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	fence    = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	code     = regexp.MustCompile("`[^`\n]*`")
	link     = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	inLink   = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
	figure   = regexp.MustCompile(`\d[\d,]*(\.\d+)?`)
	logQuote = regexp.MustCompile(`(?m)^> +(.*)$`)
)

// TestLinksOfThePagesResolve: to files of this repository, and to headings in them.
func TestLinksOfThePagesResolve(t *testing.T) {
	anchors := map[string]map[string]bool{}
	seen := 0
	for _, page := range pages(t) {
		text := code.ReplaceAllString(fence.ReplaceAllString(readPage(t, page), ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				continue // an address
			}
			seen++
			file := page
			if target != "" {
				file = path.Join(path.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", page, m[1], err)
				continue
			}
			if anchor == "" {
				continue
			}
			if anchors[file] == nil {
				anchors[file] = headings(readPage(t, file))
			}
			if !anchors[file][anchor] {
				t.Errorf("%s: the link %s leads nowhere: %s has no such heading", page, m[1], file)
			}
		}
	}
	if seen < 100 {
		t.Errorf("got %d links, want at least 100", seen)
	}
}

// headings are the anchors that GitHub makes of a page's headings.
func headings(page string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(inLink.ReplaceAllString(m[1], "$1")) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				b.WriteRune(r)
			}
		}
		name := b.String()
		for n := 1; anchors[name]; n++ {
			name = b.String() + "-" + string(rune('0'+n))
		}
		anchors[name] = true
	}
	return anchors
}

// TestTheReadmeIsShort: it begins with the commands that show the product and that test it.
func TestTheReadmeIsShort(t *testing.T) {
	page := readPage(t, "README.md")
	if n := strings.Count(page, "\n"); n > 250 {
		t.Errorf("README.md has %d lines, want at most 250: move what a page of docs can say there", n)
	}
	first, _, _ := strings.Cut(page, "\n```")
	for _, command := range []string{"\n    make demo ", "\n    make test "} {
		if !strings.Contains(first, command) {
			t.Errorf("README.md doesn't begin with %s", strings.TrimSpace(command))
		}
	}
}

// TestFiguresOfTheReadmeAreMeasured: each figure in the comparison's rows is one of docs/benchmarks.md.
func TestFiguresOfTheReadmeAreMeasured(t *testing.T) {
	measured := map[string]bool{}
	for _, n := range figure.FindAllString(readPage(t, "docs/benchmarks.md"), -1) {
		measured[strings.ReplaceAll(n, ",", "")] = true
	}
	_, table, _ := strings.Cut(readPage(t, "README.md"), "\n| measured")
	_, table, _ = strings.Cut(table, "\n|---")
	table, _, _ = strings.Cut(table, "\n\n")
	compared := 0
	for row := range strings.Lines(table) {
		for _, n := range figure.FindAllString(row, -1) {
			compared++
			if !measured[strings.ReplaceAll(n, ",", "")] {
				t.Errorf("README.md has %s, want a figure of docs/benchmarks.md, in\n%s", n, row)
			}
		}
	}
	if compared < 10 {
		t.Errorf("got %d figures, want at least 10", compared)
	}
}

// TestTroubleshootingQuotesLogLinesThatExist: each quoted line, and each text in the table of what the log has, is one that the code
// logs, apart from what "…" stands for.
func TestTroubleshootingQuotesLogLinesThatExist(t *testing.T) {
	var texts strings.Builder
	for _, s := range sources(t) {
		if !s.test() {
			ast.Inspect(s.File, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, _ := strconv.Unquote(lit.Value)
					texts.WriteString(text + "\n")
				}
				return true
			})
		}
	}
	page := readPage(t, "docs/troubleshooting.md")
	var quotes []string
	for _, m := range logQuote.FindAllStringSubmatch(page, -1) {
		quotes = append(quotes, m[1])
	}
	_, table, _ := strings.Cut(page, "\n| the log has |")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.SplitSeq(table, "\n| ") {
		for _, quote := range code.FindAllString(strings.SplitN(row, " | ", 2)[0], -1) {
			quotes = append(quotes, strings.Trim(quote, "`"))
		}
	}
	for _, quote := range quotes {
		for part := range strings.SplitSeq(quote, "…") {
			if part = strings.TrimSpace(part); !strings.Contains(texts.String(), part) {
				t.Errorf("docs/troubleshooting.md quotes %q, which the code doesn't log", part)
			}
		}
	}
	if len(quotes) < 30 {
		t.Errorf("got %d quoted lines, want at least 30", len(quotes))
	}
}

// TestThePluginsPageNamesEveryPlugin: by each of its names, in both dialects.
func TestThePluginsPageNamesEveryPlugin(t *testing.T) {
	page := readPage(t, "docs/plugins.md")
	for _, p := range router.Catalogue() {
		for _, name := range slices.Concat(p.FluentBit, p.Fluentd) {
			if !strings.Contains(page, "`"+name+"`") {
				t.Errorf("docs/plugins.md doesn't name the %s %s", p.Kind, name)
			}
		}
	}
}
