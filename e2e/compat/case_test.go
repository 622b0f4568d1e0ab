package compat

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/txtar"
)

// Reference programs.
const (
	fluentBit = "fluent-bit"
	fluentd   = "fluentd"
)

// A testCase is one case: one .txtar file.
type testCase struct {
	name     string // GROUP/NAME
	file     string
	Title    string // what the case shows: the first line of the head
	From     string // source of want: "documented: PAGE", or "observed: PROGRAM VERSION"
	Differs  string // ID of the difference in docs/compatibility.md
	Output   string // what is compared: out, stdout, http, tcp, forward, answers, or file NAME
	NotRun   string // why the reference program doesn't run it
	Needs    string // "parsers.conf": the reference program needs its own parsers, and is skipped without them
	config   string // name of the configuration's section
	Want     string
	Firelane string // what firelane writes, if that differs
	outputs  int    // number of outputs in the configuration
	env      []string
	files    []txtar.File // the configuration, and other files for the case's folder
	inputs   []txtar.File

	mu      sync.Mutex // protects the file
	archive *txtar.Archive
}

func readCase(file string) (*testCase, error) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		return nil, err
	}
	c := &testCase{name: strings.TrimSuffix(file, ".txtar"), file: file, Output: "out", archive: a}
	if err := c.readHead(string(a.Comment)); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, f := range a.Files {
		kind, _, _ := strings.Cut(f.Name, " ")
		if kind != "input" && seen[f.Name] {
			return nil, fmt.Errorf("two sections %s", f.Name)
		}
		seen[f.Name] = true
		switch kind {
		case "want":
			c.Want = string(f.Data)
		case "firelane":
			c.Firelane = string(f.Data)
		case "env":
			c.env = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		case "input":
			c.inputs = append(c.inputs, f)
		case "fluent-bit.conf", "fluent-bit.yaml", "fluent.conf", "fluent.yaml":
			c.config = f.Name
			c.outputs = len(outputStart.FindAll(f.Data, -1))
			fallthrough
		default:
			c.files = append(c.files, f)
		}
	}
	switch {
	case c.config == "":
		return nil, fmt.Errorf("no configuration; want fluent-bit.conf, fluent-bit.yaml, fluent.conf or fluent.yaml")
	case !seen["want"] && !*update:
		return nil, fmt.Errorf("no section want")
	case seen["firelane"] != (c.Differs != "") && !*update:
		return nil, fmt.Errorf("want both a section firelane and the line differs: ID, or neither")
	}
	return c, nil
}

// sources matches the valid sources of an expectation.
var sources = regexp.MustCompile(`^(documented: \S.+|observed: (Fluent Bit|Fluentd) [0-9.]+)$`)

// outputStart matches the beginnings of outputs whose text is compared.
var outputStart = regexp.MustCompile(`(?mi)^\s*(<match |<store>|\[OUTPUT\]|file:\s+out$)`)

// readHead reads the lines before the first section: the title, then one "name: value" a line.
func (c *testCase) readHead(head string) error {
	lines := strings.Split(strings.TrimSpace(head), "\n")
	c.Title = lines[0]
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		field, ok := map[string]*string{
			"from": &c.From, "differs": &c.Differs, "output": &c.Output, "not run": &c.NotRun, "needs": &c.Needs,
		}[name]
		if !ok || value == "" {
			return fmt.Errorf("%q in the head; want from, differs, output, needs or not run, and a value", line)
		}
		*field = value
	}
	if !sources.MatchString(c.From) {
		return fmt.Errorf("from: %q; want documented: PAGE, or observed: PROGRAM VERSION", c.From)
	}
	return nil
}

// reference returns the reference program: the one whose configuration the case has.
func (c *testCase) reference() string {
	if c.config == "fluent.conf" || c.config == "fluent.yaml" {
		return fluentd
	}
	return fluentBit
}

func (c *testCase) referencePath() string { return lookPath(c.reference()) }

// firelaneWant returns what firelane must write.
func (c *testCase) firelaneWant() string {
	if c.Differs != "" {
		return c.Firelane
	}
	return c.Want
}

// set replaces a section of the file.
func (c *testCase) set(section, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if section == "want" {
		c.Want = text
	}
	at := -1
	for i, f := range c.archive.Files {
		if f.Name == section {
			at = i
		}
	}
	if at < 0 {
		at = len(c.archive.Files)
		c.archive.Files = append(c.archive.Files, txtar.File{Name: section})
	}
	c.archive.Files[at].Data = []byte(text)
	if err := os.WriteFile(c.file, txtar.Format(c.archive), 0o644); err != nil {
		panic(err)
	}
}
