package check

import "testing"

// Docker's driver reads log-driver-buffer-limit as a size in bytes (the tests of RAMInBytes in docker/go-units), and takes it for a number
// of lines.
func TestTheBufferLimitIsReadAsDockerDoes(t *testing.T) {
	for text, want := range map[string]int{
		"32": 32, "32b": 32, "32B": 32, "32k": 32 << 10, "32K": 32 << 10, "32kb": 32 << 10, "32Kib": 32 << 10, "32Mb": 32 << 20, "10m": 10 << 20, "32.5kB": 33280, "32 MB": 32 << 20,
		"hello": -1, "": -1, "32m b": -1, "32bm": -1, "10m/s": -1, " 32": -1,
	} {
		n, ok := bufferLines(text)
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%q: got %d, want %d", text, n, want)
		}
	}
}
