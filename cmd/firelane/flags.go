package main

import (
	"fmt"
	"strings"
)

// A flagValue is one option of a command line.
type flagValue struct {
	letter byte
	value  string
	text   string // as written, for messages
}

// parseFlags parses a command line as getopt_long(3) does: letters may be joined (-vq), a value may be attached (-fFILE) or
// follow, and long options may have =VALUE and be abbreviated. known lists the options. Each is a letter, a sign and a name; the
// sign is . for no value, = for a required one, ? for one that may be attached. Arguments that are not options are in rest.
func parseFlags(known string, args []string) (flags []flagValue, rest []string, err error) {
	table := strings.Fields(known)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return flags, append(rest, args...), nil
		case strings.HasPrefix(arg, "--"):
			name, value, has := strings.Cut(arg[2:], "=")
			entry := longFlag(table, name)
			if entry == "" {
				return nil, nil, fmt.Errorf("unknown option --%s", name)
			}
			if entry[1] == '=' && !has {
				if len(args) == 0 {
					return nil, nil, fmt.Errorf("option --%s has no value", name)
				}
				value, args = args[0], args[1:]
			}
			flags = append(flags, flagValue{entry[0], value, arg})
		case len(arg) > 1 && arg[0] == '-':
			var more []flagValue
			more, args, err = shortFlags(table, arg, args)
			if err != nil {
				return nil, nil, err
			}
			flags = append(flags, more...)
		default:
			rest = append(rest, arg)
		}
	}
	return flags, rest, nil
}

// shortFlags parses one word of letters, and returns the remaining arguments.
func shortFlags(table []string, arg string, args []string) (flags []flagValue, left []string, err error) {
	for i := 1; i < len(arg); i++ {
		entry := ""
		for _, e := range table {
			if e[0] == arg[i] {
				entry = e
				break
			}
		}
		switch {
		case entry == "" || arg[i] >= '0' && arg[i] <= '9':
			return nil, nil, fmt.Errorf("unknown option -%s", arg[i:i+1])
		case entry[1] == '.':
			flags = append(flags, flagValue{arg[i], "", "-" + arg[i:i+1]})
			continue
		}
		value := arg[i+1:]
		if value == "" && entry[1] == '=' {
			if len(args) == 0 {
				return nil, nil, fmt.Errorf("option -%c has no value", arg[i])
			}
			value, args = args[0], args[1:]
		}
		return append(flags, flagValue{arg[i], value, "-" + arg[i:i+1]}), args, nil
	}
	return flags, args, nil
}

// longFlag returns the entry of a long option, whose name may be abbreviated; "" if there is none, or the abbreviation is ambiguous.
func longFlag(table []string, name string) string {
	found := ""
	for _, e := range table {
		switch {
		case e[2:] == name:
			return e
		case strings.HasPrefix(e[2:], name) && name != "":
			if found != "" && found[0] != e[0] {
				return ""
			}
			found = e
		}
	}
	return found
}
