package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/firelane/firelane/input"
)

const (
	maxPage  = 2 << 20          // bytes of the router's page that are read
	pageTime = 10 * time.Second // for reading it
)

// ownPages are the paths of the router's HTTP server that configurations read with curl, as the files of AWS's image do.
var ownPages = []string{"/metrics", "/api/v1/metrics", "/api/v1/metrics/prometheus", "/api/v2/metrics", "/api/v2/metrics/prometheus", "/api/v1/storage", "/api/v1/plugins",
	"/api/v1/uptime", "/api/v1/health", "/api/v2/health"}

// OwnPage returns the URL that a command reads if it does nothing but read a page of the router with curl:
//
//	curl -s http://127.0.0.1:2020/api/v1/metrics/prometheus
//	curl -s http://127.0.0.1:2020/api/v1/storage && echo ""
//
// "" if it is another command. Such a page is read without running anything, so it needs no permission.
func OwnPage(command string) string {
	words := strings.Fields(command)
	if len(words) == 0 || words[0] != "curl" {
		return ""
	}
	words = words[1:]
	for len(words) > 0 && slices.Contains([]string{"-s", "-S", "-f", "-sS", "-sf", "-fs", "-fsS", "-sSf", "--silent", "--show-error", "--fail"}, words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		return ""
	}
	if end := strings.Join(words[1:], " "); !slices.Contains([]string{"", "&& echo", `&& echo ""`, "&& echo ''", "; echo", `; echo ""`, "; echo ''"}, end) {
		return ""
	}
	text := words[0]
	if q := text[0]; len(text) > 1 && (q == '"' || q == '\'') && text[len(text)-1] == q {
		text = text[1 : len(text)-1]
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !slices.Contains(ownPages, u.Path) {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	return text
}

// readPage reads the page, and adds its lines as those of a command.
func (in *Input) readPage(ctx, flushing context.Context, recv input.Receiver) error {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.page, nil)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%w; is http_server on in [SERVICE], with this port?", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("the router's page has the status " + resp.Status)
	}
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return fmt.Errorf("reading the router's page: %w", err)
	}
	if req.URL.Path != "/metrics" {
		page = withoutOwn(page)
	}
	return in.read(flushing, bytes.NewReader(page), recv)
}

// withoutOwn removes from a page with Fluent Bit's path the metrics that Fluent Bit doesn't have: configurations expect lines of one
// form.
func withoutOwn(page []byte) []byte {
	kept := page[:0]
	for line := range bytes.Lines(page) {
		name := bytes.TrimPrefix(bytes.TrimPrefix(line, []byte("# HELP ")), []byte("# TYPE "))
		if !bytes.HasPrefix(name, []byte("firelane_")) {
			kept = append(kept, line...)
		}
	}
	return kept
}
