package httpsend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firelane/firelane/sink"
)

// keyed makes a request of items with their keys: a1 is the item 1 of the key a.
func keyed(items ...string) *sink.Request {
	req := &sink.Request{}
	for _, item := range items {
		req.AddKey([]byte(item[:1]))
		req.Body = append(req.Body, item...)
		req.Ends = append(req.Ends, len(req.Body))
	}
	return req
}

var errRefused = errors.New("refused")

func TestGroupsAreSentOneByOneAndTheirRepliesBecomeOne(t *testing.T) {
	for name, c := range map[string]struct {
		items   string
		replies map[string]sink.Reply // by body; others are done
		sent    string
		verdict sink.Verdict
		cause   sink.Cause
		ended   string // index and verdict
	}{
		"all done": {
			items: "a1 b1 a2", sent: "a1a2 b1", cause: sink.Answered,
		},
		"one group refused for good": {
			items: "a1 b1 a2", replies: map[string]sink.Reply{"a1a2": {Verdict: sink.Never, Cause: sink.Answered, Err: errRefused}},
			sent: "a1a2 b1", cause: sink.Answered, ended: "0:2 2:2",
		},
		"one group refused for now": {
			items: "a1 b1 a2", replies: map[string]sink.Reply{"a1a2": {Verdict: sink.Again, Cause: sink.Answered, Err: errRefused}},
			sent: "a1a2 b1", verdict: sink.Again, cause: sink.Answered, ended: "1:0",
		},
		"overloaded: nothing more is sent": {
			items: "a1 b1 c1", replies: map[string]sink.Reply{"b1": {Verdict: sink.Again, Cause: sink.Throttled, Err: errRefused}},
			sent: "a1 b1", verdict: sink.Again, cause: sink.Throttled, ended: "0:0",
		},
		"a bad item is found by halving its group": {
			items: "a1 b1 a2 a3", replies: map[string]sink.Reply{
				"a1a2a3": {Verdict: sink.Again, Cause: sink.Answered, Split: sink.ByItem, Err: errRefused},
				"a2a3":   {Verdict: sink.Again, Cause: sink.Answered, Split: sink.ByItem, Err: errRefused},
				"a3":     {Verdict: sink.Never, Cause: sink.Answered, Err: errRefused},
			},
			sent: "a1a2a3 a1 a2a3 a2 a3 b1", cause: sink.Answered, ended: "3:2",
		},
		"a single item that is too large is given up": {
			items: "a1 b1 a2", replies: map[string]sink.Reply{"b1": {Verdict: sink.Again, Cause: sink.Answered, Split: sink.BySize, Err: errRefused}},
			sent: "a1a2 b1", cause: sink.Answered, ended: "1:2",
		},
		"a group is judged item by item": {
			items: "a1 b1 a2", replies: map[string]sink.Reply{
				"a1a2": {Cause: sink.Answered, Items: []sink.ItemReply{{Index: 1, Verdict: sink.Never}}},
			},
			sent: "a1a2 b1", cause: sink.Answered, ended: "2:2",
		},
		"the only group is the loop's to halve": {
			items: "a1 a2", replies: map[string]sink.Reply{"a1a2": {Verdict: sink.Again, Cause: sink.Answered, Split: sink.BySize, Err: errRefused}},
			sent: "a1a2", verdict: sink.Again, cause: sink.Answered,
		},
	} {
		req := keyed(strings.Fields(c.items)...)
		var sent []string
		r := SendGroups(t.Context(), req, KeyGroups(req), func(_ context.Context, g Group) sink.Reply {
			if g.Len != len(g.Body)/2 || g.Key[0] != g.Body[0] {
				t.Errorf("%s: group %q of %d items has the key %q", name, g.Body, g.Len, g.Key)
			}
			sent = append(sent, string(g.Body))
			if r, ok := c.replies[string(g.Body)]; ok {
				return r
			}
			return sink.Reply{Cause: sink.Answered}
		})
		var ended []string
		for _, i := range r.Items {
			ended = append(ended, fmt.Sprintf("%d:%d", i.Index, i.Verdict))
		}
		if got := strings.Join(sent, " "); got != c.sent || r.Verdict != c.verdict || r.Cause != c.cause || strings.Join(ended, " ") != c.ended {
			t.Errorf("%s: got %+v after sending %q, want verdict %d, cause %d, ended %q after %q", name, r, got, c.verdict, c.cause, c.ended, c.sent)
		}
		if (r.Err == nil) != (r.Verdict == sink.Done) {
			t.Errorf("%s: got verdict %d with error %v", name, r.Verdict, r.Err)
		}
	}
}

func TestSendingGroupsEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	req, n := keyed("a1", "b1", "c1"), 0
	r := SendGroups(ctx, req, SingleGroups(req), func(context.Context, Group) sink.Reply {
		n++
		cancel()
		return sink.Reply{Cause: sink.Answered}
	})
	if n != 1 || r.Verdict != sink.Again || r.Cause != sink.Unreached || !errors.Is(r.Err, context.Canceled) || len(r.Items) != 1 {
		t.Errorf("got %+v after %d exchanges", r, n)
	}
}

// The server takes each record, one in a minute.
func TestASlowServerThatTakesEachGroupIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		req := keyed("a1", "b1", "c1", "d1", "e1", "f1")
		r := SendGroups(t.Context(), req, SingleGroups(req), func(ctx context.Context, _ Group) sink.Reply {
			select {
			case <-ctx.Done(): // the record may be stored, and is sent again
				return sink.Reply{Verdict: sink.Again, Err: context.Cause(ctx)}
			case <-time.After(50 * time.Second):
				return sink.Reply{Cause: sink.Answered}
			}
		})
		if r.Verdict != sink.Again || r.Cause != sink.Answered || !r.Unjudged || r.Err == nil || len(r.Items) != 4 {
			t.Errorf("got %+v, want four done and two that nobody has judged", r)
		}
	})
}
