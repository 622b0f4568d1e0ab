package main

import (
	"os"
	"runtime"
)

// useOneCore makes Go code run on one core at a time, unless GOMAXPROCS says otherwise. With one, 400,000 records a
// second pass, more than a task writes; with two, idle threads look for work whenever a client writes, and a load of one
// record a write costs half as much again (see docs/benchmarks.md). System calls don't count: a slow disk holds up nobody.
func useOneCore() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
