package kafka

import (
	"context"

	"github.com/firelane/firelane/sink"
)

// Turns let many in together, or one alone. They are a sync.RWMutex whose waits end with a context.
type turns struct {
	door   chan struct{} // has a value while somebody comes in: who wants to be alone isn't overtaken
	inside chan struct{} // has a value for each who is in, everybody for one who is alone
}

const everybody = sink.MaxWorkers // Sends at once

func newTurns() turns {
	return turns{make(chan struct{}, 1), make(chan struct{}, everybody)}
}

// enter waits for a place among others (n is 1), or for all places (n is everybody). It reports whether the caller is in.
func (t turns) enter(ctx context.Context, n int) bool {
	if !put(ctx, t.door) {
		return false
	}
	defer func() { <-t.door }()
	for i := range n {
		if !put(ctx, t.inside) {
			t.leave(i)
			return false
		}
	}
	return true
}

// leave gives n places back.
func (t turns) leave(n int) {
	for range n {
		<-t.inside
	}
}

// put waits until to has room for a value. It reports whether it has put one there.
func put(ctx context.Context, to chan struct{}) bool {
	select {
	case to <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
