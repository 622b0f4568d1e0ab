package main

import (
	"os"
	"runtime"
)

// useOneCore makes Go code run on one core at a time, unless GOMAXPROCS is set. One core is enough for 400,000 records a
// second, more than a task writes. With two, idle threads search for work whenever a client writes, and records that are
// written one at a time cost half as much CPU again (see docs/benchmarks.md). Threads blocked in system calls don't count, so a
// slow disk delays only the goroutine that waits for it.
func useOneCore() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
