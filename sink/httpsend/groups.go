package httpsend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/firelane/firelane/sink"
)

// groupsLimit is how long an attempt of several exchanges may take, besides the last one.
const groupsLimit = 3 * time.Minute

// A Group is items of a request that are sent together, as a request of their own.
type Group struct {
	Key  []byte // their key, if the destination is a Keyer
	Body []byte // the items, in their order
	Len  int    // how many
}

// SendGroups makes one attempt whose request is several groups of items, each with an exchange of its own: send sends one,
// and judges all of its items. A group that asks for halving is halved at once, unless it is the whole request, which the
// delivery loop halves. After a group that failed as a whole (the server wasn't reached, is overloaded or refuses the
// credentials), no other is sent; all items that are left are sent again. After groupsLimit they are, too, as Unjudged ones.
func SendGroups(ctx context.Context, req *sink.Request, groups [][]int, send func(context.Context, Group) sink.Reply) sink.Reply {
	if len(groups) == 1 && len(groups[0]) == req.Len() {
		return send(ctx, Group{Key: keyOf(req, groups[0]), Body: req.Body, Len: req.Len()})
	}
	m := merger{req: req, send: send, sum: sink.Reply{Cause: sink.Answered}, until: time.Now().Add(groupsLimit)}
	for _, items := range groups {
		if m.ends(ctx) {
			m.left = true
			break
		}
		m.group(ctx, items)
	}
	return m.reply(ctx)
}

// KeyGroups are the groups of a Keyer's request: the items of each key.
func KeyGroups(req *sink.Request) (groups [][]int) {
	for _, items := range req.ByKey() {
		groups = append(groups, items)
	}
	return groups
}

// SingleGroups are groups of one item each.
func SingleGroups(req *sink.Request) (groups [][]int) {
	all := make([]int, req.Len())
	for i := range all {
		all[i] = i
		groups = append(groups, all[i:i+1])
	}
	return groups
}

func keyOf(req *sink.Request, items []int) []byte {
	if len(req.KeyOf) == 0 {
		return nil
	}
	return req.Keys[req.KeyOf[items[0]]]
}

// A merger makes one reply of those of the groups.
type merger struct {
	req     *sink.Request
	send    func(context.Context, Group) sink.Reply
	body    []byte
	sum     sink.Reply // its Items are those that have ended
	failed  bool       // sum has the reason of a failure
	left    bool       // items are left that must be sent again
	stopped bool       // no other group is sent
	until   time.Time  // when no other one is sent either
}

// ends reports whether no other group is sent.
func (m *merger) ends(ctx context.Context) bool {
	return m.stopped || ctx.Err() != nil || !time.Now().Before(m.until)
}

// group sends a group, or its halves.
func (m *merger) group(ctx context.Context, items []int) {
	m.body = m.body[:0]
	for _, i := range items {
		m.body = append(m.body, m.req.Item(i)...)
	}
	r := m.send(ctx, Group{Key: keyOf(m.req, items), Body: m.body, Len: len(items)})
	if r.Split != sink.No && len(items) > 1 {
		half := len(items) / 2
		for _, part := range [][]int{items[:half], items[half:]} {
			if m.ends(ctx) {
				m.left = true
				return
			}
			m.group(ctx, part)
		}
		return
	}
	if r.Split != sink.No {
		r.Verdict = sink.Never
	}
	m.add(items, &r)
}

// add adds the reply of a group.
func (m *merger) add(items []int, r *sink.Reply) {
	rest := sink.ItemReply{Verdict: r.Verdict, Status: r.Status}
	if r.Err != nil {
		rest.Reason = r.Err.Error()
	}
	next := 0
	for k, i := range items {
		item := rest
		if next < len(r.Items) && r.Items[next].Index == k {
			item = r.Items[next]
			next++
		}
		if item.Index = i; item.Verdict == sink.Again {
			m.left = true
		} else {
			m.sum.Items = append(m.sum.Items, item)
		}
	}
	m.sum.RetryAfter = max(m.sum.RetryAfter, r.RetryAfter)
	if r.Verdict != sink.Again {
		return
	}
	whole := r.Cause != sink.Answered
	if !m.failed || whole {
		m.sum.Cause, m.sum.Err, m.sum.Status, m.sum.CutOff, m.sum.Trouble = r.Cause, r.Err, r.Status, r.CutOff, r.Trouble
		m.failed = true
	}
	m.stopped = whole
}

// reply returns the reply to the request: done, but for the items given up; or again, but for the items that have ended.
func (m *merger) reply(ctx context.Context) sink.Reply {
	slices.SortFunc(m.sum.Items, func(a, b sink.ItemReply) int { return cmp.Compare(a.Index, b.Index) })
	if !m.left {
		m.sum.Items = slices.DeleteFunc(m.sum.Items, func(i sink.ItemReply) bool { return i.Verdict == sink.Done })
		return m.sum
	}
	m.sum.Verdict = sink.Again
	switch {
	case m.failed:
	case ctx.Err() != nil:
		m.sum.Cause, m.sum.Err = sink.Unreached, context.Cause(ctx)
	default: // the server takes what it gets, slowly
		m.sum.Unjudged, m.sum.Err = true, fmt.Errorf("sending a request in parts takes more than %v: %d of %d records have been judged", groupsLimit, len(m.sum.Items), m.req.Len())
	}
	return m.sum
}
