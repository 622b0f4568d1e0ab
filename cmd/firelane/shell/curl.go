package shell

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Exit codes of curl and wget.
const (
	exitURL     = 3  // curl: no such URL; wget: a file can't be written
	exitConnect = 7  // curl: no connection
	exitHTTP    = 22 // curl -f: a status of 400 or above
	exitWrite   = 23 // curl: the body can't be written
	exitSlow    = 28 // curl: no answer in time
	exitNetwork = 4  // wget: no connection, or no answer
	exitServer  = 8  // wget: a status of 400 or above
)

const (
	// maxBody is the largest response in bytes that curl and wget take.
	maxBody = 64 << 20
	// maxSent is the largest body in bytes that curl -d sends from a file.
	maxSent = 1 << 20
	// maxRedirects is how many redirects are followed.
	maxRedirects = 10
)

// A request is one of curl's or wget's.
type request struct {
	method, url, body, socket string
	header                    http.Header
	limit                     time.Duration
	insecure, follow          bool
}

// send sends a request. The answer's body ends with the time limit; cancel ends it, too.
func (c *call) send(r request) (resp *http.Response, cancel func(), err error) {
	if !strings.Contains(r.url, "://") {
		r.url = "http://" + r.url
	}
	if strings.HasPrefix(r.url, "https:") && c.shell.Roots != nil {
		c.shell.Roots()
	}
	ctx, cancel := context.WithTimeout(c.ctx, cmp.Or(r.limit, netTime))
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), r.url, strings.NewReader(r.body))
	if err != nil {
		return nil, cancel, errURL{err}
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: r.insecure}} //nolint:gosec // -k asks for it
	if r.socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", c.abs(r.socket))
		}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if !r.follow || len(via) > maxRedirects {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err = client.Do(req)
	return resp, cancel, err
}

// errURL means that a URL can't be asked for.
type errURL struct{ error }

// save writes a response's body to a file, or to standard output: "-" or "".
func (c *call) save(resp *http.Response, name string) error {
	w := c.stdout
	if name != "" && name != "-" {
		f, err := os.Create(c.abs(name))
		if err != nil {
			return err
		}
		defer f.Close()
		w = f
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, maxBody+1))
	if err == nil && n > maxBody {
		err = fmt.Errorf("the response is larger than %d MiB", maxBody>>20)
	}
	return err
}

// The options of curl that are supported. Long names without a letter of their own have one that curl doesn't use.
const (
	curlLetters = "fsSLkiIvg46NOnq#J"
	curlValued  = "XdHowmuAeb" + "Y!@"
)

func curlLong() map[string]byte {
	return map[string]byte{
		"fail": 'f', "fail-with-body": 'f', "silent": 's', "show-error": 'S', "location": 'L', "insecure": 'k', "include": 'i', "head": 'I', "verbose": 'v',
		"no-buffer": 'N', "remote-name": 'O', "ipv4": '4', "ipv6": '6', "globoff": 'g', "compressed": 'n', "no-progress-meter": 's', "progress-bar": '#',
		"request": 'X', "data": 'd', "data-raw": 'd', "data-binary": 'd', "data-ascii": 'd', "header": 'H', "output": 'o', "write-out": 'w', "max-time": 'm',
		"user": 'u', "user-agent": 'A', "referer": 'e', "cookie": 'b', "unix-socket": 'Y', "connect-timeout": '!',
		"retry": '@', "retry-delay": '@', "retry-max-time": '@', "retry-connrefused": 'g', "retry-all-errors": 'g', "noproxy": '@', "url": 'U',
	}
}

// curl is "curl [flags] URL". A health check is repeated by whoever runs it, so --retry does nothing.
func (c *call) curl() int {
	given, words, err := c.flags(curlLetters, curlValued+"U", curlLong(), false)
	if url, ok := given['U']; ok {
		words = append(words, url)
	}
	if err == nil && len(words) != 1 {
		err = errors.New("want one URL")
	}
	r := request{insecure: has(given, 'k'), follow: has(given, 'L'), header: http.Header{"User-Agent": {"curl/8 (firelane)"}, "Accept": {"*/*"}}, socket: given['Y']}
	if err == nil {
		r.url = words[0]
		err = c.curlRequest(&r, given)
	}
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	resp, cancel, err := c.send(r)
	defer cancel()
	if err != nil {
		if w, ok := given['w']; ok {
			fmt.Fprint(c.stdout, written(w, 0, 0))
		}
		return c.curlFails(given, err)
	}
	defer resp.Body.Close()
	begin := time.Now()
	return c.curlAnswer(resp, given, begin)
}

// curlData is the body that options -d make.
func (c *call) curlData() (string, error) {
	parts := slices.Clone(c.values['d'])
	for i, part := range parts {
		name, file := strings.CutPrefix(part, "@")
		if !file {
			continue
		}
		err := c.one(name, func(_ string, in io.Reader) error {
			text, err := readUpTo(in, maxSent)
			parts[i] = string(text)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return strings.Join(parts, "&"), nil
}

// setHeaders sets headers, each a name, a colon and a value.
func (r *request) setHeaders(list []string) {
	for _, h := range list {
		name, value, _ := strings.Cut(h, ":")
		r.header.Set(name, strings.TrimSpace(value))
	}
}

// curlRequest fills in what the options say about the request.
func (c *call) curlRequest(r *request, given map[byte]string) (err error) {
	r.method = given['X']
	if has(given, 'I') {
		r.method = cmp.Or(r.method, http.MethodHead)
	}
	if has(given, 'd') {
		r.method = cmp.Or(r.method, http.MethodPost)
		r.header.Set("Content-Type", "application/x-www-form-urlencoded")
		if r.body, err = c.curlData(); err != nil {
			return err
		}
	}
	r.setHeaders(c.values['H'])
	if user, ok := given['u']; ok {
		r.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user)))
	}
	for letter, name := range map[byte]string{'A': "User-Agent", 'e': "Referer", 'b': "Cookie"} {
		if value, ok := given[letter]; ok {
			r.header.Set(name, value)
		}
	}
	limit := cmp.Or(given['m'], given['!'])
	if limit == "" {
		return nil
	}
	r.limit, err = netLimit(limit)
	return err
}

func (c *call) curlFails(given map[byte]string, err error) int {
	status := exitConnect
	switch {
	case errors.As(err, new(errURL)):
		status = exitURL
	case errors.Is(err, context.DeadlineExceeded):
		status = exitSlow
	}
	if !has(given, 's') || has(given, 'S') {
		return c.fail(status, "(%d) %v", status, err)
	}
	return status
}

func (c *call) curlAnswer(resp *http.Response, given map[byte]string, begin time.Time) int {
	status := exitOK
	failed := has(given, 'f') && resp.StatusCode >= 400
	if has(given, 'i') || has(given, 'I') {
		fmt.Fprintf(c.stdout, "%s %s\r\n", resp.Proto, resp.Status)
		_ = resp.Header.Write(c.stdout)
		fmt.Fprint(c.stdout, "\r\n")
	}
	switch {
	case failed:
		status = exitHTTP
		if !has(given, 's') || has(given, 'S') {
			c.fail(status, "(%d) the server answered %s", status, resp.Status)
		}
	default:
		name := given['o']
		if has(given, 'O') {
			name = urlFile(resp.Request.URL.Path)
		}
		if err := c.save(resp, name); err != nil {
			status = exitWrite
			if errors.Is(err, context.DeadlineExceeded) {
				status = exitSlow
			}
			c.fail(status, "(%d) %v", status, err)
		}
	}
	if w, ok := given['w']; ok {
		fmt.Fprint(c.stdout, written(w, resp.StatusCode, time.Since(begin)))
	}
	return status
}

// written expands the format of curl -w.
func written(format string, code int, took time.Duration) string {
	text := fmt.Sprintf("%03d", code)
	return strings.NewReplacer("%{http_code}", text, "%{response_code}", text, "%{time_total}", strconv.FormatFloat(took.Seconds(), 'f', 6, 64),
		`\n`, "\n", `\t`, "\t", `\r`, "\r", "%%", "%").Replace(format)
}

// urlFile is the file that a URL's path is saved to.
func urlFile(p string) string {
	if name := path.Base(p); name != "/" && name != "." {
		return name
	}
	return "index.html"
}

// wget is "wget [flags] URL".
func (c *call) wget() int {
	given, words, err := c.flags("qScNn46vdx", "OTtUYPe@", map[string]byte{
		"spider": 'I', "quiet": 'q', "no-verbose": 'q', "server-response": 'S', "no-check-certificate": 'k', "output-document": 'O', "timeout": 'T', "tries": 't',
		"user-agent": 'U', "header": '@', "connect-timeout": 'T', "read-timeout": 'T', "no-proxy": 'q', "retry-connrefused": 'q', "waitretry": 't',
	}, false)
	if err == nil && len(words) != 1 {
		err = errors.New("want one URL")
	}
	r := request{insecure: has(given, 'k'), follow: true, header: http.Header{"User-Agent": {cmp.Or(given['U'], "Wget/1 (firelane)")}}}
	if limit, ok := given['T']; ok && err == nil {
		r.limit, err = netLimit(limit)
	}
	if err != nil {
		return c.fail(exitUsage, "%v", err)
	}
	if r.url = words[0]; has(given, 'I') {
		r.method = http.MethodHead
	}
	r.setHeaders(c.values['@'])
	resp, cancel, err := c.send(r)
	defer cancel()
	if err != nil {
		return c.fail(exitNetwork, "%v", err)
	}
	defer resp.Body.Close()
	if has(given, 'S') {
		fmt.Fprintf(c.stderr, "  %s %s\n", resp.Proto, resp.Status)
	}
	switch {
	case resp.StatusCode >= 400:
		return c.fail(exitServer, "the server answered %s", resp.Status)
	case has(given, 'I'):
		return exitOK
	}
	name, ok := given['O']
	if !ok {
		name = urlFile(resp.Request.URL.Path)
	}
	if err := c.save(resp, name); err != nil {
		return c.fail(exitURL, "%v", err)
	}
	return exitOK
}
