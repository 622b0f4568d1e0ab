package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
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

// findRouter finds the running router. pid is its process, 0: there is only one.
func findRouter(pid int) (*localRouter, error) {
	pids, err := admin.LocalRouters()
	switch {
	case err != nil:
		return nil, err
	case pid != 0:
	case len(pids) == 0:
		return nil, errors.New("no router is running in this container")
	case len(pids) > 1:
		return nil, fmt.Errorf("%d routers are running here: the processes %s; choose one by -pid", len(pids), strings.Trim(fmt.Sprint(pids), "[]"))
	default:
		pid = pids[0]
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return admin.DialLocal(ctx, pid) }
	return &localRouter{http.Client{Transport: &http.Transport{DialContext: dial}}, pid}, nil
}

// open requests a page. The caller closes the body.
func (r *localRouter) open(ctx context.Context, page string, query url.Values) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/api/firelane/"+page+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no router of this container and user answers as process %d: %w", r.pid, errors.Unwrap(err))
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
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	body, err := r.open(ctx, page, query)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(into)
}
