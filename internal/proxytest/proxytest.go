// Package proxytest tests that requests use no proxy.
package proxytest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
)

// inChild is set in the process that makes the requests: Go reads the environment's proxy once in a process.
const inChild = "FIRELANE_PROXYTEST"

// Run calls do in another process, whose environment names a proxy for everything, and reports a request that reaches the proxy. It
// must be the only thing that the test t does.
func Run(t *testing.T, do func()) {
	t.Helper()
	if os.Getenv(inChild) == t.Name() {
		do()
		return
	}
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "this is the proxy", http.StatusTeapot)
	}))
	defer proxy.Close()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), inChild+"="+t.Name(), "NO_PROXY=", "no_proxy=")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		c.Env = append(c.Env, name+"="+proxy.URL)
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the proxy was asked %d times\n%s", n, out)
	}
}
