package gather

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/sink"
)

// handOver ends the Output, as a reload does, and goes on with another one on the same queue.
func (r *rig) handOver(end context.CancelFunc) {
	r.Helper()
	end()
	<-r.done
	r.done = make(chan struct{})
	r.store.closed = 0
	r.out = New(Config{Name: "test", Queue: r.queue, Store: r.store, Retry: unlimited(), Dead: r.letters, Log: zerolog.New(zerolog.SyncWriter(&r.log)), Before: r.out})
	r.out.chunkBytes, r.out.bodyBytes = 500, 100
}

// An object of one key is late because the store refused it, those of the other key are finished. The next Output has both in its
// first chunks, and finishes the late object before it has read the others again.
func TestAReloadStoresNothingTwice(t *testing.T) {
	for name, between := range map[string]int{"once": 0, "again before a chunk is read": 1} {
		t.Run(name, func(t *testing.T) { testReload(t, between) })
	}
}

// testReload replaces the Output, after others that ended before they had read anything.
func testReload(t *testing.T, others int) {
	synctest.Test(t, func(t *testing.T) {
		store := newFolderStore(t, 2)
		store.script = func(_ context.Context, call, name string) sink.Reply {
			return failing(call != "abandon" && strings.HasPrefix(name, "1-"), errFailed)
		}
		r := newRig(t, store, buffer.Options{Dir: t.TempDir()}, unlimited())
		ctx, end := context.WithCancel(t.Context())
		r.start(ctx)
		r.add(0, 3000)
		time.Sleep(2 * store.limits.MaxAge)
		if s := r.out.Stats(); s.Delivered != 1500 {
			t.Errorf("got %+v, want 1500 delivered, and the others waiting", s)
		}
		r.handOver(end)
		for range others {
			ctx, end := context.WithCancel(t.Context())
			end()
			r.start(ctx)
			r.handOver(end)
		}
		store.script = func(context.Context, string, string) sink.Reply {
			time.Sleep(time.Millisecond)
			return sink.Reply{}
		}
		store.keyTime = 10 * time.Millisecond
		r.start(t.Context())
		eventually(t, "all is delivered", func() bool { r.check(); return r.out.Stats().Buffered == 0 })
		r.finish()
		store.wantOnce(t, 3000)
	})
}
