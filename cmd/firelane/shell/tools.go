package shell

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFile is how many bytes of a file cat prints.
const maxFile = 4 << 20

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
