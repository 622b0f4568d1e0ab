package put

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
	"github.com/firelane/firelane/sink"
	"github.com/firelane/firelane/sink/aws"
	"github.com/firelane/firelane/sink/httpsend"
)

// A Record is one record of the service: one item of a request, or several.
type Record struct {
	Data  []byte
	Key   []byte // partition key; nil: the service has none
	Items []int  // the items in it, by their index in the request
}

// A Result is the service's verdict on one record; the zero value means that it has it.
type Result struct{ Code, Message string }

// A Sender makes the calls for a request: usually one, or one for each stream. If a user's limits allow for more than the
// service takes at once, there are several calls for a stream. It is safe for concurrent use.
type Sender struct {
	Service *aws.Service
	// What is what the service calls a stream, for people.
	What string
	// Action is the permission that Put needs.
	Action string
	// Field is the member of a request's body that names the stream.
	Field string
	// MaxRecords and MaxBytes are the limits of a call: records, and bytes of data and keys.
	MaxRecords, MaxBytes int
	// Timeout is the limit of a call, if it is less than that of every service; 0: none.
	Timeout time.Duration
	// Put makes one call, whose body is JSON or CBOR, and returns a result for each record of the body; none if all are stored.
	Put func(ctx context.Context, body *httpsend.Payload, cbor bool) ([]Result, error)
	// CBOR reports whether calls are made in CBOR, which are a quarter shorter than in JSON; nil: they aren't.
	CBOR func(ctx context.Context) bool

	calls sync.Pool // of *call
}

// NewService makes the service that the options describe.
func NewService(o *Options, d config.Dialect, env sink.Env) (*aws.Service, error) {
	source := o.source(d) // sets tls.verify
	return aws.NewService(&o.ServiceOptions, source, d, env)
}

const (
	// sendLimit is how long the calls of a request may take before no other one begins.
	sendLimit = 2 * time.Minute
	// maxKeptCall is the largest body of a call in bytes that is kept for the next one: that of a request of 1 MiB.
	maxKeptCall = 2 << 20
)

// A call is one call of the service.
type call struct {
	cbor  bool
	body  []byte
	data  base64Encoder
	bytes int   // of data and keys
	items []int // the items of all records
	ends  []int // ends[k] is where those of record k end in items
}

// Send makes the calls for req. records yields the service's records for items of req, in order; what it yields needs to be
// valid only until the next one.
func (s *Sender) Send(ctx context.Context, req *sink.Request, records func(items []int) iter.Seq[Record]) sink.Reply {
	c, ok := s.calls.Get().(*call)
	if !ok {
		c = new(call)
	}
	defer s.release(c)
	c.cbor = s.CBOR != nil && s.CBOR(ctx)
	m := merged{until: time.Now().Add(sendLimit)}
	for stream, items := range req.ByKey() {
		name := string(stream)
		s.begin(c, name)
		for r := range records(items) {
			if len(c.ends) > 0 && (len(c.ends) == s.MaxRecords || c.bytes+len(r.Data)+len(r.Key) > s.MaxBytes) {
				m.add(s.end(ctx, c, name, &m), c.items)
				s.begin(c, name)
			}
			c.add(&r)
		}
		if len(c.ends) > 0 {
			m.add(s.end(ctx, c, name, &m), c.items)
		}
	}
	return m.reply(req.Len())
}

func (s *Sender) release(c *call) {
	if cap(c.body) <= maxKeptCall {
		s.calls.Put(c)
	}
}

// begin empties c, and writes the beginning of a body: {"StreamName":"logs","Records":[
func (s *Sender) begin(c *call, stream string) {
	c.bytes, c.items, c.ends = 0, c.items[:0], c.ends[:0]
	if c.cbor {
		c.body = beginCBOR(c.body[:0])
		return
	}
	c.data.reset()
	c.body = append(append(append(c.body[:0], `{"`...), s.Field...), `":`...)
	c.body = append(record.AppendJSONString(c.body, []byte(stream)), `,"Records":[`...)
}

// add adds a record: {"Data":"…","PartitionKey":"…"}
func (c *call) add(r *Record) {
	c.bytes += len(r.Data) + len(r.Key)
	c.items = append(c.items, r.Items...)
	if c.ends = append(c.ends, len(c.items)); c.cbor {
		c.body = appendCBOR(c.body, r)
		return
	}
	if len(c.ends) > 1 {
		c.body = append(c.body, ',')
	}
	c.body = append(c.body, `{"Data":"`...)
	c.body = append(c.data.append(c.body, r.Data), '"')
	if r.Key != nil {
		c.body = record.AppendJSONString(append(c.body, `,"PartitionKey":`...), r.Key)
	}
	c.body = append(c.body, '}')
}

// finish writes the end of c's body.
func (s *Sender) finish(c *call, stream string) {
	if c.cbor {
		c.body = endCBOR(c.body, s.Field, stream)
		return
	}
	c.body = append(c.body, "]}"...)
}

// end makes the call, unless an earlier one of the same request couldn't reach the service or was refused for its credentials,
// as this one would be, or there is no time left.
func (s *Sender) end(ctx context.Context, c *call, stream string, m *merged) sink.Reply {
	if m.hopeless != nil {
		return *m.hopeless
	}
	if len(m.calls) > 0 && time.Now().After(m.until) {
		return sink.Reply{Verdict: sink.Again, Err: errSendLimit}
	}
	s.finish(c, stream)
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Timeout)
		defer cancel()
	}
	var results []Result
	err := s.Service.Call(ctx, func(ctx context.Context) (err error) {
		body := httpsend.NewPayload(c.body)
		defer body.Release()
		results, err = s.Put(ctx, body, c.cbor)
		return err
	})
	if err != nil {
		return s.failed(err, stream, c)
	}
	return s.judge(results, stream, c)
}

// merged is the reply to a request that several calls were made for.
type merged struct {
	calls    []answered
	hopeless *sink.Reply // of a call after which no other is made
	until    time.Time   // when the last call may begin
}

var errSendLimit = fmt.Errorf("the calls before took more than %s", sendLimit)

// An answered is a call that was made: its reply, whose Items have indices of the request, and its items.
type answered struct {
	reply sink.Reply
	items []int
}

func (m *merged) add(r sink.Reply, items []int) {
	if r.Verdict == sink.Again && (r.Cause == sink.Unreached || r.Cause == sink.Unauthorised) && m.hopeless == nil {
		m.hopeless = &r
	}
	m.calls = append(m.calls, answered{r, slices.Clone(items)})
}

// reply returns the reply to the request of n items: that of the only call, or that of the first one if all of them failed as
// a whole; otherwise one in which every item that isn't done is listed.
func (m *merged) reply(n int) sink.Reply {
	whole := func(a answered) bool { return a.reply.Verdict == sink.Again }
	if len(m.calls) == 0 {
		return sink.Reply{Cause: sink.Answered}
	}
	first := m.calls[0].reply
	if len(m.calls) == 1 || !slices.ContainsFunc(m.calls, func(a answered) bool { return !whole(a) }) {
		return sorted(first)
	}
	r := sink.Reply{Cause: sink.Answered, Items: make([]sink.ItemReply, 0, n)}
	for _, a := range m.calls {
		r.RetryAfter = max(r.RetryAfter, a.reply.RetryAfter)
		if r.Err == nil {
			r.Err, r.Status, r.Trouble = a.reply.Err, a.reply.Status, a.reply.Trouble
		}
		if !whole(a) {
			r.Items = append(r.Items, a.reply.Items...)
			continue
		}
		r.Items = appendItems(r.Items, a.items, sink.ItemReply{
			Verdict: sink.Again, Status: statusOf(&a.reply), Reason: a.reply.Err.Error(), Busy: a.reply.Cause != sink.Answered,
		})
	}
	return sorted(r)
}

// statusOf is the status of the records of a call that failed as a whole: one that says that nobody has refused them if the service is
// overloaded, for which it has other statuses, too, or wasn't reached.
func statusOf(r *sink.Reply) int {
	switch r.Cause {
	case sink.Throttled:
		return http.StatusTooManyRequests
	case sink.Unreached:
		return http.StatusServiceUnavailable
	}
	return r.Status
}

// sorted returns r with its items in ascending order.
func sorted(r sink.Reply) sink.Reply {
	slices.SortFunc(r.Items, func(a, b sink.ItemReply) int { return a.Index - b.Index })
	return r
}

// appendItems appends the same verdict on several items.
func appendItems(dst []sink.ItemReply, items []int, r sink.ItemReply) []sink.ItemReply {
	for _, i := range items {
		r.Index = i
		dst = append(dst, r)
	}
	return dst
}
