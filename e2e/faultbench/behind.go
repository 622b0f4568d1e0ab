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

// A behind is the real server that a destination passes requests on to.
type behind struct {
	*servers.Search
	client http.Client
	before time.Duration // CPU that it had used when it was ready
}

func startBehind(dir string) (*behind, error) {
	s, err := servers.StartSearch(servers.OpenSearch2(), dir, 0)
	if err != nil {
		return nil, err
	}
	b := &behind{Search: s}
	b.before, err = b.cpu()
	return b, err
}

// pass sends body on and returns the answer.
func (b *behind) pass(r *http.Request, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, b.URL()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// clockTick is the unit of times in /proc: USER_HZ, which is 100 everywhere.
const clockTick = 10 * time.Millisecond

// cpu is what the server has used since it was started.
func (b *behind) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(b.Pid()), "stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // behind the command's name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("reading the CPU time of the server: too few fields in its stat")
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick, errors.Join(err1, err2)
}

// settle compares what the server holds with the documents that the destination has counted, and says what it cost.
func (b *behind) settle(res *result) error {
	used, err := b.cpu()
	if err != nil {
		return err
	}
	used -= b.before
	n, err := b.Count("web-*")
	if err != nil {
		return err
	}
	if n != res.documents {
		return fmt.Errorf("%s holds %d documents, %d were taken", b.Name, n, res.documents)
	}
	res.remarks = append(res.remarks, fmt.Sprintf("%s behind %s: %.1f CPU s a million records; the router's share of both is %.1f %%",
		b.Name, res.router, used.Seconds()*1e6/float64(n), 100*res.cpu.Seconds()/(res.cpu+used).Seconds()))
	return nil
}
