package dial

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMetadataNeverGoesByAProxy: the environment is read once per process, so another one asks.
func TestMetadataNeverGoesByAProxy(t *testing.T) {
	const proxy = "http://proxy.example:3128"
	urls := map[string]bool{ // by a proxy?
		"http://169.254.170.2/v2/credentials/x": false, "http://169.254.169.254/latest/meta-data": false,
		"http://169.254.170.23/v1/credentials": false, "http://[fd00:ec2::254]/latest": false, "http://[fd00:ec2::23]/v1/credentials": false,
		"http://[fe80::1%25eth0]/": false, "http://[::ffff:169.254.170.2]/": false, "http://127.0.0.1:9200/": false, "http://127.8.9.1/": false,
		"http://[::1]:9200/": false, "http://localhost:9200/": false, "http://LOCALHOST./": false,
		"http://os.example:9200/": true, "http://10.0.0.1:9200/": true, "http://169.253.0.1/": true, "http://[fd00::1]/": true,
	}
	if os.Getenv("ASK_FOR_PROXY") == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestMetadataNeverGoesByAProxy$")
		c.Env = append(os.Environ(), "ASK_FOR_PROXY=1", "HTTP_PROXY="+proxy, "NO_PROXY=", "no_proxy=", "http_proxy=")
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	for u, want := range urls {
		req, err := http.NewRequest(http.MethodGet, u, nil)
		if err != nil {
			t.Fatal(err)
		}
		if by, err := Proxy(req); err != nil || (by != nil) != want {
			t.Errorf("%s: proxy %v, %v; want one: %v", u, by, err, want)
		}
	}
}
