package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/firelane/firelane/record"
)

// A load is numbered records, in the form in which Docker's log driver sends them.
type load struct {
	records int
	rate    int    // records a second, over all connections; 0: as fast as the router reads them
	conns   int    // connections, one for each container
	tags    int    // different tags, at most conns; 0: one
	tag     string // of all connections; "": app-firelens-…
	batch   bool   // each write has many records (64 KiB), instead of one as Docker's do
	acks    bool   // each write is a chunk to be acknowledged
	size    int    // bytes of a log line
	huge    int    // bytes of one line in the middle of the load; 0: it is as long as the others
	form    form   // what is before and after the text of a line
	stack   int    // lines that follow each record's, as those of a stack trace do, as records of their own
}

// A form is what is before and after the text of a line. The text begins with the record's number and its time.
type form struct{ before, after string }

// Forms of lines.
var (
	jsonForm   = form{`{"level":"info","status":200,"msg":"`, `"}`}
	apacheForm = form{`10.0.0.7 - frank [26/Nov/2026:13:55:36 +0000] "GET /api/v1/orders HTTP/1.1" 200 2326 "https://example.com/" "`, `"`}
	javaForm   = form{before: "java.lang.IllegalStateException: "}
)

// Sizes and waits of the sender.
const (
	writeSize   = 64 << 10
	dialTimeout = time.Minute
	ackTimeout  = 120 * time.Second
	minLine     = 96 // bytes: enough for the number, the time, and their names; besides the form
)

// A sender sends a load to a socket. When the router ends, it connects again and repeats the chunk that was not
// acknowledged or, without acks, the write that failed, as Docker's log driver does.
type sender struct {
	load
	socket string
	dial   func(context.Context) (net.Conn, error) // nil: connects to socket
	pages  *pages                                  // that are read, instead; nil: the load is sent
	next   atomic.Int64
	sent   atomic.Int64
	unsure atomic.Int64 // records sent again because their ack was missing; the router may have accepted them the first time
	conns  []*writer    // they stay open from one run to the next
}

// run sends the load from record next on, and returns when it has been written and, with acks, acknowledged.
func (s *sender) run(ctx context.Context) error {
	if s.pages != nil {
		s.sent.Store(int64(s.records))
		return s.pages.run(ctx)
	}
	var wg sync.WaitGroup
	errs := make(chan error, s.load.conns)
	start := time.Now()
	if s.rate > 0 {
		start = start.Add(-time.Duration(s.next.Load()) * time.Second / time.Duration(s.rate))
	}
	for c := len(s.conns); c < s.load.conns; c++ {
		s.conns = append(s.conns, &writer{s: s, shape: newShape(s.tagOf(c), s.load, c)})
	}
	for _, w := range s.conns {
		w.start = start
		wg.Go(func() {
			if err := s.connection(ctx, w); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// close closes the connections.
func (s *sender) close() {
	for _, w := range s.conns {
		if w.conn != nil {
			w.conn.Close()
		}
	}
}

// tagOf returns the tag of connection c.
func (s *sender) tagOf(c int) string {
	switch {
	case s.tag != "":
		return s.tag
	case s.tags > 1:
		return fmt.Sprintf("app%d-firelens-0123456789abcdef0123456789abcdef", c%s.tags)
	}
	return "app-firelens-0123456789abcdef0123456789abcdef"
}

func (s *sender) connection(ctx context.Context, w *writer) error {
	w.limit(ctx)
	for ctx.Err() == nil {
		n := int64(1)
		if s.batch {
			n = int64(max(1, writeSize/(s.size+250+s.stack*300)))
		}
		first := s.next.Add(n) - n
		last := min(first+n, int64(s.records))
		if first >= last {
			return nil
		}
		if err := w.write(ctx, first, last); err != nil {
			return err
		}
		s.sent.Add(last - first)
	}
	return ctx.Err()
}

// A writer is one connection, which is opened again when it breaks.
type writer struct {
	s     *sender
	shape *shape
	start time.Time
	conn  net.Conn
	buf   []byte
}

// limit makes a write fail at the deadline of ctx.
func (w *writer) limit(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok && w.conn != nil {
		_ = w.conn.SetWriteDeadline(deadline) // fails if the connection is broken, as the write will
	}
}

// write sends the records first to last-1 in one write.
func (w *writer) write(ctx context.Context, first, last int64) error {
	if w.s.rate > 0 {
		due := w.start.Add(time.Duration(first) * time.Second / time.Duration(w.s.rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
	}
	for ctx.Err() == nil {
		if w.conn == nil {
			var err error
			if w.conn, err = w.s.connect(ctx); err != nil {
				return err
			}
			w.limit(ctx)
		}
		w.buf = w.shape.append(w.buf[:0], first, last, w.s.acks)
		_, err := w.conn.Write(w.buf)
		if err == nil && w.s.acks {
			if err = w.readAck(first); err != nil {
				w.s.unsure.Add(last - first)
			}
		}
		if err == nil {
			return nil
		}
		w.conn.Close()
		w.conn = nil
	}
	return ctx.Err()
}

func (w *writer) readAck(first int64) error {
	if err := w.conn.SetReadDeadline(time.Now().Add(ackTimeout)); err != nil {
		return err
	}
	var reply struct {
		Ack string `msgpack:"ack"`
	}
	if err := msgpack.NewDecoder(w.conn).Decode(&reply); err != nil {
		return fmt.Errorf("read ack: %w", err)
	}
	if want := strconv.FormatInt(first, 10); reply.Ack != want {
		return fmt.Errorf("ack of chunk %q, want %q", reply.Ack, want)
	}
	return nil
}

func (s *sender) connect(ctx context.Context) (net.Conn, error) {
	if s.dial != nil {
		return s.dial(ctx)
	}
	return dial(ctx, s.socket)
}

// dial connects to the router. It waits up to dialTimeout for the router to start.
func dial(ctx context.Context, socket string) (net.Conn, error) {
	deadline := time.Now().Add(dialTimeout)
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return conn, err
		}
		time.Sleep(time.Millisecond)
	}
}

// A shape makes the messages of one container.
type shape struct {
	head []byte // the message up to the event's time
	// orders are the record's members in various orders, as the bytes before the line's value and those after it: Docker's
	// log driver encodes a Go map, whose order changes from record to record.
	orders [][2][]byte
	line   []byte
	form   form
	stack  [][]byte
	huge   []byte // the line of record hugeAt; nil: there is none
	hugeAt int64
}

func newShape(tag string, l load, container int) *shape {
	s := &shape{form: l.form, hugeAt: int64(l.records / 2)}
	s.head = record.AppendStr(record.AppendArrayHeader(nil, 4), tag)
	members := [][2]string{
		{"container_id", fmt.Sprintf("%064x", 0xc0ffee00+container)},
		{"container_name", fmt.Sprintf("/ecs-web-7-app-%020d", container)},
		{"source", "stdout"},
		{"log"},
	}
	shuffle := rand.New(rand.NewPCG(uint64(container), 0))
	for range 64 {
		shuffle.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		order := [2][]byte{record.AppendMapHeader(nil, len(members))}
		part := 0
		for _, m := range members {
			order[part] = record.AppendStr(order[part], m[0])
			if m[0] == "log" {
				part = 1
			} else {
				order[part] = record.AppendStr(order[part], m[1])
			}
		}
		s.orders = append(s.orders, order)
	}
	s.line = filler(max(l.size, minLine+len(l.form.before)+len(l.form.after)))
	for n := range l.stack {
		s.stack = append(s.stack, fmt.Appendf(nil, "\tat com.example.orders.OrderService.step%d(OrderService.java:%d)", n, 100+n))
	}
	if l.huge > 0 {
		s.huge = filler(l.huge)
	}
	return s
}

func filler(size int) []byte {
	line := make([]byte, size)
	for i := range line {
		line[i] = "GET /api/v1/orders/7f3a 200 12ms "[i%33]
	}
	return line
}

// append appends the records first to last-1: one message for each or, with acks, one chunk in Forward mode.
func (s *shape) append(dst []byte, first, last int64, acks bool) []byte {
	now := time.Now()
	if !acks {
		for n := first; n < last; n++ {
			dst = append(dst, s.head...)
			dst = s.event(dst, now, n)
			dst = record.AppendMapHeader(dst, 0)
			for _, line := range s.stack {
				dst = append(dst, s.head...)
				dst = s.wrap(record.AppendTime(dst, timeOf(now)), n, line)
				dst = record.AppendMapHeader(dst, 0)
			}
		}
		return dst
	}
	dst = record.AppendArrayHeader(dst, 3)
	dst = append(dst, s.head[1:]...)
	dst = record.AppendArrayHeader(dst, int(last-first))
	for n := first; n < last; n++ {
		dst = record.AppendArrayHeader(dst, 2)
		dst = s.event(dst, now, n)
	}
	dst = record.AppendMapHeader(dst, 1)
	dst = record.AppendStr(dst, "chunk")
	return record.AppendStr(dst, strconv.FormatInt(first, 10))
}

// event appends the time and the map. The text of the line starts with "n=… t=… ".
func (s *shape) event(dst []byte, now time.Time, n int64) []byte {
	line := s.line
	if s.huge != nil && n == s.hugeAt {
		line = s.huge
	}
	prefix := append(line[:0], s.form.before...)
	prefix = append(prefix, "n="...)
	prefix = appendPadded(prefix, n)
	prefix = append(prefix, " t="...)
	prefix = appendPadded(prefix, now.UnixMicro())
	_ = append(prefix, ' ')
	copy(line[len(line)-len(s.form.after):], s.form.after)
	return s.wrap(record.AppendTime(dst, timeOf(now)), n, line)
}

func timeOf(now time.Time) record.Time {
	return record.Time{Sec: uint32(now.Unix()), Nsec: uint32(now.Nanosecond())}
}

// wrap appends the map of a line.
func (s *shape) wrap(dst []byte, n int64, line []byte) []byte {
	order := &s.orders[n%int64(len(s.orders))]
	dst = append(dst, order[0]...)
	return append(record.AppendStrBytes(dst, line), order[1]...)
}

// digits is the width to which the numbers in a line are padded.
const digits = 16

func appendPadded(dst []byte, n int64) []byte {
	text := strconv.AppendInt(nil, n, 10)
	for range digits - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}
