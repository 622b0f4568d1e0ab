package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The whole table of faults, small: nothing is lost or duplicated, the accounts agree, memory keeps to its limit.
func TestFaultsAtASmallScale(t *testing.T) {
	bench := filepath.Join(t.TempDir(), "faultbench")
	if out, err := exec.Command("go", "build", "-o", bench, "./faultbench").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), bench, "-short", "-routers", "firelane", "-firelane", world.binary).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
