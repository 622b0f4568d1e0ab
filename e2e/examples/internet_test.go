package examples

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/firelane/firelane/e2e/servers"
)

// An internet is a proxy that answers for every host, with TLS and without, by the host's stand-in.
type internet struct {
	c  *testCase
	ca *servers.CA

	mu       sync.Mutex
	services map[string]service // by host name
	refused  []string           // what a stand-in has refused
}

// A service stands in for a host.
type service interface {
	http.Handler
	lines() []string // what has arrived, without the host
}

// newInternet starts a proxy, and returns the environment by which a router uses it.
func newInternet(t *testing.T, c *testCase, dir string) (n *internet, env []string) {
	t.Helper()
	ca, err := servers.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, ca.PEM, 0o644); err != nil {
		t.Fatal(err)
	}
	n = &internet{c: c, ca: ca, services: map[string]service{}}
	s := httptest.NewServer(http.HandlerFunc(n.proxy))
	t.Cleanup(s.Close)
	credentials := httptest.NewServer(http.HandlerFunc(taskRole))
	t.Cleanup(credentials.Close)
	return n, []string{
		"HTTPS_PROXY=" + s.URL, "HTTP_PROXY=" + s.URL, "SSL_CERT_FILE=" + file, "AWS_CONTAINER_CREDENTIALS_FULL_URI=" + credentials.URL + "/role",
	}
}

// proxy answers a request to a proxy: CONNECT for TLS, or a request with a whole URL.
func (n *internet) proxy(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		n.serve(w, r, r.URL.Host)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		return
	}
	cert, key, err := n.ca.Issue(host)
	if err != nil {
		return
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return
	}
	client := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
	defer client.Close()
	in := bufio.NewReader(client)
	for {
		inner, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if !n.exchange(client, inner, r.Host) {
			return
		}
	}
}

// exchange answers one request in a connection with TLS.
func (n *internet) exchange(conn net.Conn, r *http.Request, address string) bool {
	answer := httptest.NewRecorder()
	if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	n.serve(answer, r, address)
	io.Copy(io.Discard, r.Body)
	res := answer.Result()
	res.ContentLength = int64(answer.Body.Len())
	return res.Write(conn) == nil
}

// serve has the host's stand-in answer.
func (n *internet) serve(w http.ResponseWriter, r *http.Request, address string) {
	n.mu.Lock()
	s := n.services[address]
	if s == nil {
		s = n.stand(address)
		n.services[address] = s
	}
	n.mu.Unlock()
	r.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, r)
	if body := answer.Body.String(); answer.Code >= http.StatusBadRequest && !strings.Contains(body, "ResourceNotFound") && !strings.Contains(body, "ResourceAlreadyExists") {
		n.mu.Lock()
		n.refused = append(n.refused, fmt.Sprintf("%s %s %s: %d %s", address, r.Method, r.URL, answer.Code, answer.Body))
		n.mu.Unlock()
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	io.Copy(w, answer.Body)
}

// lines are what has arrived, each with its host and, unless it is that of TLS, its port.
func (n *internet) lines() (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for address, s := range n.services {
		for _, line := range s.lines() {
			all = append(all, strings.TrimSuffix(address, ":443")+" "+line)
		}
	}
	slices.Sort(all)
	return all
}

func (n *internet) refusals() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.refused)
}
