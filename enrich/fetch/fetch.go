// Package fetch gets what filters need from services of the machine or the cluster: in the background, so that records wait for
// it only once and not for long, in a cache of limited size.
package fetch

import (
	"context"
	"sync"
	"time"
)

// Options are those of a Cache.
type Options struct {
	Max       int           // entries; the oldest gives way to a new one
	TTL       time.Duration // after which a value is fetched again; 0: never
	Retry     time.Duration // from one attempt to the next, while a value is missing or incomplete; it doubles up to maxRetry
	Attempts  int           // after which a missing value is given up until TTL, or for good; 0: no limit
	Timeout   time.Duration // of an attempt
	FirstWait time.Duration // how long Get waits for a key's first attempt
}

// Limits of a Cache.
const (
	maxRetry   = 5 * time.Minute // between two attempts, unless Retry is longer
	maxRunning = 4               // attempts at the same time
	// maxPerSecond is how many attempts begin in a second: keys come from clients, and the ECS agent answers 40 requests a second.
	maxPerSecond = 30
)

// A Cache has a value for each key. Its methods are safe for concurrent use.
type Cache[T any] struct {
	o     Options
	fetch func(ctx context.Context, key string, last T) (value T, complete bool)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	entries map[string]*entry[T]
	running int
	second  int64 // in which the last attempts began
	begun   int   // in it
	slow    bool  // an attempt took longer than FirstWait, and none has ended well since: nobody waits
	closed  bool
}

type entry[T any] struct {
	value    T
	complete bool
	running  bool
	attempts int
	made     time.Time
	due      time.Time     // of the next attempt
	first    chan struct{} // closed when the first attempt has ended
}

// New makes a Cache. fetch makes one attempt; last is what the one before returned. What it returns is used even if it isn't
// complete; then it is called again.
func New[T any](o Options, fetch func(ctx context.Context, key string, last T) (value T, complete bool)) *Cache[T] {
	c := &Cache[T]{o: o, fetch: fetch, entries: make(map[string]*entry[T])}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Get returns the value of a key as it is known now, the zero value if there is none yet. The first calls for a key wait up to
// FirstWait.
func (c *Cache[T]) Get(key []byte) T {
	c.mu.Lock()
	e := c.entries[string(key)]
	if e == nil {
		e = c.add(string(key))
	}
	if !e.complete || c.o.TTL > 0 {
		c.begin(e, key, time.Now())
	}
	value, wait := e.value, e.running && e.attempts == 1 && !c.slow
	c.mu.Unlock()
	if !wait {
		return value
	}
	timer := time.NewTimer(c.o.FirstWait)
	defer timer.Stop()
	select {
	case <-e.first:
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slow = c.slow || e.running && e.attempts == 1
	return e.value
}

// add makes an entry, for which the oldest one may give way. c.mu is held.
func (c *Cache[T]) add(key string) *entry[T] {
	if len(c.entries) >= c.o.Max {
		oldest := ""
		for k, e := range c.entries {
			if first := c.entries[oldest]; first == nil || e.made.Before(first.made) {
				oldest = k
			}
		}
		delete(c.entries, oldest)
	}
	e := &entry[T]{made: time.Now(), first: make(chan struct{})}
	c.entries[key] = e
	return e
}

// begin begins an attempt if one is due. c.mu is held.
func (c *Cache[T]) begin(e *entry[T], key []byte, now time.Time) {
	if e.running || c.closed || c.running >= maxRunning || now.Before(e.due) {
		return
	}
	givenUp := c.o.Attempts > 0 && e.attempts >= c.o.Attempts
	if e.complete || givenUp {
		if c.o.TTL == 0 || now.Sub(e.made) < c.o.TTL {
			return
		}
		e.made, e.complete = now, false
		e.attempts = min(e.attempts, 1) // nobody waits: there is a value
	}
	if second := now.Unix(); second != c.second {
		c.second, c.begun = second, 0
	}
	if c.begun++; c.begun > maxPerSecond {
		return
	}
	e.running = true
	e.attempts++
	c.running++
	name, last := string(key), e.value
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.o.Timeout)
		defer cancel()
		value, complete := c.fetch(ctx, name, last)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
		e.running, e.value, e.complete = false, value, complete
		e.due = time.Now().Add(min(c.o.Retry<<min(e.attempts-1, 16), max(maxRetry, c.o.Retry)))
		if complete {
			e.due, c.slow = time.Time{}, false
		}
		if e.attempts == 1 {
			close(e.first)
		}
	})
}

// Close ends attempts, and waits for them. Get goes on with what is known.
func (c *Cache[T]) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}
