package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/buffer"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

func TestEveryRecordIsInOneObject(t *testing.T) {
	for _, keys := range []int{1, 3, 40} {
		t.Run(fmt.Sprint(keys, " keys"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newFolderStore(t, keys), buffer.Options{}, unlimited())
				r.start(t.Context())
				r.add(0, 5000)
				eventually(t, "all is delivered after the objects' time", func() bool { r.check(); return r.out.Stats().Delivered == 5000 })
				r.add(5000, 5100)
				s := r.finish()
				r.store.wantOnce(t, 5100)
				if s.Delivered != 5100 || s.Buffered != 0 || s.Queue.Records != 0 {
					t.Errorf("got %+v, want 5100 delivered", s)
				}
			})
		})
	}
}

func TestAnObjectIsFinishedAtItsSizeOrAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFolderStore(t, 1), buffer.Options{}, unlimited())
		r.start(t.Context())
		start := time.Now()
		r.add(0, 1000) // 3,890 bytes of lines
		eventually(t, "an object of the size", func() bool { return len(r.store.objects(t)) == 1 })
		if took := time.Since(start); took > time.Second {
			t.Errorf("got the first object after %v, want it at once", took)
		}
		for name, text := range r.store.objects(t) {
			if len(text) < 2000 || len(text) > 2400 {
				t.Errorf("object %s has %d bytes, want about 2,000", name, len(text))
			}
		}
		eventually(t, "the rest", func() bool { return len(r.store.objects(t)) == 2 })
		if took := time.Since(start); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("got the second object after %v, want it after a minute", took)
		}
		r.finish()
		r.store.wantOnce(t, 1000)
	})
}

// An open object is sent in advance, so that little is left for the moment at which it must be finished.
func TestPartsOfAnOpenObjectAreSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFolderStore(t, 1), buffer.Options{}, unlimited())
		r.start(t.Context())
		r.add(0, 400)
		time.Sleep(5 * time.Second)
		parts := 0
		r.store.mu.Lock()
		calls := slices.Clone(r.store.calls)
		r.store.mu.Unlock()
		for _, c := range calls {
			if strings.HasPrefix(c, "write") {
				parts++
			}
		}
		if parts < 2 || len(r.store.objects(t)) > 0 {
			t.Errorf("got %d parts and %d objects, want parts of the open object", parts, len(r.store.objects(t)))
		}
		r.finish()
		r.store.wantOnce(t, 400)
	})
}

func TestAStopFinishesWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFolderStore(t, 3), buffer.Options{}, unlimited())
		r.start(t.Context())
		r.add(0, 100)
		time.Sleep(time.Second)
		start := time.Now()
		r.out.Hurry()
		r.add(100, 120) // a client still sends
		eventually(t, "the queue is empty", func() bool { return r.out.Stats().Buffered == 0 })
		if took := time.Since(start); took > time.Second {
			t.Errorf("emptied after %v, want at once", took)
		}
		r.finish()
		r.store.wantOnce(t, 120)
	})
}

func TestAStoreThatFailsGetsEveryRecordOnce(t *testing.T) {
	for name, script := range map[string]func(n int64, call string) sink.Reply{
		"every third call":  func(n int64, _ string) sink.Reply { return failing(n%3 == 0, errFailed) },
		"finish fails once": func(n int64, call string) sink.Reply { return failing(call == "finish" && n%2 == 0, errFailed) },
		"uploads are lost": func(n int64, call string) sink.Reply {
			return failing(call != "abandon" && n%17 == 0, fmt.Errorf("%w: %w", errFailed, ErrGone))
		},
		"down for a while": func(n int64, _ string) sink.Reply { return failing(n > 10 && n < 30, errFailed) },
		"panics": func(n int64, _ string) sink.Reply {
			if n%5 == 0 {
				panic("a bug")
			}
			return sink.Reply{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFolderStore(t, 3)
				var n atomic.Int64
				store.script = func(_ context.Context, call, _ string) sink.Reply { return script(n.Add(1), call) }
				r := newRig(t, store, buffer.Options{Dir: t.TempDir()}, unlimited())
				r.start(t.Context())
				r.add(0, 2000)
				eventually(t, "all is delivered", func() bool { r.check(); return r.out.Stats().Delivered == 2000 })
				r.finish()
				if log := r.log.String(); name != "panics" && (!strings.Contains(log, "records wait, ") || !strings.Contains(log, "delivering again after ")) {
					t.Errorf("got this log, want why records waited, and that it is over:\n%s", log)
				}
				r.store.wantOnce(t, 2000)
			})
		})
	}
}

var errFailed = errors.New("writing test: failed")

func failing(when bool, err error) sink.Reply {
	if when {
		return sink.Reply{Verdict: sink.Again, Err: err}
	}
	return sink.Reply{}
}

func TestRecordsThatCannotBeEncodedGoToTheDeadLetterOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFolderStore(t, 1)
		var n atomic.Int64
		store.script = func(context.Context, string, string) sink.Reply { return failing(n.Add(1)%2 == 0, errFailed) }
		r := newRig(t, store, buffer.Options{}, unlimited())
		r.start(t.Context())
		for i := 0; i < 500; i += 10 {
			texts := append(upTo(i, i+10), "unencodable", "panic")
			if err := r.queue.Append(t.Context(), batchOf(texts...), len(texts), nil); err != nil {
				t.Fatal(err)
			}
		}
		s := r.finish()
		r.store.wantOnce(t, 500)
		if s.Dead != 100 || len(r.letters.reasons) != 100 || s.Delivered != 500 {
			t.Errorf("got %d dead letters, %d counted, and %d delivered; want 100 and 500", len(r.letters.reasons), s.Dead, s.Delivered)
		}
	})
}

func TestAnObjectOfRecordsThatCannotBeEncodedIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFolderStore(t, 1), buffer.Options{}, unlimited())
		r.start(t.Context())
		if err := r.queue.Append(t.Context(), batchOf("unencodable"), 1, nil); err != nil {
			t.Fatal(err)
		}
		if s := r.finish(); s.Dead != 1 || len(r.store.objects(t)) != 0 {
			t.Errorf("got %+v, want one dead letter and no object", s)
		}
	})
}

func TestARefusedObjectGoesToTheDeadLetter(t *testing.T) {
	refused := sink.Reply{Verdict: sink.Never, Cause: sink.Answered, Status: 400, Err: errors.New("finishing test: refused")}
	again := sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Status: 400, Err: errors.New("finishing test: refused")}
	for name, tt := range map[string]struct {
		reply sink.Reply
		retry sink.Retry
	}{
		"for good":             {refused, unlimited()},
		"more often than said": {again, sink.Retry{Limit: 2, Base: time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFolderStore(t, 2)
				store.script = func(_ context.Context, call, name string) sink.Reply {
					if call == "finish" && strings.HasPrefix(name, "1-") {
						return tt.reply
					}
					return sink.Reply{}
				}
				r := newRig(t, store, buffer.Options{}, tt.retry)
				r.start(t.Context())
				r.add(0, 100)
				time.Sleep(time.Second) // longer than a chunk waits for more records: all are in an object before it is ended
				s := r.finish()
				if log := r.log.String(); !strings.Contains(log, `"the destination refused all 50 records of a request for good (400): they are in the dead letter`) ||
					!strings.Contains(log, `"the destination refused 49 more records for good (400): 50 in all are in the dead letter`) {
					t.Errorf("got this log, want an error for the first record, and the other 49:\n%s", log)
				}
				if s.Delivered != 50 || s.Dead != 50 || len(r.letters.reasons) != 50 || !strings.Contains(r.letters.reasons[0], "refused") {
					t.Errorf("got %+v and reasons %q, want 50 delivered and 50 dead letters", s, r.letters.reasons[:min(1, len(r.letters.reasons))])
				}
			})
		})
	}
}

// With a queue that drops its oldest, each record is counted once whatever had been sent of it.
func TestAccountsAddUpWhenTheQueueDropsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFolderStore(t, 3)
		down := atomic.Bool{}
		store.script = func(context.Context, string, string) sink.Reply { return failing(down.Load(), errFailed) }
		r := newRig(t, store, buffer.Options{Limit: 20_000, Full: buffer.DropOldest}, unlimited())
		r.start(t.Context())
		for i := range 20 {
			down.Store(i%2 == 0)
			r.add(1000*i, 1000*(i+1))
			time.Sleep(100 * time.Millisecond)
			r.check()
		}
		down.Store(false)
		s := r.finish()
		if s.Queue.DroppedNoRoom == 0 || s.Delivered == 0 || s.Delivered+s.Queue.DroppedNoRoom != 20_000 {
			t.Errorf("got %+v, want some of 20,000 dropped and the others delivered", s)
		}
	})
}

// Objects that are open must not fill the queue: the oldest is finished early.
func TestAFullQueueFinishesTheOldestObjectEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFolderStore(t, 3)
		store.limits.ObjectBytes, store.limits.PartBytes = 1<<20, 1<<20
		r := newRig(t, store, buffer.Options{Limit: 20_000}, unlimited())
		r.start(t.Context())
		start := time.Now()
		r.add(0, 5000)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("appending took %v, want no wait for the objects' time", took)
		}
		r.finish()
		r.store.wantOnce(t, 5000)
	})
}

func TestAStopThatIsOverLeavesTheRestToTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	store := newFolderStore(t, 3)
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		store.script = func(ctx context.Context, _, _ string) sink.Reply {
			if n.Add(1) > 8 {
				<-ctx.Done()
			}
			return failing(ctx.Err() != nil, ctx.Err())
		}
		r := newRig(t, store, buffer.Options{Dir: dir}, unlimited())
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		r.add(0, 3000)
		r.out.Drain()
		time.Sleep(time.Second)
		cancel()
		if s := r.wait(); s.Buffered == 0 || s.FailingSince != (time.Time{}) {
			t.Errorf("got %+v, want that records are left, and no failure", s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		store.script, store.closed = nil, 0
		r := newRig(t, store, buffer.Options{Dir: dir}, unlimited())
		r.start(t.Context())
		r.finish()
		store.wantOnce(t, 3000)
	})
}

func TestIndicesGoOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	store := newFolderStore(t, 1)
	store.limits.Indexed = true
	var all []string
	for n := range 3 {
		synctest.Test(t, func(t *testing.T) {
			store.closed = 0
			r := newRig(t, store, buffer.Options{Dir: dir}, unlimited())
			r.start(t.Context())
			r.add(1000*n, 1000*(n+1))
			r.finish()
		})
	}
	for name := range store.objects(t) {
		all = append(all, name[strings.LastIndex(name, "-")+1:])
	}
	for n := range all {
		if !slices.Contains(all, fmt.Sprint(n)) {
			t.Errorf("got indices %v, want one of each from 0 on", all)
		}
	}
	store.wantOnce(t, 3000)
}

// With slices of time an object has the records of one, and is finished some time after its end; late records wait a little.
func TestAnObjectHasOneSliceOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFolderStore(t, 1)
		store.limits.Slice, store.limits.SliceWait, store.limits.SliceOffset = 10*time.Minute, time.Minute, 5*time.Minute
		r := newRig(t, store, buffer.Options{}, unlimited())
		r.start(t.Context())
		start := time.Now() // midnight: in the middle of a slice, because of the offset
		var b record.Batch
		for i, age := range []time.Duration{0, time.Hour, -7 * time.Minute, 0} {
			at := record.Time{Sec: uint32(start.Add(-age).Unix())}
			b.Add("app", at, record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "n"), fmt.Sprint(i)))
		}
		if err := r.queue.Append(t.Context(), b.Bytes(), b.Records(), nil); err != nil {
			t.Fatal(err)
		}
		for n, want := range []time.Duration{minLateAge, 6 * time.Minute, 16 * time.Minute} {
			time.Sleep(time.Until(start.Add(want - time.Second)))
			before := len(r.store.objects(t))
			time.Sleep(2 * time.Second)
			if after := len(r.store.objects(t)); before != n || after != n+1 {
				t.Errorf("got %d objects before %v and %d after it, want %d and %d", before, want, after, n, n+1)
			}
		}
		r.finish()
		r.store.wantOnce(t, 4)
	})
}

// The first record alone fills an object, and the store fails to finish it. Then the chunk, which has other records, is dropped to
// make room: the object still ends after that record.
func TestAnObjectWhoseOnlyChunkIsDroppedEndsWhereItWasSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFolderStore(t, 1)
		down := atomic.Bool{}
		down.Store(true)
		store.script = func(_ context.Context, call, _ string) sink.Reply {
			return failing(call == "finish" && down.Load(), errFailed)
		}
		r := newRig(t, store, buffer.Options{Limit: 16 << 10, Full: buffer.DropOldest}, unlimited())
		r.start(t.Context())
		texts := append([]string{"1" + strings.Repeat("0", 3000)}, upTo(1, 10)...)
		if err := r.queue.Append(t.Context(), batchOf(texts...), len(texts), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for r.out.Stats().Queue.DroppedNoRoom == 0 {
			r.add(10, 110)
		}
		down.Store(false)
		if s := r.finish(); s.Delivered+s.Queue.DroppedNoRoom != s.Queue.Appended {
			t.Errorf("got %+v, want that each record is delivered or dropped", s)
		}
	})
}
