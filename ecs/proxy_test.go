package ecs

import (
	"context"
	"testing"
	"time"

	"github.com/firelane/firelane/internal/proxytest"
)

func TestTheMetadataIsNotFetchedThroughAProxy(t *testing.T) {
	proxytest.Run(t, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		if _, err := Metadata(ctx, "http://169.254.170.2/v4/x"); err == nil {
			t.Error("want an error: there is no endpoint")
		}
	})
}
