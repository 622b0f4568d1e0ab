package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Task definitions check a router's health with a shell: "echo '{"health": "check"}' | nc 127.0.0.1 8877 || exit 1", or
// "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1". A health check that can't run makes ECS kill the task, so the
// image, which has no shell, has this binary under the names sh, nc and curl. They do exactly what such lines need.
func standIn(name string) func(*cli, []string) int {
	switch name {
	case "sh":
		return shMain
	case "nc":
		return ncMain
	case "curl":
		return curlMain
	}
	return nil
}

// standInTimeout bounds a stand-in's whole work; ECS's own limit for a health check is 5 s by default.
const standInTimeout = 4 * time.Second

// shMain runs "sh -c LINE". LINE is pipelines of echo, nc, curl, firelane, exit, true and false, joined by && and ||.
func shMain(c *cli, args []string) int {
	if len(args) != 2 || args[0] != "-c" {
		fmt.Fprintln(c.stderr, `sh: this image has no shell; only "sh -c LINE" for health checks is understood`)
		return exitUsage
	}
	line, err := splitLine(args[1])
	if err != nil {
		fmt.Fprintf(c.stderr, "sh: %v in %q\n", err, args[1])
		return exitUsage
	}
	return runLine(c, line)
}

// runLine runs words with the operators | || && and ; among them.
func runLine(c *cli, words []word) int {
	status, skip := 0, false
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
			sub := &cli{stdout: c.stdout, stderr: c.stderr, lookup: c.lookup}
			if op == "|" {
				sub.stdout = &out
			}
			var exit bool
			status, exit = runWords(sub, words[start:end], pipe)
			if exit {
				return status
			}
			pipe = out.String()
		}
		switch op {
		case "||":
			skip = status == 0
		case "&&":
			skip = status != 0
		case ";":
			skip = false
		}
		start = end + 1
	}
	return status
}

// runWords runs one simple command; exit says that the whole line ends here.
func runWords(c *cli, words []word, stdin string) (status int, exit bool) {
	args := make([]string, len(words))
	for i, w := range words {
		args[i] = w.text
	}
	name := args[0][strings.LastIndexByte(args[0], '/')+1:]
	switch name {
	case "exit":
		if len(args) > 1 && args[1] == "0" {
			return 0, true
		}
		return 1, true
	case "true":
		return 0, false
	case "false":
		return 1, false
	case "echo":
		fmt.Fprintln(c.stdout, strings.Join(args[1:], " "))
		return 0, false
	case "nc":
		return netcat(c, args[1:], strings.NewReader(stdin)), false
	case "curl":
		return curlMain(c, args[1:]), false
	case "firelane":
		return c.main(name, args[1:]), false
	}
	fmt.Fprintf(c.stderr, "sh: this image has no %q; it has echo, nc, curl, firelane, exit, true and false\n", name)
	return 127, false
}

// ncMain is nc without a shell around it: nothing is sent, and the exit code says whether the port is open.
func ncMain(c *cli, args []string) int { return netcat(c, args, strings.NewReader("")) }

// netcat is "nc [flags] HOST PORT": it connects, sends in and closes.
func netcat(c *cli, args []string, in io.Reader) int {
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
		fmt.Fprintln(c.stderr, "nc: HOST PORT is what is understood here")
		return exitUsage
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(words[0], words[1]), standInTimeout)
	if err != nil {
		fmt.Fprintf(c.stderr, "nc: %v\n", err)
		return exitFailed
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(standInTimeout))
	if _, err := io.Copy(conn, in); err != nil {
		fmt.Fprintf(c.stderr, "nc: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// curlMain is "curl [flags] URL": a GET whose exit code is 22, as curl -f has it, for an answer of 400 and above.
func curlMain(c *cli, args []string) int {
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
	ctx, cancel := context.WithTimeout(context.Background(), standInTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		fmt.Fprintf(c.stderr, "curl: %v\n", err)
		return exitUsage
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintf(c.stderr, "curl: %v\n", err)
		return 7
	}
	defer resp.Body.Close()
	_, _ = io.Copy(c.stdout, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode >= 400 {
		fmt.Fprintf(c.stderr, "curl: %s\n", resp.Status)
		return 22
	}
	return exitOK
}
