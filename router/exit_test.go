package router

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firelane/firelane/enrich"
)

// Fluent Bit's expect ends the process with 255. Here it is a stop like any other: what was accepted is delivered first.
func TestAFilterMayStopTheRouterAndNothingIsLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tr := start(t, dir, forwardInput+`
[FILTER]
    Name expect
    Match *
    key_not_exists $bad
    key_val_eq $log line 0
    action exit
[OUTPUT]
    Name file
    Match *
    Path DIR
    File out.txt
`)
	tr.send("app", lines(10)...)
	select {
	case err := <-tr.ended:
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Status != enrich.ExitStatus || !strings.Contains(exit.Why, "key_val_eq $log line 0") {
			t.Errorf("got %v, want that expect stopped the router", err)
		}
	case <-time.After(patience):
		t.Fatalf("the router goes on; its log:\n%s", tr.log)
	}
	close(tr.ended)
	if out, _ := os.ReadFile(filepath.Join(dir, "out.txt")); bytes.Count(out, []byte("\n")) != 10 {
		t.Errorf("got %q, want 10 records", out)
	}
}
