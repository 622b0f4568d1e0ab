// Package sink is the contract between the delivery loop (sink/deliver) and the destinations, one folder each, and the
// options that every output has.
package sink

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/firelane/firelane/record"
)

// A Destination is one place that records go to. Several workers use it at once, so it must be safe for concurrent use;
// what belongs to one attempt is in the Request. It is made by a function
//
//	New(opts *Options, d config.Dialect, env sink.Env) (sink.Destination, error)
//
// of options that config has bound and checked, and connects to nothing before the first Send.
type Destination interface {
	// Append encodes r as one item and appends it to body. An error says that r can never be sent and why (it becomes
	// the dead letter's reason); body is then returned as it came.
	Append(body []byte, r *Record) ([]byte, error)

	// Send makes one attempt to deliver req and judges all of its items. It returns soon after ctx ends, and bounds
	// every wait itself. It never retries a refusal; it may retry once, at once, on a fresh connection.
	Send(ctx context.Context, req *Request) Reply

	// Limits are what the destination wants of its requests. They don't change.
	Limits() Limits

	// Close releases connections and files. No Send is in progress.
	Close() error
}

// Env is what a destination is told about the process that it runs in.
type Env struct {
	Log      zerolog.Logger
	Hostname string // this host's name
	Common   *Common
}

// Common holds what several destinations of a process have in common, such as credentials. The zero value is ready, and
// nil works as one that is not shared.
type Common struct {
	mu     sync.Mutex
	values map[any]any
}

// Get returns the value under key, which is comparable and of a type that only its maker has; make makes the first one.
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

// A Keyer is a Destination whose items are grouped in a request, by stream, topic, tag or file: see Request.ByKey.
type Keyer interface {
	// Key appends r's key to dst. An error is the dead letter's reason, as that of Append is.
	Key(dst []byte, r *Record) ([]byte, error)
}

// A Targeter is a Destination that can tell where an item was to go (an index), for the dead letter. (Of a Keyer it is
// the key.)
type Targeter interface {
	// Target reads it from an item as Append wrote it.
	Target(item []byte) string
}

// A TailReader is a Destination whose items don't show in which order a record's members stand, and that encodes a
// Record's Tail by itself. To every other one the loop hands records that are whole.
type TailReader interface {
	// ReadsTails says so once and for all.
	ReadsTails() bool
}

// OutputOptioner is what the options struct of every destination is, by embedding OutputOptions.
type OutputOptioner interface {
	Output() *OutputOptions
}

// A Record is an event taken from the queue. Everything in it aliases memory of the loop and is valid only during the
// call that it is passed to. Its Body is whole, except where a TailReader asked for tails.
type Record struct {
	record.Event
	// ID is the record's identity, the same at every attempt and after every restart.
	ID record.ID
	// Shared is kept from one Append to the next of the same batch, for a TailReader.
	Shared Shared

	whole []byte // memory for Whole
}

// Shared is what a TailReader remembers of the last Tail that it encoded: records in a row share theirs. The loop empties
// it with each batch, whose memory Tail aliases.
type Shared struct {
	Tail    []byte
	Encoded []byte
	Apart   bool // Encoded can stand in an item; otherwise the record must be made Whole
}

// MaxKept is the capacity in bytes up to which memory for a body, or for what is encoded of a tail, is kept for the next
// record.
const MaxKept = 64 << 10

// Whole makes the members of Tail members of Body, and returns Body.
func (r *Record) Whole() []byte {
	if len(r.Tail) > 0 {
		r.whole = r.Fold(keep(r.whole))
	}
	return r.Body
}

// NextBatch empties what r remembers of a batch whose memory is about to be given back.
func (r *Record) NextBatch() {
	r.Shared = Shared{Encoded: keep(r.Shared.Encoded)}
	r.whole = keep(r.whole)
}

// keep returns b empty, or nil where it is too large to be kept.
func keep(b []byte) []byte {
	if cap(b) > MaxKept {
		return nil
	}
	return b[:0]
}

// A Request is the items of one attempt. Body[Ends[i-1]:Ends[i]] is item i (Ends[-1] being 0), as Append wrote it.
// A destination may change none of it, and nothing may read it after Send has returned: the loop reuses it.
type Request struct {
	Body []byte
	Ends []int
	// Keys and KeyOf are for a Keyer's items: item i has the key Keys[KeyOf[i]].
	Keys  [][]byte
	KeyOf []uint32

	keys map[string]uint32 // the indices of Keys
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

// ByKey yields each key that items of the request have, in the order of their first items, with those items in
// ascending order.
func (r *Request) ByKey() iter.Seq2[[]byte, []int] {
	return func(yield func([]byte, []int) bool) {
		ends := make([]int, len(r.Keys)+1) // of each key's items, the key counted from 1
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
			if own := items[ends[k]:ends[k+1]]; len(own) > 0 && !yield(key, own) {
				return
			}
		}
	}
}

// AddKey says which key the item has that is appended next. It is for the loop, and for tests of destinations.
func (r *Request) AddKey(key []byte) {
	k, ok := r.keys[string(key)]
	if !ok {
		if r.keys == nil {
			r.keys = make(map[string]uint32)
		}
		k = uint32(len(r.Keys))
		own := string(key)
		r.keys[own] = k
		r.Keys = append(r.Keys, []byte(own))
	}
	r.KeyOf = append(r.KeyOf, k)
}

// Reset empties the request and keeps its memory.
func (r *Request) Reset() {
	clear(r.keys)
	clear(r.Keys)
	*r = Request{Body: r.Body[:0], Ends: r.Ends[:0], Keys: r.Keys[:0], KeyOf: r.KeyOf[:0], keys: r.keys}
}

// Limits of the requests that a destination wants. Zero values mean the loop's own defaults.
type Limits struct {
	MaxBytes     int           // encoded size in bytes at which a request is sent
	MaxItems     int           // number of items at which a request is sent
	MaxItem      int           // size in bytes of one item, at most: a larger one goes to the dead letter; 0: any
	ItemOverhead int           // bytes that each item counts for besides its own
	Linger       time.Duration // how long a first record waits for company
	Workers      int           // attempts in progress at once, at most
}

// Caps and defaults of requests. Workers × (chunk + body) is the memory that an output's delivery takes.
const (
	MaxRequestBytes = 8 << 20 // largest Limits.MaxBytes that a user may ask for
	MaxWorkers      = 16      // most attempts in progress at once that a user may ask for

	// Immediately is the Linger that waits for no company. (Zero means the default.)
	Immediately = time.Nanosecond

	defaultMaxBytes = 1 << 20
	defaultMaxItems = 10_000
	defaultLinger   = 100 * time.Millisecond
	defaultWorkers  = 4
)

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	fill(&l.MaxBytes, defaultMaxBytes)
	fill(&l.MaxItems, defaultMaxItems)
	fill(&l.Linger, defaultLinger)
	fill(&l.Workers, defaultWorkers)
	return l
}
