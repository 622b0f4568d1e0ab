// Package shell stands in for the shell, nc and curl that the image doesn't have.
//
// Task definitions check a router's health with a shell: "echo '{"health": "check"}' | nc 127.0.0.1 8877 || exit 1", or
// "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1". ECS stops a task whose health check can't run, so the image
// has the firelane binary under the names sh, nc and curl too. They support what such commands need, and nothing else.
package shell

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// timeout bounds one connection or request; ECS's own limit for a health check is 5 s by default.
const timeout = 4 * time.Second

// maxBody is how much of a response body in bytes curl prints.
const maxBody = 64 << 10

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
	// Firelane runs the command "firelane" of a line and returns its exit code.
	Firelane func(stdout io.Writer, args []string) int
}

// Has reports whether name is one of the stand-ins: sh, nc or curl.
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

// sh is "sh -c LINE": pipelines of echo, nc, curl, firelane, exit, true and false, joined by && and || or ;.
func (s Shell) sh(args []string) int {
	if len(args) != 2 || args[0] != "-c" {
		fmt.Fprintln(s.Stderr, `sh: this image has no shell; only "sh -c LINE" with a health check is supported`)
		return exitUsage
	}
	words, err := splitLine(args[1])
	if err != nil {
		fmt.Fprintf(s.Stderr, "sh: %v in %q\n", err, args[1])
		return exitUsage
	}
	return s.line(words)
}

// line runs words with the operators | || && and ; among them.
func (s Shell) line(words []word) int {
	status, skip := exitOK, false
	var pipe string
	for start := 0; start <= len(words); {
		end := start
		for end < len(words) && !words[end].op {
			end++
		}
		op := ";"
		if end < len(words) {
			op = words[end].text
		}
		if !skip && end > start {
			var out strings.Builder
			sub := s
			if op == "|" {
				sub.Stdout = &out
			}
			var exit bool
			status, exit = sub.command(words[start:end], pipe)
			if exit {
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

// command runs one simple command; exit means that the whole line ends here.
func (s Shell) command(words []word, stdin string) (status int, exit bool) {
	args := make([]string, len(words))
	for i, w := range words {
		args[i] = w.text
	}
	name := args[0][strings.LastIndexByte(args[0], '/')+1:]
	switch name {
	case "exit":
		if len(args) > 1 && args[1] == "0" {
			return exitOK, true
		}
		return exitFailed, true
	case "true":
		return exitOK, false
	case "false":
		return exitFailed, false
	case "echo":
		fmt.Fprintln(s.Stdout, strings.Join(args[1:], " "))
		return exitOK, false
	case "nc":
		return s.nc(args[1:], stdin), false
	case "curl":
		return s.curl(args[1:]), false
	case "firelane":
		return s.Firelane(s.Stdout, args[1:]), false
	}
	fmt.Fprintf(s.Stderr, "sh: this image has no %q; it has echo, nc, curl, firelane, exit, true and false\n", name)
	return exitNotFound, false
}

// nc is "nc [flags] HOST PORT": it connects, sends stdin and closes.
func (s Shell) nc(args []string, stdin string) int {
	var words []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-w" || args[i] == "-q":
			i++
		case !strings.HasPrefix(args[i], "-"):
			words = append(words, args[i])
		}
	}
	if len(words) != 2 {
		fmt.Fprintln(s.Stderr, "nc: want HOST PORT")
		return exitUsage
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(words[0], words[1]), timeout)
	if err != nil {
		fmt.Fprintf(s.Stderr, "nc: %v\n", err)
		return exitFailed
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	if _, err := io.WriteString(conn, stdin); err != nil {
		fmt.Fprintf(s.Stderr, "nc: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// curl is "curl [flags] URL": a GET that fails, as with -f, if the status is 400 or above.
func (s Shell) curl(args []string) int {
	url := ""
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-m" || arg == "--max-time" || arg == "-o" || arg == "--connect-timeout" || arg == "-H" || arg == "-X":
			i++
		case !strings.HasPrefix(arg, "-"):
			url = arg
		}
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		fmt.Fprintf(s.Stderr, "curl: %v\n", err)
		return exitUsage
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintf(s.Stderr, "curl: %v\n", err)
		return exitConnect
	}
	defer resp.Body.Close()
	_, _ = io.Copy(s.Stdout, io.LimitReader(resp.Body, maxBody))
	if resp.StatusCode >= 400 {
		fmt.Fprintf(s.Stderr, "curl: %s\n", resp.Status)
		return exitHTTP
	}
	return exitOK
}
