package gather

import (
	"context"

	"github.com/firelane/firelane/budget"
)

const (
	// minShare is the memory in bytes that each output always has: for the chunk that is scanned.
	minShare = 1 << 20
	// maxSending is how many objects of a process are sent at once: each takes Limits.Memory, several MiB.
	maxSending = 2
	// chunkBytes is the size in bytes of chunks.
	chunkBytes = 512 << 10
	// largeBody is from how many bytes on encoded records are not written while their chunk is in memory, too.
	largeBody = 1 << 20
	// bodyBytes is how many bytes of encoded records are written at once.
	bodyBytes = 128 << 10
)

// Memory is shared by the Outputs of a process.
type Memory struct {
	budget  *budget.Budget
	sending chan struct{}
}

// NewMemory makes a Memory whose Outputs take what they need from b.
func NewMemory(b *budget.Budget) *Memory {
	return &Memory{budget: b, sending: make(chan struct{}, maxSending)}
}

// enter waits until the process may send one more object; it returns false if ctx ends first.
func (m *Memory) enter(ctx context.Context) bool {
	select {
	case m.sending <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (m *Memory) leave() { <-m.sending }
