package fetch

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/proxytest"
)

// The filters ecs_metadata, ecs, aws and kubernetes ask by a Client.
func TestAClientUsesNoProxy(t *testing.T) {
	proxytest.Run(t, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		for _, url := range []string{"http://169.254.170.2/v4/x/task", "http://169.254.169.254/latest/api/token", "http://metadata.invalid/"} {
			_, err := NewClient(nil).Do(ctx, http.MethodGet, url, 10)
			if err == nil {
				t.Errorf("%s: want an error: nobody answers there", url)
			}
		}
	})
}
