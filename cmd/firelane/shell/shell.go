// Package shell stands in for the shell, nc, curl and a few other programs that the image doesn't have.
//
// Task definitions check a router's health with a shell: "echo '{"health": "check"}' | nc 127.0.0.1 8877 || exit 1", or
// "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1". ECS stops a task whose health check can't run, so the image
// has the firelane binary under the names sh, nc and curl too. Images that are made of AWS's start the router by a line of a
// shell, which may write a configuration first: "cat /VERSION && exec /fluent-bit/bin/fluent-bit -c FILE". The stand-ins
// support what such lines need, and nothing else.
package shell

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Exit codes, as the real programs have them.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 127 // sh: no such command
	exitConnect  = 7   // curl: no response
	exitHTTP     = 22  // curl -f: a status of 400 or above
)

// A Shell runs the stand-ins.
type Shell struct {
	Stdout, Stderr io.Writer
	// Program runs a program that isn't one of the stand-ins: name is the last part of its path. ok is false if there is none of
	// that name.
	Program func(stdout io.Writer, path string, args []string) (status int, ok bool)
	// BuiltIn returns a file that doesn't exist on disk.
	BuiltIn func(name string) (text string, ok bool)
	// Lookup and Setenv are the process's environment.
	Lookup func(name string) (value string, ok bool)
	Setenv func(name, value string) error

	args  []string // $1 and following
	depth int      // of scripts that run scripts
}

const (
	// maxDepth is how many scripts may run one another.
	maxDepth = 10
	// maxScript is how long a line or a script may be, in bytes.
	maxScript = 256 << 10
	// maxSleep is how long a line may sleep.
	maxSleep = 10 * time.Minute
)

// Has reports whether name is one of the stand-ins that are called without a shell: sh, nc or curl.
func Has(name string) bool { return name == "sh" || name == "nc" || name == "curl" }

// Run runs the stand-in of this name and returns its exit code.
func (s Shell) Run(name string, args []string) int {
	switch name {
	case "sh":
		return s.sh(args)
	case "nc":
		return s.nc(args, "")
	case "curl":
		return s.curl(args)
	}
	return exitNotFound
}

// sh is "sh -c LINE": pipelines of simple commands, joined by && and || or ; or line ends.
func (s Shell) sh(args []string) int {
	for len(args) > 0 && len(args[0]) > 1 && strings.Trim(args[0], "-eux") == "" && args[0] != "-c" {
		args = args[1:]
	}
	if len(args) > 0 && len(args[0]) > 2 && strings.HasPrefix(args[0], "-") && strings.Trim(args[0], "-eucxl") == "" && strings.Contains(args[0], "c") {
		args = append([]string{"-c"}, args[1:]...) // sh -ec LINE
	}
	if len(args) < 2 || args[0] != "-c" {
		return s.script(args)
	}
	if len(args) > 3 {
		s.args = args[3:]
	}
	return s.text(args[1])
}

// text runs a line, or several.
func (s Shell) text(text string) int {
	if len(text) > maxScript {
		fmt.Fprintf(s.Stderr, "sh: the script is longer than %d KiB\n", maxScript>>10)
		return exitUsage
	}
	words, err := splitLine(text)
	if err == nil {
		err = unsupported(words)
	}
	if err != nil {
		fmt.Fprintf(s.Stderr, "sh: %v in %q\n", err, text)
		return exitUsage
	}
	return s.line(words)
}

// unsupported is an error if a command is a word of the shell's language.
func unsupported(words []word) error {
	begins := true
	for _, w := range words {
		if begins && w.into == "" && len(w.parts) == 1 && !w.parts[0].quoted && !w.parts[0].variable {
			switch name := w.parts[0].text; name {
			case "if", "for", "while", "until", "case", "function", "{", "(", "!":
				return fmt.Errorf("%s is not supported", name)
			}
		}
		begins = w.op != "" || begins && w.into != ""
	}
	return nil
}

// script is "sh FILE ARGUMENTS": FILE is a script, or one of the entry points of the images that firelane replaces, which are
// programs.
func (s Shell) script(args []string) int {
	if len(args) > 0 {
		name := args[0]
		if _, err := os.Stat(name); err == nil && !strings.Contains(name, "/") {
			name = "./" + name // as sh does, unlike in a line
		}
		if status, ok := s.run(name, args[1:]); ok {
			return status
		}
	}
	fmt.Fprintln(s.Stderr, `sh: this image has no shell; only "sh -c LINE" with a health check, or with a command that starts the router, is supported`)
	return exitUsage
}

// run runs a script of the image, or a program.
func (s Shell) run(name string, args []string) (status int, ok bool) {
	if text, err := scriptText(name); err == nil {
		if s.depth == maxDepth {
			fmt.Fprintf(s.Stderr, "sh: %s: scripts run one another more than %d deep\n", name, maxDepth)
			return exitFailed, true
		}
		s.args, s.depth = args, s.depth+1
		return s.text(text), true
	}
	if s.Program == nil {
		return 0, false
	}
	return s.Program(s.Stdout, name, args)
}

// scriptText reads a script: a file that is no program.
func scriptText(name string) (string, error) {
	if !strings.Contains(name, "/") {
		return "", os.ErrNotExist
	}
	text, err := (Shell{}).read(name)
	if err == nil && strings.ContainsRune(text[:min(len(text), 512)], 0) {
		err = errors.New("it is a program")
	}
	return text, err
}

// line runs words with the operators | || && and ; among them.
func (s Shell) line(words []word) int {
	status, skip, strict := exitOK, false, false
	var pipe string
	for start := 0; start <= len(words); {
		end := start
		for end < len(words) && words[end].op == "" {
			end++
		}
		op := ";"
		if end < len(words) {
			op = words[end].op
		}
		if !skip && end > start {
			var out strings.Builder
			sub := s
			if op == "|" {
				sub.Stdout = &out
			}
			var exit bool
			status, exit = sub.simple(words[start:end], pipe)
			strict = strict || setsE(words[start:end])
			if exit || strict && op == ";" && status != exitOK {
				return status
			}
			pipe = out.String()
		}
		switch op {
		case "||":
			skip = status == exitOK
		case "&&":
			skip = status != exitOK
		case ";":
			skip = false
		}
		start = end + 1
	}
	return status
}

// setsE reports whether a command is "set -e", after which a command that fails ends the script.
func setsE(words []word) bool {
	return len(words) > 1 && words[0].text(environment{}) == "set" && strings.HasPrefix(words[1].text(environment{}), "-e")
}

// simple runs one simple command: assignments, words, and redirections.
func (s Shell) simple(words []word, stdin string) (status int, exit bool) {
	e := environment{s.Lookup, s.args}
	for len(words) > 0 && words[0].assigns() {
		name, value, _ := strings.Cut(words[0].text(e), "=")
		if err := s.set(name, value); err != nil {
			fmt.Fprintf(s.Stderr, "sh: %v\n", err)
			return exitFailed, false
		}
		words = words[1:]
	}
	var args []string
	var file, into string
	for _, w := range words {
		switch name := w.text(e); {
		case w.into == "":
			args = append(args, w.expand(e)...)
		case w.into == "<<":
			stdin = name
		case !strings.HasPrefix(name, "/") || strings.HasPrefix(name, "/dev/"):
			// nobody reads what a health check prints
		case w.into == "<":
			text, err := s.read(name)
			if err != nil {
				fmt.Fprintf(s.Stderr, "sh: %v\n", err)
				return exitFailed, false
			}
			stdin = text
		default:
			file, into = name, w.into
		}
	}
	if file == "" {
		return s.command(args, stdin)
	}
	var out strings.Builder
	sub := s
	sub.Stdout = &out
	status, exit = sub.command(args, stdin)
	if err := s.write(file, out.String(), into == ">>"); err != nil {
		fmt.Fprintf(s.Stderr, "sh: %v\n", err)
		return exitFailed, exit
	}
	return status, exit
}

func (s Shell) set(name, value string) error {
	if s.Setenv == nil {
		return nil
	}
	return s.Setenv(name, value)
}

// write writes a file, or adds to it. What is added to a file that is built in follows its text.
func (s Shell) write(name, text string, more bool) error {
	how := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if more {
		how = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		if _, err := os.Stat(name); err != nil && s.BuiltIn != nil {
			before, _ := s.BuiltIn(name)
			text = before + text
		}
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, how, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// command runs a command with its arguments; exit means that the whole line ends here.
func (s Shell) command(args []string, stdin string) (status int, exit bool) {
	if len(args) == 0 {
		return exitOK, false
	}
	switch name := args[0][strings.LastIndexByte(args[0], '/')+1:]; name {
	case "exit":
		if len(args) > 1 && args[1] == "0" {
			return exitOK, true
		}
		return exitFailed, true
	case "exec":
		status, _ = s.command(args[1:], stdin)
		return status, true
	case "true", "set", "umask", "ulimit", "chown", ":":
		return exitOK, false
	case "false":
		return exitFailed, false
	case "echo":
		fmt.Fprint(s.Stdout, echo(args[1:]))
		return exitOK, false
	case "export":
		return s.export(args[1:]), false
	case "nc":
		return s.nc(args[1:], stdin), false
	case "curl":
		return s.curl(args[1:]), false
	case "sh", "bash", "ash":
		return s.sh(args[1:]), false
	case "source", ".":
		if args = args[1:]; len(args) == 0 {
			return exitUsage, false
		}
	default:
		if status, ok := s.tool(name, args[1:], stdin); ok {
			return status, false
		}
	}
	if status, ok := s.run(args[0], args[1:]); ok {
		return status, false
	}
	fmt.Fprintf(s.Stderr, "sh: this image has no %q; it has echo, printf, cat, base64, envsubst, test, mkdir, chmod, sleep, export, exec, nc, curl, firelane, fluent-bit, fluentd, exit, true and false\n", args[0])
	return exitNotFound, false
}
