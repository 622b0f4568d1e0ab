package cloudwatch

import (
	"testing"

	"github.com/firelane/firelane/internal/proxytest"
)

func TestTheTasksMetadataIsNotFetchedThroughAProxy(t *testing.T) {
	proxytest.Run(t, func() {
		if err := new(task).fetch("http://169.254.170.2/v4/x/task"); err == nil {
			t.Error("want an error: there is no endpoint")
		}
	})
}
