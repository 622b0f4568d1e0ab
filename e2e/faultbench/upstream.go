package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/firelane/firelane/e2e/servers"
)

// An upstream is the real server to which a destination passes requests on.
type upstream struct {
	*servers.Search
	client http.Client
	before time.Duration // CPU time that it had used when it was ready
}

func startUpstream(dir string) (*upstream, error) {
	s, err := servers.StartSearch(servers.OpenSearch2(), dir, 0)
	if err != nil {
		return nil, err
	}
	u := &upstream{Search: s}
	u.before, err = u.cpu()
	return u, err
}

// pass sends body to the server and returns the reply.
func (u *upstream) pass(r *http.Request, body []byte) (status int, reply []byte, err error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, u.URL()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	resp, err := u.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	reply, err = io.ReadAll(resp.Body)
	return resp.StatusCode, reply, err
}

// clockTick is the unit of times in /proc. USER_HZ is 100 on all platforms that matter.
const clockTick = 10 * time.Millisecond

// cpu returns the CPU time that the server has used since its start.
func (u *upstream) cpu() (time.Duration, error) { return cpuOf(u.Pid()) }

// cpuOf returns the CPU time that a process has used since its start.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // after the command's name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("reading the CPU time of a process: too few fields in its stat")
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick, errors.Join(err1, err2)
}

// compare checks that the server has as many documents as the destination has counted, and adds its cost to the remarks.
func (u *upstream) compare(res *result) error {
	used, err := u.cpu()
	if err != nil {
		return err
	}
	used -= u.before
	n, err := u.Count("web-*")
	if err != nil {
		return err
	}
	if n != res.documents {
		return fmt.Errorf("%s has %d documents; want %d", u.Name, n, res.documents)
	}
	res.remarks = append(res.remarks, fmt.Sprintf("%s after %s: %.1f CPU s a million records; the router's share of both is %.1f %%",
		u.Name, res.router, used.Seconds()*1e6/float64(n), 100*res.cpu.Seconds()/(res.cpu+used).Seconds()))
	return nil
}
