package aws

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestCredentialsAreNotFetchedThroughAProxy: neither a task's nor an instance's. The environment's proxy is read once per
// process, so another one fetches, from addresses that answer nothing here.
func TestCredentialsAreNotFetchedThroughAProxy(t *testing.T) {
	if os.Getenv("FETCH_CREDENTIALS") != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		_, _, err := For(nil, Source{Region: "eu-west-1", ContainerURI: os.Getenv("CONTAINER_URI")}).Get(ctx)
		fmt.Println("error:", err)
		return
	}
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprintf(w, `{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer proxy.Close()
	none := t.TempDir()
	for name, set := range map[string]string{
		"task": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/x", "pod": "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/credentials",
		"instance": "A=b", "configured": "CONTAINER_URI=/v2/credentials/x",
	} {
		t.Run(name, func(t *testing.T) {
			c := exec.Command(os.Args[0], "-test.run=^TestCredentialsAreNotFetchedThroughAProxy$")
			c.Env = []string{"FETCH_CREDENTIALS=1", "HTTP_PROXY=" + proxy.URL, "HOME=" + none,
				"AWS_CONFIG_FILE=" + none + "/config", "AWS_SHARED_CREDENTIALS_FILE=" + none + "/credentials", set}
			out, err := c.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "error: ") {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := asked.Swap(0); n != 0 {
				t.Errorf("the proxy was asked %d times\n%s", n, out)
			}
		})
	}
}
