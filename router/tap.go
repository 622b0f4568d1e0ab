package router

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firelane/firelane/record"
)

// Limits of taps.
const (
	maxTaps = 16 // of all outputs
	// tapLines is how many lines wait for a viewer, maxTapBytes how many bytes of them.
	tapLines    = 256
	maxTapBytes = 256 << 10
)

// Tap shows what is queued for an output from now on: one JSON object a record, {"tag", "time", "record"}, at most
// bytesPerSecond bytes of them. It never holds up the records: lines that the viewer is too slow for, or that exceed the rate,
// are dropped, and after the first of those none is made for the rest of that second. end ends it and closes the channel; it
// may be called more than once. Without a viewer the cost is one atomic load a batch. An output that doesn't exist, or a tap
// beyond maxTaps, gives a closed channel.
func (r *Router) Tap(id string, bytesPerSecond int) (lines <-chan []byte, end func()) {
	r = r.current.Load()
	n := slices.IndexFunc(r.outputs, func(o *output) bool { return o.id == id })
	t := &tap{lines: make(chan []byte, tapLines), rate: bytesPerSecond}
	if n < 0 || r.tapped.Add(1) > maxTaps {
		if n >= 0 {
			r.tapped.Add(-1)
		}
		close(t.lines)
		return t.lines, func() {}
	}
	all := r.outputs[n].taps
	all.add(t)
	return t.lines, sync.OnceFunc(func() {
		all.remove(t)
		r.tapped.Add(-1)
	})
}

// taps are the viewers of one output.
type taps struct {
	mu  sync.Mutex
	all atomic.Pointer[[]*tap] // nil: none
}

// A tap is one viewer.
type tap struct {
	lines chan []byte

	mu     sync.Mutex
	rate   int // bytes a second
	second int64
	spent  int // bytes in that second
	ended  bool

	sizes       [tapLines]int // of the lines that were sent last, by their number
	sent, taken int           // lines
	waiting     int           // bytes sent and not taken
}

func (t *taps) add(one *tap) {
	t.change(func(all []*tap) []*tap { return append(all, one) })
}

func (t *taps) remove(one *tap) {
	t.change(func(all []*tap) []*tap { return slices.DeleteFunc(all, func(o *tap) bool { return o == one }) })
	one.mu.Lock()
	defer one.mu.Unlock()
	one.ended = true
	close(one.lines)
}

func (t *taps) change(how func([]*tap) []*tap) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*tap
	if old := t.all.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if all = how(all); len(all) == 0 {
		t.all.Store(nil)
		return
	}
	t.all.Store(&all)
}

// offer shows a batch to the viewers.
func (t *taps) offer(b *record.Batch) {
	all := t.all.Load()
	if all == nil {
		return
	}
	var ev record.Event
	reader := record.ReadBatch(b.Bytes())
	for reader.Next(&ev) {
		var line []byte // for all viewers that have room
		for _, one := range *all {
			if !one.hasRoom() {
				continue
			}
			if line == nil {
				line = appendTapped(nil, &ev)
			}
			one.offer(line)
		}
	}
}

func appendTapped(dst []byte, ev *record.Event) []byte {
	ev.Fold(nil)
	dst = append(record.AppendJSONString(append(dst, `{"tag":`...), []byte(ev.Tag)), `,"time":"`...)
	dst = append(record.AppendTimeISO(dst, ev.Time, 9), `","record":`...)
	return append(record.AppendJSON(dst, ev.Body), '}', '\n')
}

// hasRoom reports whether a line may fit, before it is made.
func (t *tap) hasRoom() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now().Unix(); now != t.second {
		t.second, t.spent = now, 0
	}
	return !t.ended && t.spent < t.rate && len(t.lines) < cap(t.lines)
}

func (t *tap) offer(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; t.taken < t.sent-len(t.lines); t.taken++ {
		t.waiting -= t.sizes[t.taken%tapLines]
	}
	if t.ended || len(line) > t.rate-t.spent || t.waiting+len(line) > maxTapBytes {
		t.spent = t.rate // make no more in this second: a line costs as much if it is dropped
		return
	}
	select {
	case t.lines <- line:
		t.sizes[t.sent%tapLines] = len(line)
		t.sent++
		t.spent += len(line)
		t.waiting += len(line)
	default:
	}
}
