package deliver

import (
	"context"
	"testing"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A record with an origin is sent under it, and goes to the dead letter under it; the others have their place in the queue.
func TestARecordsOriginIsItsID(t *testing.T) {
	d := newStrict(func(_ context.Context, _ int, items []string) sink.Reply {
		r := sink.Reply{Cause: sink.Answered}
		for i, it := range items {
			if number(it) == "never" {
				r.Items = append(r.Items, sink.ItemReply{Index: i, Verdict: sink.Never, Status: 400, Reason: "no"})
			}
		}
		return r
	})
	r := newRig(t, d, nil)
	origins := map[string]record.ID{
		"one": {Queue: record.NewQueueIdentity(), Pos: 5}, "two": {}, "never": {Queue: record.NewQueueIdentity(), Pos: 5}, "four": {},
	}
	var b record.Batch
	for n, origin := range origins {
		ev := record.Event{Tag: "app", Body: record.AppendStr(record.AppendStr(record.AppendMapHeader(nil, 1), "n"), n)}
		if !origin.IsZero() {
			ev.Origin = &origin
		}
		b.AddEvent(&ev)
	}
	if err := r.queue.Append(t.Context(), b.Bytes(), len(origins), nil); err != nil {
		t.Fatal(err)
	}
	r.start(t.Context())
	r.finish()
	for _, it := range d.received()[0].items {
		if origin := origins[number(it)]; (id(it) == origin.String()) == origin.IsZero() {
			t.Errorf("%s: got the id %s, the origin is %v", number(it), id(it), origin)
		}
	}
	if want := origins["never"].String(); len(r.dead.ids) != 1 || r.dead.ids[0] != want {
		t.Errorf("got the dead letters %v, want %s", r.dead.ids, want)
	}
}
