package router

import (
	"context"
	"testing"

	"github.com/firelane/firelane/record"
)

// TestNoConfigurationTakesOverWithinABurst: the events of a burst were read for the configuration that it began with.
func TestNoConfigurationTakesOverWithinABurst(t *testing.T) {
	r := opened(t, nullOutputs("*", "app"))
	i := r.newIntake(r.inputs[0])
	now, cancel := context.WithCancel(t.Context())
	cancel()
	i.Begin()
	i.Add([]byte("app"), record.Time{Sec: 1}, logBody("one"))
	if i.r.gate.close(now) {
		t.Error("the gate closed within a burst")
	}
	i.End()
	if !i.r.gate.close(now) {
		t.Error("the gate didn't close after the burst")
	}
	i.r.gate.open()
	flush(t, i)
}
