package shell

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// own are the commands that a line may have, besides programs: those of command and tool.
var own = []string{"exit", "exec", "true", "set", "umask", "ulimit", "chown", ":", "false", "echo", "export", "nc", "curl", "sh", "bash", "ash", "source", ".",
	"printf", "cat", "base64", "envsubst", "test", "[", "mkdir", "chmod", "sleep"}

// CanRun reports why the line of a health check can't run in the image: a word of the shell's language that isn't supported, or a
// command that isn't there. program reports whether there is a program of that name. It runs nothing.
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
	words, err := splitLine(line)
	if err == nil {
		err = unsupported(words)
	}
	if err != nil {
		return err
	}
	for len(words) > 0 {
		end := slices.IndexFunc(words, func(w word) bool { return w.op != "" })
		if end < 0 {
			end = len(words)
		}
		var args []string
		for _, w := range words[:end] {
			if w.into == "" && (len(args) > 0 || !w.assigns()) {
				args = append(args, w.text(environment{}))
			}
		}
		if err := canCommand(args, program, depth); err != nil {
			return err
		}
		words = words[min(end+1, len(words)):]
	}
	return nil
}

func canCommand(args []string, program func(name string) bool, depth int) error {
	if len(args) == 0 || args[0] == "" { // a variable
		return nil
	}
	name := args[0][strings.LastIndexByte(args[0], '/')+1:]
	switch {
	case name == "exec":
		return canCommand(args[1:], program, depth)
	case (name == "sh" || name == "bash" || name == "ash") && len(args) > 2 && strings.HasPrefix(args[1], "-") && strings.HasSuffix(args[1], "c"):
		return canRun(args[2], program, depth-1)
	case name == "nc" && slices.ContainsFunc(args[1:], func(a string) bool {
		return strings.HasPrefix(a, "-") && strings.Contains(a, "l") && !strings.HasPrefix(a, "--")
	}):
		return errors.New("nc can't listen in this image")
	case slices.Contains(own, name), program(name), strings.HasSuffix(name, ".sh"):
		return nil
	}
	return fmt.Errorf("firelane's image has no %q; it has sh, echo, nc, curl, test and /firelane healthcheck", args[0])
}
