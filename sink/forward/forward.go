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

// A destination sends to one of several servers. Without acks an event counts as delivered when it has been written to the
// socket, as in Fluent Bit and Fluentd: if the server loses it after that, it is lost.
type destination struct {
	settings
	nodes   []*node
	packers packers
}

// New makes a destination. It reads the certificates' files, and opens no connection.
func New(opts *Options, d config.Dialect, env sink.Env) (sink.Destination, error) {
	nodes, err := opts.nodes(d, env.Log)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	return &destination{settings: opts.settings(d), nodes: nodes}, nil
}

// Key implements sink.Keyer. The key is the tag with which the item is sent.
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

// Limits implements sink.Destination: the loop's defaults.
func (d *destination) Limits() sink.Limits { return sink.Limits{} }

// Send implements sink.Destination. The items of one tag are sent in one message. If a server fails, the messages that it
// hasn't accepted go to the next one.
func (d *destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	groups := groupByTag(req)
	k := d.packers.get()
	defer d.packers.put(k)
	var errs []error
	cause := sink.Unreached
	for _, n := range order(d.nodes) {
		accepted, err := d.sendTo(ctx, n, req, groups, k)
		if accepted {
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
		n.fail(d.recoverWait)
	}
	err := errors.Join(errs...)
	if errors.Is(err, forward.ErrRefused) {
		cause = sink.Unauthorised
	}
	return sink.Reply{Verdict: sink.Again, Cause: cause, Err: err, Items: doneItems(groups)}
}

// doneItems returns the replies for the items that servers accepted before the last one failed.
func doneItems(groups []group) []sink.ItemReply {
	var items []sink.ItemReply
	for _, g := range groups {
		for _, i := range g.items {
			if g.done {
				items = append(items, sink.ItemReply{Index: i, Verdict: sink.Done})
			}
		}
	}
	slices.SortFunc(items, func(a, b sink.ItemReply) int { return a.Index - b.Index })
	return items
}

// sendTo sends the groups that are not done to one server. The server may have closed a connection while it was idle; if
// so, sendTo tries once more with a new one. accepted means that the server accepted at least one message.
func (d *destination) sendTo(ctx context.Context, n *node, req *sink.Request, groups []group, k *packer) (accepted bool, err error) {
	for {
		l, err := n.take(ctx, &d.settings)
		if err != nil {
			return accepted, err
		}
		some, err := d.sendOn(ctx, l, req, groups, k)
		n.giveBack(l, &d.settings, err == nil)
		accepted = accepted || some
		if err == nil {
			return true, nil
		}
		if some || !l.reused || ctx.Err() != nil {
			return accepted, fmt.Errorf("sending to %s: %w", n.addr, err)
		}
		n.fail(0) // close the other idle connections: they are probably broken, too
	}
}

// sendOn sends the groups that are not done on one connection. accepted means that the server accepted at least one.
func (d *destination) sendOn(ctx context.Context, l *link, req *sink.Request, groups []group, k *packer) (accepted bool, err error) {
	for i := range groups {
		g := &groups[i]
		if g.done {
			continue
		}
		msg, chunk, err := k.pack(req, g, &d.settings)
		if err != nil {
			return accepted, err
		}
		if err := d.exchange(ctx, l, msg, chunk); err != nil {
			return accepted, err
		}
		g.done, accepted = true, true
	}
	return accepted, nil
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
	l.SetReadDeadline(time.Now().Add(d.ackWait)) // if this fails, so will the read
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
