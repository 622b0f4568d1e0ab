package shell

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// applet returns the small program of that name, or nil.
func applet(name string) func(*call) int {
	switch name {
	case "sh", "bash", "ash":
		return (*call).sh
	case "nc":
		return (*call).nc
	case "curl":
		return (*call).curl
	case "wget":
		return (*call).wget
	case "ps":
		return (*call).ps
	case "pgrep":
		return (*call).pgrep
	case "pidof":
		return (*call).pidof
	case "kill":
		return (*call).kill
	case "ls":
		return (*call).ls
	case "cat":
		return (*call).cat
	case "head":
		return (*call).head
	case "tail":
		return (*call).tail
	case "grep":
		return (*call).grep
	case "wc":
		return (*call).wc
	case "base64":
		return (*call).base64
	case "envsubst":
		return (*call).envsubst
	case "mkdir":
		return (*call).mkdir
	case "chmod":
		return (*call).chmod
	case "chown":
		return func(*call) int { return exitOK } // there is one user
	case "sleep":
		return (*call).sleep
	case "timeout":
		return (*call).timeout
	case "echo", "printf", "test", "[", "true", "false", "pwd":
		return (*call).own
	}
	return nil
}

// Names are the small programs, which the image has links for. env is the command line's own.
func Names() []string {
	return strings.Fields("sh bash ash nc curl wget ps pgrep pidof kill ls cat head tail grep wc base64 envsubst mkdir chmod chown sleep timeout echo printf test [ true false pwd")
}

// Has reports whether there is a small program of that name.
func Has(name string) bool { return applet(name) != nil }

// own runs one of the shell's own commands, such as test, without a line for the shell.
func (c *call) own() int {
	var line strings.Builder
	for _, word := range append([]string{c.name}, c.args...) {
		quoted, err := syntax.Quote(word, syntax.LangBash)
		if err != nil {
			return c.fail(exitUsage, "%v", err)
		}
		line.WriteString(quoted + " ")
	}
	return c.text("", line.String(), nil, nil)
}

// flags takes the options off the arguments: letters, together ("-zv") or apart. A letter in valued takes the rest of its word, or the
// next word, as its value. Long options are given as a map to letters. It stops at "--" and, if first is true, at the first word that
// is no option.
func (c *call) flags(letters, valued string, long map[string]byte, first bool) (given map[byte]string, words []string, err error) {
	given, c.values = map[byte]string{}, map[byte][]string{}
	give := func(letter byte, value string) {
		given[letter], c.values[letter] = value, append(c.values[letter], value)
	}
	args := c.args
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return given, append(words, args...), nil
		case strings.HasPrefix(arg, "--"):
			name, value, has := strings.Cut(arg[2:], "=")
			letter, ok := long[name]
			if !ok {
				return nil, nil, fmt.Errorf("option %s is not supported in this image", arg)
			}
			if strings.IndexByte(valued, letter) >= 0 && !has {
				if len(args) == 0 {
					return nil, nil, fmt.Errorf("option %s wants a value", arg)
				}
				value, args = args[0], args[1:]
			}
			give(letter, value)
			continue
		case len(arg) < 2 || arg[0] != '-':
			if words = append(words, arg); first {
				return given, append(words, args...), nil
			}
			continue
		}
		for i := 1; i < len(arg); i++ {
			letter := arg[i]
			switch {
			case strings.IndexByte(valued, letter) >= 0:
				value := arg[i+1:]
				if value == "" {
					if len(args) == 0 {
						return nil, nil, fmt.Errorf("option -%c wants a value", letter)
					}
					value, args = args[0], args[1:]
				}
				give(letter, value)
				i = len(arg)
			case strings.IndexByte(letters, letter) >= 0:
				give(letter, "")
			default:
				return nil, nil, fmt.Errorf("option -%c is not supported in this image", letter)
			}
		}
	}
	return given, words, nil
}

// has reports whether an option was given.
func has(given map[byte]string, letter byte) bool {
	_, ok := given[letter]
	return ok
}
