package shell

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// missing are commands of Bash that the interpreter knows and doesn't run.
const missing = " bg fc fg jobs newgrp bind caller compgen complete compopt disown enable history logout suspend "

// CanRun reports why the line of a health check can't run in the image, such as a command that isn't there. program reports whether
// firelane has a program of that name. It runs nothing.
func CanRun(line string, program func(name string) bool) error {
	return canRun(line, program, maxDepth)
}

// CanRunProgram is CanRun for a command without a shell: a program and its arguments.
func CanRunProgram(args []string, program func(name string) bool) error {
	return canCommand(args, program, maxDepth)
}

func canRun(line string, program func(name string) bool, depth int) error {
	if len(line) > maxScript || depth == 0 {
		return fmt.Errorf("the line is longer than %d KiB, or runs too many others", maxScript>>10)
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		return err
	}
	var functions []string
	syntax.Walk(file, func(n syntax.Node) bool {
		if f, ok := n.(*syntax.FuncDecl); ok && f.Name != nil {
			functions = append(functions, f.Name.Value)
		}
		return true
	})
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			if args := literals(n.Args); len(args) > 0 && !slices.Contains(functions, args[0]) {
				err = canCommand(args, program, depth)
			}
		case *syntax.Redirect:
			if n.Op == syntax.RdrInOut || n.N != nil && !slices.Contains([]string{"0", "1", "2"}, n.N.Value) {
				err = errors.New("only the files 0, 1 and 2 can be redirected")
			}
		}
		return err == nil
	})
	return err
}

// literals are the words of a command without their quotes. What isn't known before it runs, such as a variable, is left out.
func literals(words []*syntax.Word) (args []string) {
	for _, w := range words {
		args = append(args, literal(w.Parts, escaped()))
	}
	return args
}

// escaped finds a backslash and what it protects.
var escaped = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)\\(.)`) })

// escapedInQuotes is escaped for text in double quotes, where most backslashes are text.
var escapedInQuotes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("(?s)\\\\([$`\"\\\\\n])") })

func literal(parts []syntax.WordPart, escapes *regexp.Regexp) string {
	var b strings.Builder
	for _, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			b.WriteString(escapes.ReplaceAllString(part.Value, "$1"))
		case *syntax.SglQuoted:
			b.WriteString(part.Value)
		case *syntax.DblQuoted:
			b.WriteString(literal(part.Parts, escapedInQuotes()))
		}
	}
	return b.String()
}

func canCommand(args []string, program func(name string) bool, depth int) error {
	if len(args) == 0 || args[0] == "" { // a variable
		return nil
	}
	name := path.Base(args[0])
	switch rest := args[1:]; name {
	case "exec", "command", "builtin":
		return canCommand(rest, program, depth)
	case "env":
		for len(rest) > 0 && strings.Contains(rest[0], "=") {
			rest = rest[1:]
		}
		return canCommand(rest, program, depth)
	case "timeout":
		c := call{args: rest}
		if _, words, err := c.timeoutWords(); err == nil {
			return canCommand(words, program, depth)
		}
	case "sh", "bash", "ash":
		if _, line, words, err := shellOptions(rest); err == nil && line && len(words) > 0 {
			return canRun(words[0], program, depth-1)
		}
	case "nc":
		if slices.ContainsFunc(rest, func(a string) bool {
			return strings.HasPrefix(a, "-") && strings.Contains(a, "l") && !strings.HasPrefix(a, "--")
		}) {
			return errListen
		}
	}
	switch known := Has(name) || program(name) || strings.HasSuffix(name, ".sh"); {
	case known, interp.IsBuiltin(name) && !strings.Contains(missing, " "+name+" "):
		return nil
	}
	return fmt.Errorf("firelane's image has no %q; it has a shell with nc, curl, wget, pgrep, ps, grep, test and others, and /firelane healthcheck", args[0])
}
