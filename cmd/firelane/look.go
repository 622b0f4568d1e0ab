package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/admin"
)

// A localRouter is a running router in this container, for `firelane top` and `firelane tail`.
type localRouter struct {
	http.Client
	pid int
}

const (
	// lookTimeout is how long the router may take to answer, besides the time of a sample.
	lookTimeout = 5 * time.Second
	// maxAnswer is the largest answer that is read, in bytes.
	maxAnswer = 4 << 20
)

// findRouter finds the running router. pid is its process; 0: there is only one, or somebody is asked which.
func (c *cli) findRouter(ctx context.Context, pid int) (*localRouter, error) {
	if pid != 0 {
		return newLocalRouter(pid), nil
	}
	pids, err := admin.LocalRouters()
	switch {
	case err != nil:
		return nil, err
	case len(pids) == 0:
		return nil, errors.New("no router is running in this container")
	case len(pids) == 1:
		return newLocalRouter(pids[0]), nil
	}
	slices.Sort(pids)
	fmt.Fprintf(c.stderr, "%d routers are running here:\n", len(pids))
	for _, pid := range pids {
		var s admin.Status
		r := newLocalRouter(pid)
		if err := r.get(ctx, "status", nil, &s, lookTimeout); err != nil {
			fmt.Fprintf(c.stderr, "  process %d, which does not answer this user\n", pid)
		} else {
			fmt.Fprintf(c.stderr, "  %s\n", r.name(&s))
		}
	}
	if !isTerminal(os.Stdin) || !isTerminal(c.stderr) {
		return nil, errors.New("choose one of the routers by -pid")
	}
	if pid, err = choose(os.Stdin, c.stderr, pids); err != nil {
		return nil, err
	}
	return newLocalRouter(pid), nil
}

// looked is the exit status of a command that has shown a router. An interrupt, which ends it in a shell, is no error.
func (c *cli) looked(name string, err error) int {
	if err == nil {
		return exitOK
	}
	if c.context().Err() == nil {
		fmt.Fprintf(c.stderr, "firelane %s: %s\n", name, printable(err.Error()))
	}
	return exitFailed
}

// choose asks for one of the processes until it is answered.
func choose(in io.Reader, out io.Writer, pids []int) (int, error) {
	lines := bufio.NewScanner(in)
	for fmt.Fprint(out, "process: "); lines.Scan(); fmt.Fprint(out, "process: ") {
		if pid, err := strconv.Atoi(strings.TrimSpace(lines.Text())); err == nil && slices.Contains(pids, pid) {
			return pid, nil
		}
	}
	return 0, errors.New("no router was chosen")
}

// newLocalRouter is the router that is the process pid.
func newLocalRouter(pid int) *localRouter {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return admin.DialLocal(ctx, pid) }
	return &localRouter{http.Client{Transport: &http.Transport{DialContext: dial}}, pid}
}

// name says which router it is: its process, the file of its configuration, and how long it has been running.
func (r *localRouter) name(s *admin.Status) string {
	text := fmt.Sprintf("process %d, ", r.pid)
	if len(s.Files) > 0 {
		text += printable(s.Files[0]) + ", "
	}
	return text + "up " + uptime(s)
}

func uptime(s *admin.Status) string { return (time.Duration(s.Uptime) * time.Second).String() }

// silence is the error of a router that says nothing for such a time.
func silence(t time.Duration) error { return fmt.Errorf("it has said nothing for %v", t) }

// open requests a page. The caller closes the body.
func (r *localRouter) open(ctx context.Context, page string, query url.Values) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/api/firelane/"+page+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.Do(req)
	if err != nil {
		if err = errors.Unwrap(err); ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("no router of this container and user answers as process %d: %w", r.pid, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return nil, errors.New(strings.TrimPrefix(strings.TrimSpace(string(text)), "error: "))
}

// get requests a page and decodes it.
func (r *localRouter) get(ctx context.Context, page string, query url.Values, into any, atMost time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, silence(atMost))
	defer cancel()
	body, err := r.open(ctx, page, query)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(into)
}
