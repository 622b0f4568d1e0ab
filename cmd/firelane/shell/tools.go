package shell

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxFile is how many bytes of a file cat prints.
const maxFile = 4 << 20

// tool runs one of the programs that write a configuration; ok is false if there is none of that name.
func (s Shell) tool(name string, args []string, stdin string) (status int, ok bool) {
	switch name {
	case "printf":
		return s.printf(args), true
	case "cat":
		return s.cat(args, stdin), true
	case "base64":
		return s.base64(args, stdin), true
	case "envsubst":
		fmt.Fprint(s.Stdout, s.envsubst(stdin))
		return exitOK, true
	case "test", "[":
		return s.test(name, args), true
	case "mkdir":
		return s.mkdir(args), true
	case "chmod":
		return s.chmod(args), true
	case "sleep":
		return s.sleep(args), true
	}
	return 0, false
}

// envsubst replaces the variables $NAME and ${NAME} in a text.
func (s Shell) envsubst(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after := rest[:nameLength(rest)], rest[nameLength(rest):]
		if inside, tail, closed := strings.Cut(strings.TrimPrefix(rest, "{"), "}"); strings.HasPrefix(rest, "{") && closed && nameLength(inside) == len(inside) {
			name, after = inside, tail
		}
		if name == "" {
			b.WriteByte('$')
			text = rest
			continue
		}
		b.WriteString(environment{lookup: s.Lookup}.value(name))
		text = after
	}
}

// test is test and [ with one operator.
func (s Shell) test(name string, args []string) int {
	if name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			fmt.Fprintln(s.Stderr, "[: want ]")
			return exitUsage
		}
		args = args[:len(args)-1]
	}
	not := len(args) > 1 && args[0] == "!"
	if not {
		args = args[1:]
	}
	holds, ok := holds(args)
	if !ok {
		fmt.Fprintf(s.Stderr, "test: %q is not supported; want -z, -n, -e, -f, -d, = or !=\n", args)
		return exitUsage
	}
	if holds == not {
		return exitFailed
	}
	return exitOK
}

// holds evaluates the words of a test; ok is false if they are none.
func holds(args []string) (value, ok bool) {
	switch {
	case len(args) == 0:
		return false, true
	case len(args) == 1:
		return args[0] != "", true
	case len(args) == 3 && (args[1] == "=" || args[1] == "=="):
		return args[0] == args[2], true
	case len(args) == 3 && args[1] == "!=":
		return args[0] != args[2], true
	case len(args) != 2:
		return false, false
	}
	info, err := os.Stat(args[1])
	switch args[0] {
	case "-z":
		return args[1] == "", true
	case "-n":
		return args[1] != "", true
	case "-e":
		return err == nil, true
	case "-f":
		return err == nil && info.Mode().IsRegular(), true
	case "-d":
		return err == nil && info.IsDir(), true
	}
	return false, false
}

// chmod makes files executable, or gives them a mode in octal digits.
func (s Shell) chmod(args []string) int {
	var words []string
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			words = append(words, arg)
		}
	}
	if len(words) < 2 {
		fmt.Fprintln(s.Stderr, "chmod: want a mode and a file")
		return exitUsage
	}
	mode, err := strconv.ParseUint(words[0], 8, 12)
	if err != nil && !strings.Contains(words[0], "+") {
		fmt.Fprintf(s.Stderr, "chmod: %q is not supported; want, for example, +x or 755\n", words[0])
		return exitUsage
	}
	for _, name := range words[1:] {
		bits := os.FileMode(mode)
		if err != nil {
			info, statErr := os.Stat(name)
			if statErr != nil {
				fmt.Fprintf(s.Stderr, "chmod: %v\n", statErr)
				return exitFailed
			}
			bits = info.Mode().Perm() | 0o555
		}
		if err := os.Chmod(name, bits); err != nil {
			fmt.Fprintf(s.Stderr, "chmod: %v\n", err)
			return exitFailed
		}
	}
	return exitOK
}

// sleep waits for a number of seconds.
func (s Shell) sleep(args []string) int {
	if len(args) == 1 {
		if x, err := strconv.ParseFloat(strings.TrimSuffix(args[0], "s"), 64); err == nil && x >= 0 && x <= maxSleep.Seconds() {
			time.Sleep(time.Duration(x * float64(time.Second)))
			return exitOK
		}
	}
	fmt.Fprintf(s.Stderr, "sleep: want a number of seconds up to %.0f\n", maxSleep.Seconds())
	return exitUsage
}

// echo is what echo prints: with -n no line end, with -e escapes.
func echo(args []string) string {
	end, escapes := "\n", false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		if strings.Contains(args[0], "n") {
			end = ""
		}
		escapes = escapes || strings.Contains(args[0], "e")
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		text = unescape(text)
	}
	return text + end
}

// unescape replaces the escapes of echo -e and printf that configurations have.
func unescape(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r", `\"`, `"`).Replace(text)
}

// printf is printf with the conversions %s, %b and %%.
func (s Shell) printf(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(s.Stderr, "printf: want a format")
		return exitUsage
	}
	format, args := args[0], args[1:]
	for again := true; again; {
		before := len(args)
		text := unescape(format)
		for {
			plain, rest, found := strings.Cut(text, "%")
			fmt.Fprint(s.Stdout, plain)
			if !found {
				break
			}
			value := ""
			if len(args) > 0 && !strings.HasPrefix(rest, "%") {
				value, args = args[0], args[1:]
			}
			switch {
			case strings.HasPrefix(rest, "s"):
				fmt.Fprint(s.Stdout, value)
			case strings.HasPrefix(rest, "b"):
				fmt.Fprint(s.Stdout, unescape(value))
			case strings.HasPrefix(rest, "%"):
				fmt.Fprint(s.Stdout, "%")
			default:
				fmt.Fprintf(s.Stderr, "printf: %q has a conversion that this image doesn't support; want %%s, %%b or %%%%\n", format)
				return exitUsage
			}
			text = rest[1:]
		}
		again = len(args) > 0 && len(args) < before // the format is used again for further arguments
	}
	return exitOK
}

// cat prints files, those on disk or built in, or what it gets from the pipe.
func (s Shell) cat(names []string, stdin string) int {
	if len(names) == 0 {
		fmt.Fprint(s.Stdout, stdin)
		return exitOK
	}
	status := exitOK
	for _, name := range names {
		text, err := s.read(name)
		if err != nil {
			fmt.Fprintf(s.Stderr, "cat: %v\n", err)
			status = exitFailed
			continue
		}
		fmt.Fprint(s.Stdout, text)
	}
	return status
}

func (s Shell) read(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		if s.BuiltIn != nil {
			if text, ok := s.BuiltIn(name); ok {
				return text, nil
			}
		}
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", fmt.Errorf("%s is not a file of at most %d MiB", name, maxFile>>20)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(data), err
}

// base64 encodes or, with -d, decodes what it gets from the pipe.
func (s Shell) base64(args []string, stdin string) int {
	for _, arg := range args {
		if arg == "-d" || arg == "--decode" || arg == "-D" {
			data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(stdin), ""))
			if err != nil {
				fmt.Fprintf(s.Stderr, "base64: %v\n", err)
				return exitFailed
			}
			fmt.Fprintf(s.Stdout, "%s", data)
			return exitOK
		}
	}
	fmt.Fprintln(s.Stdout, base64.StdEncoding.EncodeToString([]byte(stdin)))
	return exitOK
}

// export sets variables of the process.
func (s Shell) export(args []string) int {
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			continue // it is in the environment already
		}
		if err := s.set(name, value); err != nil {
			fmt.Fprintf(s.Stderr, "export: %v\n", err)
			return exitFailed
		}
	}
	return exitOK
}

// mkdir makes folders, and those above them.
func (s Shell) mkdir(args []string) int {
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			continue
		}
		if err := os.MkdirAll(arg, 0o755); err != nil {
			fmt.Fprintf(s.Stderr, "mkdir: %v\n", err)
			return exitFailed
		}
	}
	return exitOK
}
