package cloudwatch

import (
	"context"
	"slices"
	"sync"

	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

const (
	// maxCalls is how many calls of one request are in flight at once.
	maxCalls = 4
	// maxSpan is how long after its first event the events of a call must end, in milliseconds: a batch cannot span more than
	// 24 hours ("PutLogEvents - Amazon CloudWatch Logs").
	maxSpan = 24 * 60 * 60 * 1000
)

// A batch is the events of one call.
type batch struct {
	key   []byte
	items []int // of the request, in the order of their times
	large bool  // it is one large event
	reply sink.Reply
}

// Send makes the request's calls, and judges its items.
func (d *Destination) Send(ctx context.Context, req *sink.Request) sink.Reply {
	batches := d.batches(req)
	if len(batches) == 1 {
		d.send(ctx, req, &batches[0])
		return batches[0].reply
	}
	var calls sync.WaitGroup
	slots := make(chan struct{}, maxCalls)
	for i := range batches {
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			d.send(ctx, req, &batches[i])
		})
	}
	calls.Wait()
	return combine(batches)
}

// batches sorts the request's items into calls, each within the service's limits. The encoded size of an item is at least
// what the service counts.
func (d *Destination) batches(req *sink.Request) (all []batch) {
	times := make([]int64, req.Len())
	for i := range times {
		times[i] = timeOf(req.Item(i))
	}
	older := func(a, b int) int {
		switch {
		case times[a] < times[b]:
			return -1
		case times[a] > times[b]:
			return 1
		}
		return a - b
	}
	for key, items := range req.ByKey() {
		if !slices.IsSortedFunc(items, older) {
			slices.SortFunc(items, older)
		}
		start, size := 0, 0
		for i, item := range items {
			n := len(req.Item(item))
			large := isLarge(req.Item(item))
			if i > start && (large || i-start == d.events || size+n > maxBatchBytes || times[item]-times[items[start]] >= maxSpan) {
				all = append(all, batch{key: key, items: items[start:i]})
				start, size = i, 0
			}
			if size += n; large {
				all = append(all, batch{key: key, items: items[i : i+1], large: true})
				start, size = i+1, 0
			}
		}
		if start < len(items) {
			all = append(all, batch{key: key, items: items[start:]})
		}
	}
	return all
}

// send makes one call. If its stream doesn't exist, it is created, and the call made again.
func (d *Destination) send(ctx context.Context, req *sink.Request, b *batch) {
	info, err := d.put(ctx, req, b, "")
	if r := aws.RefusalOf(err); r != nil && r.Token != "" && r.Code == codeToken { // only stand-ins of the service still answer so
		info, err = d.put(ctx, req, b, r.Token)
	}
	if r := aws.RefusalOf(err); r != nil && isMissing(r) {
		if err = d.ensure(ctx, b.key); err == nil {
			info, err = d.put(ctx, req, b, "")
		}
	}
	if r := aws.RefusalOf(err); r != nil && r.Code == codeAccepted {
		info, err = rejection{}, nil
	}
	if err != nil {
		b.reply = d.judge(err, b)
		return
	}
	b.reply = sink.Reply{Cause: sink.Answered, Status: statusOK, Items: rejected(info, b.items)}
}

// put calls PutLogEvents, or the OTLP endpoint with a large event.
func (d *Destination) put(ctx context.Context, req *sink.Request, b *batch, token string) (rejection, error) {
	if b.large {
		return d.putLarge(ctx, req.Item(b.items[0]), b.key)
	}
	group, stream := splitKey(b.key)
	head := append(record.AppendJSONString([]byte(`{"logGroupName":`), group), `,"logStreamName":`...)
	head = record.AppendJSONString(head, stream)
	if token != "" {
		head = record.AppendJSONString(append(head, `,"sequenceToken":`...), []byte(token))
	}
	head = append(head, `,"logEvents":[`...)
	events, done := d.eventsOf(req, b)
	defer done()
	var answer struct {
		Rejected rejection `json:"rejectedLogEventsInfo"`
	}
	err := d.do(ctx, "PutLogEvents", string(b.key), func(ctx context.Context) error {
		body := httpsend.NewPayload(head, events, []byte("]}"))
		defer body.Release()
		_, err := d.api.Post(ctx, "PutLogEvents", body, d.header, "", &answer)
		return err
	})
	return answer.Rejected, err
}

// eventsOf returns the batch's items without the first comma, until done is called: of the request itself, if they are all of
// its items and in order, else copied.
func (d *Destination) eventsOf(req *sink.Request, b *batch) (events []byte, done func()) {
	if len(b.items) == req.Len() && slices.IsSorted(b.items) {
		return req.Body[1:], func() {}
	}
	buf, _ := d.bodies.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	size := 0
	for _, i := range b.items {
		size += len(req.Item(i))
	}
	*buf = slices.Grow((*buf)[:0], size)
	for _, i := range b.items {
		*buf = append(*buf, req.Item(i)...)
	}
	return (*buf)[1:], func() {
		if cap(*buf) <= maxBatchBytes {
			d.bodies.Put(buf)
		}
	}
}
