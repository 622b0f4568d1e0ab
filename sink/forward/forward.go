package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/forward"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
)

// A destination sends to one of several servers. Without acks an event counts as delivered when it is written, as
// with Fluent Bit and Fluentd: what a server loses after that is lost.
type destination struct {
	settings
	nodes   []*node
	packers packers
}

// New makes a destination. It reads the files of certificates and connects to nothing.
func New(opts *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	nodes, err := opts.nodes(d, env.Log)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	return &destination{settings: opts.settings(d), nodes: nodes}, nil
}

// Key implements sink.Keyer: it is the tag that the item is sent with.
func (d *destination) Key(dst []byte, r *sink.Record) ([]byte, error) {
	tag := cmp.Or(d.tag, r.Tag)
	return append(dst, tag[:min(len(tag), record.MaxTag)]...), nil
}

// Append implements sink.Destination. An item is an entry [time, record].
func (d *destination) Append(body []byte, r *sink.Record) ([]byte, error) {
	body = record.AppendArrayHeader(body, 2)
	if d.integerTime {
		body = record.AppendUint(body, uint64(r.Time.Sec))
	} else {
		body = record.AppendTime(body, r.Time)
	}
	return append(body, r.Body...), nil
}

// Limits implements sink.Destination: the loop's own defaults.
func (d *destination) Limits() sink.Limits { return sink.Limits{} }

// Send implements sink.Destination. The items of one tag are one message; where a server fails, the next one gets what
// the first one hasn't taken.
func (d *destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	gs := groups(req)
	k := d.packers.get()
	defer d.packers.put(k)
	var errs []error
	cause := sink.Unreached
	for _, n := range order(d.nodes) {
		took, err := d.sendTo(ctx, n, req, gs, k)
		if took {
			cause = sink.Answered
		}
		if err == nil {
			n.works()
			return sink.Reply{Cause: sink.Answered}
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
		n.fail(d.leaveFor)
	}
	err := errors.Join(errs...)
	if errors.Is(err, forward.ErrRefused) {
		cause = sink.Unauthorised
	}
	return sink.Reply{Verdict: sink.Again, Cause: cause, Err: err, Items: doneItems(gs)}
}

// doneItems are the items that were taken before something went wrong.
func doneItems(gs []group) []sink.ItemReply {
	var items []sink.ItemReply
	for _, g := range gs {
		for _, i := range g.items {
			if g.done {
				items = append(items, sink.ItemReply{Index: i, Verdict: sink.Done})
			}
		}
	}
	slices.SortFunc(items, func(a, b sink.ItemReply) int { return a.Index - b.Index })
	return items
}

// sendTo sends to one server what is not done yet. A connection that was idle before may have been closed by the server
// meanwhile; then there is one attempt on a new one.
func (d *destination) sendTo(ctx context.Context, n *node, req *sink.Request, gs []group, k *packer) (reached bool, err error) {
	for {
		l, err := n.take(ctx, &d.settings)
		if err != nil {
			return reached, err
		}
		took, err := d.sendOn(ctx, l, req, gs, k)
		n.giveBack(l, &d.settings, err == nil)
		reached = reached || took
		if err == nil {
			return true, nil
		}
		if took || !l.reused || ctx.Err() != nil {
			return reached, fmt.Errorf("sending to %s: %w", n.addr, err)
		}
		n.fail(0) // the other idle ones are no better
	}
}

// sendOn sends on one connection. took says that at least one message was taken.
func (d *destination) sendOn(ctx context.Context, l *link, req *sink.Request, gs []group, k *packer) (took bool, err error) {
	for i := range gs {
		g := &gs[i]
		if g.done {
			continue
		}
		msg, chunk, err := k.pack(req, g, &d.settings)
		if err != nil {
			return took, err
		}
		if err := d.exchange(ctx, l, msg, chunk); err != nil {
			return took, err
		}
		g.done, took = true, true
	}
	return took, nil
}

func (d *destination) exchange(ctx context.Context, l *link, msg []byte, chunk string) error {
	stop := l.until(ctx, time.Now().Add(d.send))
	defer stop()
	if _, err := l.Write(msg); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if chunk == "" {
		return nil
	}
	l.SetReadDeadline(time.Now().Add(d.ackWait)) // an error comes from the read as well
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := readAck(l, chunk); err != nil {
		return fmt.Errorf("waiting for the ack: %w", err)
	}
	return nil
}

// Close implements sink.Destination.
func (d *destination) Close() error {
	for _, n := range d.nodes {
		n.fail(0)
	}
	return nil
}
