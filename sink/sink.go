// Package sink is the contract between the delivery loop (sink/deliver) and the destinations, one folder each, and the
// options that every output has.
package sink

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/record"
)

// A Destination is one place that records go to. Several workers call it at once, so it must be safe for concurrent use;
// the state of one attempt is in the Request. Its constructor is
//
//	New(opts *Options, d config.Dialect, env sink.Env) (sink.Destination, error)
//
// where config has bound and checked opts. A Destination opens no connection before the first Send.
type Destination interface {
	// Append encodes r as one item and appends it to body. An error means that r can never be sent; its text becomes
	// the dead letter's reason, and body is returned unchanged.
	Append(body []byte, r *Record) ([]byte, error)

	// Send makes one attempt to deliver req and judges all of its items. It returns soon after ctx ends, and sets its
	// own limit on every wait. It never retries a refusal; it may retry a broken connection once, immediately, on a
	// fresh one.
	Send(ctx context.Context, req *Request) Reply

	// Limits returns the limits of the destination's requests. They never change.
	Limits() Limits

	// Close releases connections and files. It is not called while a Send is in progress.
	Close() error
}

// Env describes the process that a destination runs in.
type Env struct {
	Log      zerolog.Logger
	Hostname string
	Common   *Common
}

// Common holds values that several destinations of a process share, such as credentials. The zero value is ready to use;
// with a nil Common nothing is shared.
type Common struct {
	mu     sync.Mutex
	values map[any]any
}

// Get returns the value stored under key, and calls make for it the first time. key must be comparable, and of a type
// private to the caller's package.
func (c *Common) Get(key any, make func() any) any {
	if c == nil {
		return make()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.values[key]
	if !ok {
		if c.values == nil {
			c.values = map[any]any{}
		}
		v = make()
		c.values[key] = v
	}
	return v
}

// A Keyer is a Destination that groups the items of a request by a key: a stream, topic, tag or file. See Request.ByKey.
type Keyer interface {
	// Key appends r's key to dst. An error is the dead letter's reason, as with Append.
	Key(dst []byte, r *Record) ([]byte, error)
}

// A Targeter is a Destination that can name an item's target (an index) for the dead letter. A Keyer's target is the key.
type Targeter interface {
	// Target reads the target from an item that Append wrote.
	Target(item []byte) string
}

// A TailReader is a Destination that doesn't depend on the order of a record's members, and encodes a Record's Tail
// separately from its Body. All other destinations get whole records from the loop.
type TailReader interface {
	// ReadsTails reports whether that holds with the configured options. The answer never changes.
	ReadsTails() bool
}

// OutputOptioner is implemented by every destination's options struct, by embedding OutputOptions.
type OutputOptioner interface {
	Output() *OutputOptions
}

// A MetricTaker is a Destination that takes events of inputs of metrics (package metric). All others get none.
type MetricTaker interface {
	// TakesMetrics reports whether it takes metrics, and whether it takes other records. The answers never change.
	TakesMetrics() (metrics, others bool)
}

// A Record is an event taken from the queue. All of it aliases memory of the loop and is valid only during the call that
// it is passed to. Its Tail is empty, except for a TailReader that asked for tails.
type Record struct {
	record.Event
	// ID is the record's identity, the same at every attempt and after every restart: the event's Origin, or its place in the
	// queue if it has none.
	ID record.ID
	// Shared is the TailReader's, and is kept from one Append to the next of the same batch.
	Shared Shared

	whole []byte // memory for Whole
}

// Shared caches the encoding of a Tail, for a TailReader: consecutive records have the same one. The loop resets it with
// each batch, since Tail aliases the batch's memory.
type Shared struct {
	Tail    []byte // the last Tail that was encoded
	Encoded []byte // its encoding
	Apart   bool   // Encoded can be appended to an item; otherwise the record must be made Whole
	Unusual bool   // a record of the batch needed the encoder's longer way: the next ones take it at once
}

// MaxKept is the largest capacity in bytes of a buffer (for a body, for an encoded tail) that is kept for the next record.
const MaxKept = 64 << 10

// Whole moves the members of Tail into Body, and returns Body.
func (r *Record) Whole() []byte {
	if len(r.Tail) > 0 {
		r.whole = r.Fold(keep(r.whole))
	}
	return r.Body
}

// EncodeTail has encode append the encoding of r's Tail to Shared.Encoded, unless that is the last record's already. Where encode
// returns false, since the Tail can't be encoded apart from the Body, r is made Whole.
func (r *Record) EncodeTail(encode func(dst, tail []byte) (out []byte, apart bool)) {
	if len(r.Tail) == 0 {
		return
	}
	s := &r.Shared
	if !bytes.Equal(r.Tail, s.Tail) {
		s.Encoded, s.Apart = encode(s.Encoded[:0], r.Tail)
	}
	s.Tail = r.Tail // that of the next record is the same memory, so that comparing them takes no time
	if !s.Apart {
		r.Whole()
	}
}

// NextBatch drops r's references to a batch whose memory is about to be released.
func (r *Record) NextBatch() {
	r.Shared = Shared{Encoded: keep(r.Shared.Encoded)}
	r.whole = keep(r.whole)
}

// keep returns b emptied, or nil if it is too large to be kept.
func keep(b []byte) []byte {
	if cap(b) > MaxKept {
		return nil
	}
	return b[:0]
}

// A Request is the items of one attempt. Body[Ends[i-1]:Ends[i]] is item i (taking Ends[-1] as 0), as Append wrote it.
// A destination must not change a Request, nor read it after Send has returned: the loop reuses it.
type Request struct {
	Body []byte
	Ends []int
	// Keys and KeyOf are set for a Keyer: item i has the key Keys[KeyOf[i]].
	Keys  [][]byte
	KeyOf []uint32

	keys map[string]uint32 // each key's index in Keys
}

// Len is the number of items.
func (r *Request) Len() int { return len(r.Ends) }

// Item is the encoded bytes of item i.
func (r *Request) Item(i int) []byte {
	start := 0
	if i > 0 {
		start = r.Ends[i-1]
	}
	return r.Body[start:r.Ends[i]]
}

// ByKey yields each key with the ascending indices of its items. The keys come in the order of their first items.
func (r *Request) ByKey() iter.Seq2[[]byte, []int] {
	return func(yield func([]byte, []int) bool) {
		ends := make([]int, len(r.Keys)+1) // ends[k+1] is where the items of key k end in items
		for _, k := range r.KeyOf {
			ends[k+1]++
		}
		for k := range r.Keys {
			ends[k+1] += ends[k]
		}
		items, next := make([]int, len(r.KeyOf)), append([]int(nil), ends...)
		for i, k := range r.KeyOf {
			items[next[k]] = i
			next[k]++
		}
		for k, key := range r.Keys {
			if group := items[ends[k]:ends[k+1]]; len(group) > 0 && !yield(key, group) {
				return
			}
		}
	}
}

// AddKey sets the key of the item that will be appended next. The loop and destinations' tests call it.
func (r *Request) AddKey(key []byte) {
	if n := len(r.KeyOf); n > 0 && bytes.Equal(key, r.Keys[r.KeyOf[n-1]]) { // as a rule
		r.KeyOf = append(r.KeyOf, r.KeyOf[n-1])
		return
	}
	k, ok := r.keys[string(key)]
	if !ok {
		if r.keys == nil {
			r.keys = make(map[string]uint32)
		}
		k = uint32(len(r.Keys))
		r.keys[string(key)] = k
		r.Keys = append(r.Keys, bytes.Clone(key))
	}
	r.KeyOf = append(r.KeyOf, k)
}

// Reset empties the request, and keeps its memory.
func (r *Request) Reset() {
	clear(r.keys)
	clear(r.Keys)
	*r = Request{Body: r.Body[:0], Ends: r.Ends[:0], Keys: r.Keys[:0], KeyOf: r.KeyOf[:0], keys: r.keys}
}

// Limits bound a destination's requests. A zero value means the loop's default.
type Limits struct {
	MaxBytes     int           // encoded size in bytes at which a request is sent
	MaxItems     int           // number of items at which a request is sent
	MaxItem      int           // largest item in bytes, overhead included; a larger one goes to the dead letter
	ItemOverhead int           // bytes that an item counts in addition to its size, for MaxBytes and MaxItem
	Linger       time.Duration // how long the first record of a request waits for more
	Workers      int           // most attempts in progress at once
	Ordered      bool          // records are sent in the order of the queue: one attempt at a time, and none before an earlier one has ended
}

// Caps and defaults of Limits. An output's delivery takes memory for Workers chunks and Workers bodies.
const (
	MaxRequestBytes = 8 << 20 // largest Limits.MaxBytes that a user may ask for
	MaxWorkers      = 16      // most attempts in progress at once that a user may ask for

	// Immediately is the Linger for sending a record without waiting for more. (Zero means the default.)
	Immediately = time.Nanosecond

	defaultMaxBytes = 1 << 20
	defaultMaxItems = 10_000
	defaultMaxItem  = record.MaxJSON + 1<<20 // a record that fits, and what is added to it
	defaultLinger   = 100 * time.Millisecond
	defaultWorkers  = 4
)

// WithDefaults replaces zero values by the defaults.
func (l Limits) WithDefaults() Limits {
	fill(&l.MaxBytes, defaultMaxBytes)
	fill(&l.MaxItems, defaultMaxItems)
	fill(&l.MaxItem, defaultMaxItem)
	fill(&l.Linger, defaultLinger)
	fill(&l.Workers, defaultWorkers)
	return l
}
