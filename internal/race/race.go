//go:build race

// Package race tells tests whether they run under the race detector, which allocates where the program doesn't.
package race

// Enabled reports whether the race detector is in the program.
const Enabled = true

// Slowdown is how many times as long as without the race detector a test may take.
const Slowdown = 10
