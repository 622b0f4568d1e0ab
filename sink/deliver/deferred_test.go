package deliver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// stuckWhile is a destination that refuses the items "stuck…" for now, with this item reply, while stuck says so.
func stuckWhile(stuck func() bool, refusal sink.ItemReply) *strict {
	return newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		r := sink.Reply{Cause: sink.Answered}
		for i, it := range items {
			if strings.HasPrefix(number(it), "stuck") && stuck() {
				item := refusal
				item.Index, r.Err = i, errRefused
				r.Items = append(r.Items, item)
			}
		}
		return r
	})
}

func always() bool { return true }

// blocked is how an index answers that is read-only.
var blocked = sink.ItemReply{Verdict: sink.Again, Status: 403, Type: "cluster_block_exception", Reason: "index is read-only", Busy: true}

// attemptsOf returns how often the record with this number was sent, and fails if it wasn't always under the same id.
func (r *rig) attemptsOf(n string) (attempts int) {
	r.Helper()
	last := ""
	for _, req := range r.dest.received() {
		for _, it := range req.items {
			if number(it) != n {
				continue
			}
			attempts++
			if last != "" && id(it) != last {
				r.Errorf("record %s: got it sent under the ids %s and %s, want one", n, last, id(it))
			}
			last = id(it)
		}
	}
	return attempts
}

// One record in each second's chunk is refused for ever. More of them than memory takes chunks leave the others alone; and
// once repaired all are delivered, once, under the ids that they always had.
func TestGoodRecordsNeverNoticeThoseThatAreRefusedForEver(t *testing.T) {
	const seconds, each = 1500, 10 // memory takes some hundreds of chunks
	for name, dir := range map[string]string{"on disk": t.TempDir(), "in memory": ""} {
		t.Run(name, func(t *testing.T) {
			var repaired atomic.Bool
			d := stuckWhile(func() bool { return !repaired.Load() }, blocked)
			synctest.Test(t, func(t *testing.T) {
				r := newRigOn(t, d, buffer.Options{Dir: dir}, nil)
				r.start(t.Context())
				for i := range seconds {
					r.put(append(upTo(i*each, (i+1)*each), fmt.Sprint("stuck", i))...)
					time.Sleep(time.Second)
					r.check()
					if s := r.out.Stats(); s.Delivered != int64((i+1)*each) || s.Gate != GateOpen || !s.FailingSince.IsZero() || s.Waiting > 10 {
						t.Fatalf("second %d: got %+v, want all good records delivered, no failure and few waiting", i, s)
					}
				}
				s := r.out.Stats()
				if s.Deferred < seconds-10 || s.Buffered != seconds {
					t.Errorf("got %+v, want nearly all of %d stuck records deferred", s, seconds)
				}
				if q := s.Queue; q.Records > 200 {
					t.Errorf("got %d records in the output's queue, want its chunks committed", q.Records)
				}
				if log := r.logs.String(); !strings.Contains(log, "they are deferred") || !strings.Contains(log, "index-of-stuck0") {
					t.Error("want a line of the log that names the index")
				}
				repaired.Store(true)
				eventually(t, "the stuck ones are delivered", func() bool { return r.out.Stats().Buffered == 0 })
				r.finish()
				r.wantOnce(seconds * (each + 1))
				for _, n := range []string{"stuck0", "stuck100"} {
					r.attemptsOf(n)
				}
			})
		})
	}
}

func TestTheRetryLimitCountsRefusalsAlsoOfDeferredRecords(t *testing.T) {
	for name, refusal := range map[string]sink.ItemReply{
		"an index that is blocked":   blocked,
		"an ingest pipeline's fault": {Verdict: sink.Again, Status: 500, Reason: "pipeline"},
	} {
		for _, limit := range []int{0, 3, 7} {
			d := stuckWhile(always, refusal)
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, d, func(c *Config) { c.Retry.Limit = limit })
				r.start(t.Context())
				for i := range 300 {
					if i == 10 {
						r.put("stuck")
					}
					r.put(fmt.Sprint(i))
					time.Sleep(time.Second)
					r.check()
				}
				s := r.finish()
				r.wantOnce(300)
				if n := r.attemptsOf("stuck"); s.Dead != 1 || n != limit+1 {
					t.Fatalf("%s, limit %d: got %+v after %d attempts, want the record dead after %d", name, limit, s, n, limit+1)
				}
				if g := r.dead.dead[0]; g.Status != refusal.Status || !strings.Contains(g.Reason, fmt.Sprintf("after %d refusals (retry_limit): %s", limit+1, refusal.Reason)) {
					t.Errorf("%s, limit %d: got %+v, want the last refusal and the limit", name, limit, g)
				}
			})
		}
	}
}

// While nothing passes, what an operator repairs is like an outage: it counts against no limit, and waits in the queue.
func TestWhenNothingPassesAllRecordsWait(t *testing.T) {
	for _, before := range []int{0, 1000} { // good records before
		var repaired atomic.Bool
		d := stuckWhile(func() bool { return !repaired.Load() }, blocked)
		synctest.Test(t, func(t *testing.T) {
			r := newRigOn(t, d, buffer.Options{Limit: 8 << 20}, func(c *Config) { c.Retry.Limit = 5; c.Limits.MaxItems = 50 })
			r.start(t.Context())
			if before > 0 {
				r.put(upTo(0, before)...)
			}
			time.Sleep(time.Second)
			line := strings.Repeat("x", 1000)
			for i := range 100 {
				var texts []string
				for k := range 50 {
					texts = append(texts, fmt.Sprint("stuck", 50*i+k, line))
				}
				r.put(texts...)
			}
			time.Sleep(25 * time.Hour)
			r.check()
			s := r.out.Stats()
			if s.Dead > 0 || s.Buffered != 5000 || s.FailingSince.IsZero() || s.Gate != GateFailing {
				t.Errorf("got %+v, want all records buffered, and a failure", s)
			}
			if limit := s.Queue.Limit / deferredShare; s.DeferredQueue.Bytes > limit+deferredChunk {
				t.Errorf("got %d bytes deferred, want at most %d", s.DeferredQueue.Bytes, limit)
			}
			if n := len(d.received()); n > 50_000 {
				t.Errorf("got %d requests in 25 hours, want few", n)
			}
			repaired.Store(true)
			eventually(t, "all are delivered", func() bool { return r.out.Stats().Buffered == 0 })
			r.finish()
			r.wantOnce(5000 + before)
		})
	}
}

// Some go to the dead letter when more are deferred than there is room for.
func TestDeferredRecordsAreBoundedInBytes(t *testing.T) {
	d := stuckWhile(always, blocked)
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, d, buffer.Options{Dir: t.TempDir(), Limit: 4 << 20}, nil)
		r.start(t.Context())
		line := strings.Repeat("x", 2000)
		const n = 2000
		for i := range n {
			r.put(fmt.Sprint("good", i, line), fmt.Sprint("stuck", i, line))
			time.Sleep(20 * time.Millisecond)
			if s := r.out.Stats(); s.DeferredQueue.Bytes > 5<<18+2*deferredChunk {
				t.Fatalf("got %d bytes deferred, want about %d", s.DeferredQueue.Bytes, 1<<20)
			}
		}
		time.Sleep(5 * time.Second)
		r.check()
		s := r.out.Stats()
		if s.Delivered != n || s.Dead < n/2 || s.DeferredQueue.Bytes > 1<<20 || s.Deferred < n/8 {
			t.Errorf("got %+v, want all good records delivered, and the others deferred up to the limit", s)
		}
		if got := r.dead.numbers()[0]; !strings.HasPrefix(got, "stuck") || !strings.Contains(r.dead.dead[0].Reason, "deferred records wait: index is read-only") {
			t.Errorf("got %.10s dead first, with %q; want a stuck one, with why", got, r.dead.dead[0].Reason)
		}
		r.finish()
		r.wantOnce(n)
	})
}

func TestDeferredRecordsAreBoundedInTime(t *testing.T) {
	d := stuckWhile(always, sink.ItemReply{Verdict: sink.Again, Status: 429, Reason: "hot shard"})
	dir := t.TempDir()
	hours := func(t *testing.T, r *rig, n int) Stats {
		for i := range n {
			r.put(fmt.Sprint("hour", i))
			time.Sleep(time.Hour)
			r.check()
		}
		return r.out.Stats()
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, d, buffer.Options{Dir: dir}, nil)
		r.start(t.Context())
		r.put("a good one")
		time.Sleep(time.Second)
		r.put("stuck")
		if s := hours(t, r, 12); s.Dead != 0 || s.Deferred != 1 {
			t.Errorf("got %+v, want the record deferred", s)
		}
		r.finish()
		r = newRigOn(t, d, buffer.Options{Dir: dir}, nil) // the time before the restart counts
		r.start(t.Context())
		if s := hours(t, r, 11); s.Dead != 0 || s.Deferred != 1 {
			t.Errorf("got %+v after 23 hours, want the record deferred", s)
		}
		if s := hours(t, r, 3); s.Dead != 1 || s.Buffered != 0 || !strings.Contains(r.dead.dead[0].Reason, "refused for 24h0m0s: hot shard") {
			t.Errorf("got %+v after 26 hours, want the record dead", s)
		}
		r.finish()
	})
}

// A crash between a record's being deferred and the commit of its chunk: it is in both queues.
func TestAKillBetweenDeferringAndCommitLosesAndDoublesNothing(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	var repaired atomic.Bool
	d := stuckWhile(func() bool { return !repaired.Load() }, blocked)
	refuse := d.script
	d.script = func(ctx context.Context, n int, items []string) sink.Reply {
		if number(items[0]) == "hangs" && !repaired.Load() {
			<-ctx.Done()
			return sink.Reply{Verdict: sink.Again, Err: ctx.Err()}
		}
		return refuse(ctx, n, items)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, d, buffer.Options{Dir: dir}, func(c *Config) { c.Limits.MaxItems = 1 })
		ctx, cancel := context.WithCancel(t.Context())
		r.start(ctx)
		r.put("a good one")
		time.Sleep(time.Second)
		r.put("stuck", "good", "hangs")
		eventually(t, "it is deferred", func() bool { return r.out.Stats().Deferred == 1 })
		if s := r.out.Stats(); s.Queue.Committed != 1 || s.Buffered != 2 {
			t.Errorf("got %+v, want the chunk uncommitted and two records buffered", s)
		}
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil { // as a kill leaves it
			t.Fatal(err)
		}
		cancel()
		r.wait()
		repaired.Store(true)

		d.mu.Lock()
		for id := range d.taken { // what is written again is a 409
			d.taken[id] = 0
		}
		d.mu.Unlock()
		r = newRigOn(t, d, buffer.Options{Dir: copied}, nil)
		r.start(t.Context())
		eventually(t, "all are delivered", func() bool { return r.out.Stats().Buffered == 0 })
		s := r.finish()
		if s.Queue.Recovered+s.DeferredQueue.Recovered != 4 || s.Delivered != 4 {
			t.Errorf("got %+v, want four records recovered and delivered: one of them is there twice", s)
		}
		if len(d.taken) != 4 {
			t.Errorf("got the ids %v, want one for each of the four records", d.taken)
		}
		r.attemptsOf("stuck")
	})
}

func TestAStopDoesntWaitForDeferredRecords(t *testing.T) {
	for name, dir := range map[string]string{"on disk": t.TempDir(), "in memory": ""} {
		t.Run(name, func(t *testing.T) {
			var repaired atomic.Bool
			d := stuckWhile(func() bool { return !repaired.Load() }, blocked)
			synctest.Test(t, func(t *testing.T) {
				r := newRigOn(t, d, buffer.Options{Dir: dir}, nil)
				r.start(t.Context())
				const n = 500
				for i := range n {
					r.put(fmt.Sprint(i), fmt.Sprint("stuck", i))
				}
				time.Sleep(10 * time.Second)
				r.put("last", "stuck last")
				before := r.attemptsOf("stuck7")
				begun := time.Now()
				s := r.finish()
				if w := time.Since(begun); w > 3*time.Second {
					t.Errorf("got it ended after %v, want soon", w)
				}
				r.wantOnce(n + 1)
				if s.Buffered != n+1 || s.Deferred != n+1 || r.attemptsOf("stuck7") <= before {
					t.Errorf("got %+v, want %d records deferred, each tried once more", s, n+1)
				}
				if dir == "" {
					return
				}
				repaired.Store(true)
				r = newRigOn(t, d, buffer.Options{Dir: dir}, nil)
				r.start(t.Context())
				eventually(t, "the next start delivers them", func() bool { return r.out.Stats().Buffered == 0 })
				r.finish()
				r.wantOnce(2*n + 2)
			})
		})
	}
}

// At a stop deferred records that pass after all are not left behind.
func TestAStopDeliversDeferredRecordsThatPass(t *testing.T) {
	var repaired atomic.Bool
	d := stuckWhile(func() bool { return !repaired.Load() }, blocked)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.start(t.Context())
		r.put("good", "stuck")
		time.Sleep(time.Hour)
		repaired.Store(true)
		if s := r.finish(); s.Buffered != 0 {
			t.Errorf("got %+v, want nothing buffered", s)
		}
	})
}

func TestRecordsThatCantBeDeferredStayInTheirChunk(t *testing.T) {
	dir := t.TempDir()
	var repaired atomic.Bool
	d := stuckWhile(func() bool { return !repaired.Load() }, blocked)
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, d, buffer.Options{Dir: dir}, nil)
		inTheWay := filepath.Join(dir, "test", deferredName)
		if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r.start(t.Context())
		for i := range 100 {
			r.put(fmt.Sprint(i), fmt.Sprint("stuck", i))
			time.Sleep(time.Second)
			r.check()
		}
		if s := r.out.Stats(); s.Delivered != 100 || s.Waiting != 100 || s.Deferred != 0 {
			t.Errorf("got %+v, want 100 delivered and 100 waiting", s)
		}
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		eventually(t, "they are deferred", func() bool { return r.out.Stats().Deferred == 100 })
		repaired.Store(true)
		eventually(t, "they are delivered", func() bool { return r.out.Stats().Buffered == 0 })
		r.finish()
		r.wantOnce(200)
	})
}

// A record that makes its whole request fail, as a proxy's rule may have it, is deferred, too, once it is alone.
func TestARecordThatMakesRequestsFailIsDeferred(t *testing.T) {
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		if strings.Contains(strings.Join(items, ""), "poison") {
			return sink.Reply{Verdict: sink.Again, Err: errRefused, Status: 403, Cause: sink.Unauthorised}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.start(t.Context())
		r.put("a", "poison", "b")
		for i := range 300 {
			r.put(fmt.Sprint(i))
			time.Sleep(time.Second)
			r.check()
		}
		if s := r.out.Stats(); s.Delivered != 302 || s.Deferred != 1 || s.Waiting != 0 {
			t.Errorf("got %+v, want one record deferred, and its company delivered", s)
		}
		if s := r.finish(); s.Buffered != 1 {
			t.Errorf("got %+v, want one record buffered", s)
		}
	})
}

// An overload refuses many items, some of them often. None is given up, and none is delivered twice.
func TestItemsRefusedByAnOverloadArriveInTheEnd(t *testing.T) {
	var n atomic.Int32
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		r := sink.Reply{Cause: sink.Answered}
		for i := range items {
			if n.Add(1)%10 < 6 {
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Again, Status: 429, Busy: true})
			}
		}
		if len(r.Items) == len(items) {
			r.Cause = sink.Throttled
		}
		return r
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, func(c *Config) { c.Retry.Limit = 1 })
		r.start(t.Context())
		for i := range 200 {
			r.put(upTo(i*20, (i+1)*20)...)
			time.Sleep(100 * time.Millisecond)
			r.check()
		}
		eventually(t, "all are delivered", func() bool { return r.out.Stats().Buffered == 0 })
		if s := r.finish(); s.Dead != 0 {
			t.Errorf("got %+v, want none dead", s)
		}
		r.wantOnce(4000)
	})
}

func TestADamagedDeferredBatchCostsItsRecordsOnly(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		main, err := buffer.Open(buffer.Options{Dir: dir, Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		q, err := main.Sub(deferredName, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{{9}, {0, 255, 255, 255, 255, 1}, batchOf("1")} { // none is one of deferred records
			if err := q.Append(t.Context(), b, 2, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(q.Close(), main.Close()); err != nil {
			t.Fatal(err)
		}
		r := newRigOn(t, newStrict(nil), buffer.Options{Dir: dir}, nil)
		r.put("good")
		r.start(t.Context())
		eventually(t, "it ends", func() bool { return r.out.Stats().Buffered == 0 })
		if s := r.finish(); s.Unreadable != 6 || s.Delivered != 1 {
			t.Errorf("got %+v, want 6 unreadable and 1 delivered", s)
		}
		if _, err := os.Stat(filepath.Join(dir, "test", deferredName)); !os.IsNotExist(err) {
			t.Errorf("got %v for the folder of the empty queue, want it removed", err)
		}
	})
}

func TestMarksAreReadAsTheyWereWritten(t *testing.T) {
	var w deferredWriter
	var want []mark
	for i := range 3 {
		var r sink.Record
		r.Tag, r.Body = "app", []byte{0x80}
		m := mark{refused: uint16(7 * i), waited: uint32(i) << 20, at: uint32(i)}
		m.id.Queue, m.id.Pos = [10]byte{byte(i), 9: 1}, uint64(i)<<40
		want = append(want, m)
		w.add(m, &r)
	}
	b := slices.Clone(w.bytes())
	got, records, ok := readMarks(nil, b)
	if !ok || !slices.Equal(got, want) || len(records) == 0 {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	for n := range len(b) - len(records) {
		if _, _, ok := readMarks(nil, b[n+len(records)+1:]); ok {
			t.Errorf("got the last %d of %d bytes read, want them refused", len(b)-n-len(records)-1, len(b))
		}
	}
}

// Records that are refused because of an overload aren't given up, however many there are: they hold up others in the end.
func TestAnOverloadDefersNoMoreThanTheLimit(t *testing.T) {
	var over atomic.Bool
	d := stuckWhile(func() bool { return !over.Load() }, sink.ItemReply{Verdict: sink.Again, Status: 429, Reason: "busy", Busy: true})
	synctest.Test(t, func(t *testing.T) {
		const limit = 32 << 20
		r := newRigOn(t, d, buffer.Options{Dir: t.TempDir(), Limit: limit}, nil)
		r.start(t.Context())
		line := strings.Repeat("x", 2000)
		const n = 2000
		for i := range n {
			texts := []string{fmt.Sprint(i)}
			for k := range 5 {
				texts = append(texts, fmt.Sprint("stuck", i, "-", k, line))
			}
			r.put(texts...)
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		r.check()
		if s := r.out.Stats(); s.Dead > 0 || s.DeferredQueue.Bytes > limit/deferredShare*5/4+deferredChunk || s.DeferredQueue.Bytes < limit/deferredShare {
			t.Errorf("got %+v, want none dead and a full deferred queue", s)
		}
		over.Store(true)
		eventually(t, "all are delivered", func() bool { return r.out.Stats().Buffered == 0 })
		r.finish()
		r.wantOnce(6 * n)
	})
}

func TestAStopDoesntWaitForADeferredRecordThatHangs(t *testing.T) {
	var hang atomic.Bool
	d := stuckWhile(always, blocked)
	refuse := d.script
	d.script = func(ctx context.Context, n int, items []string) sink.Reply {
		if hang.Load() && strings.HasPrefix(number(items[0]), "stuck") {
			<-ctx.Done()
			return sink.Reply{Verdict: sink.Again, Err: ctx.Err()}
		}
		return refuse(ctx, n, items)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, d, nil)
		r.start(t.Context())
		r.put("good", "stuck")
		time.Sleep(time.Minute)
		hang.Store(true)
		begun := time.Now()
		s := r.finish()
		if w := time.Since(begun); w > lastRound || s.Buffered != 1 || s.Deferred != 1 {
			t.Errorf("got it ended after %v with %+v, want at most %v and the record deferred", w, s, lastRound)
		}
	})
}

// A user may set long waits between retries. Refused records that hold all memory meanwhile are deferred earlier.
func TestRefusedRecordsMakeRoomInMemory(t *testing.T) {
	d := stuckWhile(always, blocked)
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, d, buffer.Options{Dir: t.TempDir()}, func(c *Config) { c.Retry.Base, c.Retry.Cap = time.Hour, time.Hour })
		r.start(t.Context())
		line := strings.Repeat("x", 1000)
		const batches, each = 200, 100
		for i := range batches {
			texts := []string{fmt.Sprint("stuck", i)}
			for k := range each {
				texts = append(texts, fmt.Sprint(i, "-", k, line))
			}
			r.put(texts...)
		}
		time.Sleep(time.Second)
		r.check()
		if s := r.out.Stats(); s.Delivered != batches*each || s.Waiting > batches/2 {
			t.Errorf("got %+v, want all good records delivered", s)
		}
		r.finish()
	})
}

// A deferred record that kills the process goes to the dead letter like any other, and no other in its place.
func TestADeferredRecordThatKillsIsGivenUp(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	main, err := buffer.Open(buffer.Options{Dir: dir, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	q, err := main.Sub(deferredName, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var w deferredWriter
	for i, text := range []string{"before", "kills", "after"} {
		var r sink.Record
		r.Tag, r.Body = "app", record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "n"), text)
		w.add(mark{id: record.ID{Queue: [10]byte{7}, Pos: 1000 - uint64(i)}}, &r)
	}
	if err := q.Append(t.Context(), w.bytes(), w.records(), nil); err != nil {
		t.Fatal(err)
	}
	c, err := q.Next(t.Context(), 1<<20, sink.Immediately)
	if err != nil {
		t.Fatal(err)
	}
	q.Attempting(0, buffer.Attempt{Queue: c.Queue, First: c.First + 1, Records: 1, Deaths: fatalDeaths})
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	if err := errors.Join(q.Close(), main.Close()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRigOn(t, newStrict(nil), buffer.Options{Dir: copied}, nil)
		r.start(t.Context())
		eventually(t, "all end", func() bool { return r.out.Stats().Buffered == 0 })
		r.finish()
		r.wantOnce(2)
		want := record.ID{Queue: [10]byte{7}, Pos: 999}.String()
		if got := r.dead.numbers(); !slices.Equal(got, []string{"kills"}) || r.dead.dead[0].Type != "fatal" || r.dead.ids[0] != want {
			t.Errorf("got the dead letters %v with the ids %v, want the one that kills, with its own id %s", got, r.dead.ids, want)
		}
	})
}
