package deliver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// keyed is a strict destination whose items have a key: the number's last digit. It notes what ByKey says of each request.
type keyed struct {
	*strict
	limits sink.Limits
	groups *[]string
}

func (d keyed) Limits() sink.Limits { return d.limits }

func (d keyed) Key(dst []byte, r *sink.Record) ([]byte, error) {
	v, _ := record.Find(r.Body, "n")
	text := record.AppendText(nil, v)
	if strings.HasPrefix(string(text), "keyless") {
		return dst, fmt.Errorf("there is no key")
	}
	return append(dst, text[len(text)-1]), nil
}

func (d keyed) Send(ctx context.Context, req *sink.Request) sink.Reply {
	for key, items := range req.ByKey() {
		group := string(key) + ":"
		for _, i := range items {
			group += " " + number(string(req.Item(i)))
		}
		*d.groups = append(*d.groups, group)
	}
	return d.strict.Send(ctx, req)
}

func newKeyed(script func(ctx context.Context, n int, items []string) sink.Reply) keyed {
	return keyed{strict: newStrict(script), groups: new([]string)}
}

func TestItemsKeepTheirKeysInEveryRetry(t *testing.T) {
	d := newKeyed(func(_ context.Context, n int, _ []string) sink.Reply {
		switch n {
		case 0: // 11 and 22 are left
			return sink.Reply{Cause: sink.Answered, Items: []sink.ItemReply{
				{Index: 1, Verdict: sink.Again, Status: 429}, {Index: 3, Verdict: sink.Again, Status: 429}, {Index: 4, Verdict: sink.Never}}}
		case 1:
			return sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Split: sink.ByItem, Err: errRefused}
		case 2:
			return sink.Reply{Verdict: sink.Again, Cause: sink.Answered, Reencode: true, Err: errRefused}
		}
		return sink.Reply{Cause: sink.Answered}
	})
	r := newRig(t, d.strict, func(c *Config) { c.Destination = d })
	r.put("1", "11", "2", "22", "3", "keyless")
	r.start(t.Context())
	r.finish()
	want := []string{"1: 1 11", "2: 2 22", "3: 3", "1: 11", "2: 22"}
	if !slices.Equal((*d.groups)[:5], want) {
		t.Errorf("got %q, want %q first", *d.groups, want)
	}
	for _, g := range (*d.groups)[5:] { // halved, and encoded again
		if g != "1: 11" && g != "2: 22" {
			t.Errorf("got %q, want the item with its own key", g)
		}
	}
	if got := r.dead.numbers(); !slices.Equal(got, []string{"keyless", "3"}) {
		t.Errorf("got the dead letters %q, want the one without a key and the one refused", got)
	}
	r.wantOnce(4)
}

func TestAnItemOverTheDestinationsLimitIsADeadLetter(t *testing.T) {
	const overhead = 26
	d := newKeyed(nil)
	d.limits = sink.Limits{MaxItem: 200 + overhead, ItemOverhead: overhead}
	r := newRig(t, d.strict, func(c *Config) { c.Destination, c.Limits = d, d.limits })
	r.put("1", strings.Repeat("x", 200), "2")
	r.start(t.Context())
	r.finish()
	r.wantOnce(2)
	if got := r.dead.dead; len(got) != 1 || !strings.Contains(got[0].Reason, "at most 226") {
		t.Errorf("got the dead letters %+v, want one that states the limit", got)
	}
}

func TestTheOverheadOfItemsCountsForTheRequestsSize(t *testing.T) {
	d := newKeyed(nil)
	d.limits = sink.Limits{MaxBytes: 1000, ItemOverhead: 400, Linger: sink.Immediately}
	r := newRig(t, d.strict, func(c *Config) { c.Destination, c.Limits = d, d.limits })
	r.put(upTo(0, 6)...)
	r.start(t.Context())
	r.finish()
	r.wantOnce(6)
	for _, a := range d.numbers() {
		if len(a) > 2 {
			t.Errorf("got a request of %d items, want 2 at most", len(a))
		}
	}
}

func TestARecordThatTheLoopLosesIsReported(t *testing.T) {
	o, p := oneChunk(t, &cheap{reply: sink.Reply{Verdict: sink.Again, Err: errRefused}}, 10)
	o.attempt(t.Context(), p, 8<<20)
	if p.out.lost != 0 || p.req.Len() != 10 {
		t.Fatalf("got %+v, want nothing lost and 10 items left", p.out)
	}
	p.encoding = false
	o.dest = forgetful{&cheap{reply: sink.Reply{Verdict: sink.Again, Err: errRefused}}, p}
	o.attempt(t.Context(), p, 8<<20)
	l := newLoop(o, o.queue, o.share)
	l.end(p)
	if s := o.Stats(); s.Lost != 1 || s.Buffered != 9 || s.Queue.Records != 10 {
		t.Errorf("got %+v, want 1 lost and 9 buffered", s)
	}
}

// forgetful stands for a fault of the loop: an item vanishes from the part while it is sent.
type forgetful struct {
	*cheap
	p *part
}

func (d forgetful) Send(ctx context.Context, req *sink.Request) sink.Reply {
	d.p.truncate(req.Len() - 1)
	return d.cheap.Send(ctx, req)
}
