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
	// memoryGoal is the heap in bytes that the collector is asked to stay below, in a container with more room too:
	// the router's promise is 50 MiB in all.
	memoryGoal = 36 << 20
	// cgroupShare is the part of a smaller container limit that the heap may take.
	cgroupShare = 0.7
)

// cgroupLimits are where the container's memory limit stands, in cgroup versions 2 and 1.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// limitMemory sets the collector's limit, unless GOMEMLIMIT sets it.
func limitMemory(log zerolog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := int64(memoryGoal)
	for _, file := range cgroupLimits {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && int64(float64(n)*cgroupShare) < limit {
			limit = int64(float64(n) * cgroupShare)
			log.Debug().Int64("bytes", limit).Msg("memory limit from the cgroup")
		}
	}
	debug.SetMemoryLimit(limit)
}
