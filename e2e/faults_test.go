package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The whole table of faults, small: nothing is lost or duplicated, the accounts agree, memory keeps to its limit.
func TestFaultsAtASmallScale(t *testing.T) {
	runBench(t)
}

// The faults of every destination that doesn't speak _bulk, smaller still: nothing is lost, and what comes twice is what the
// service can't tell.
func TestFaultsOfEveryDestination(t *testing.T) {
	runBench(t, "-services", "-records", "20000", "-parallel", "6")
}

// One, two and three routers that consume a topic: each record once.
func TestConsumersOfATopic(t *testing.T) {
	runBench(t, "-consumers", "-records", "40000")
}

// All attacks, with a small load: no record is lost, nothing is killed, and the neighbour notices little.
func TestAttacksAtASmallScale(t *testing.T) {
	runBench(t, "-attack")
}

// runBench runs the table of faults at a small scale.
func runBench(t *testing.T, args ...string) {
	t.Helper()
	bench := filepath.Join(t.TempDir(), "faultbench")
	if out, err := exec.Command("go", "build", "-o", bench, "./faultbench").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args = append([]string{"-short", "-routers", "firelane", "-firelane", world.binary}, args...)
	out, err := exec.CommandContext(t.Context(), bench, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
