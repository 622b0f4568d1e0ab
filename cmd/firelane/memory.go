package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
)

// Memory settings.
const (
	// memoryGoal is the memory limit for Go's garbage collector, in bytes. It applies in larger containers too: the router
	// promises not to use more than 50 MiB in all.
	memoryGoal = 33 << 20
	// cgroupShare is the fraction of the container's memory limit that is used instead, if that is lower.
	cgroupShare = 0.7
)

// cgroupLimits are the files with the container's memory limit, in cgroup versions 2 and 1.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// limitMemory sets the garbage collector's limit, unless GOMEMLIMIT is set.
func limitMemory(log zerolog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit, from := int64(memoryGoal), "the router's own limit"
	for _, file := range cgroupLimits {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && int64(float64(n)*cgroupShare) < limit {
			limit, from = int64(float64(n)*cgroupShare), file
		}
	}
	log.Debug().Int64("limit_bytes", limit).Str("from", from).Msg("the memory of Go's heap is limited")
	debug.SetMemoryLimit(limit)
}
