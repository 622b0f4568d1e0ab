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
