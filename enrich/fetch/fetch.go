// Package fetch gets metadata for filters from services of the machine or the cluster, and keeps it in a cache of limited size. It
// fetches in the background: records wait only for the first attempt, up to a limit.
package fetch

import (
	"context"
	"sync"
	"time"
)

// Options are those of a Cache.
type Options struct {
	Max       int           // entries; a new one beyond it replaces the oldest
	TTL       time.Duration // after which a value is fetched again; 0: never
	Retry     time.Duration // between attempts while a value is missing or incomplete; it doubles up to maxRetry
	Attempts  int           // for a value; then none until TTL has passed, or ever if TTL is 0; 0: no limit
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
	second  int64 // Unix time in which the last attempts began
	begun   int   // attempts that began in that second
	slow    bool  // an attempt took longer than FirstWait, and none has been complete since: Get doesn't wait
	closed  bool
}

type entry[T any] struct {
	value    T
	complete bool
	running  bool
	attempts int
	made     time.Time
	due      time.Time     // of the next attempt
	first    chan struct{} // closed after the first attempt
}

// New makes a Cache. fetch makes one attempt; last is the value that the previous attempt returned. An incomplete value is used,
// too, and fetch is called again later.
func New[T any](o Options, fetch func(ctx context.Context, key string, last T) (value T, complete bool)) *Cache[T] {
	c := &Cache[T]{o: o, fetch: fetch, entries: make(map[string]*entry[T])}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Get returns the current value of a key, or the zero value if there is none yet. It starts an attempt if one is due, and waits up
// to FirstWait for a key's first attempt.
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

// add makes an entry, and removes the oldest one if there are too many. The caller holds c.mu.
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

// begin begins an attempt if one is due. The caller holds c.mu.
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
		e.attempts = min(e.attempts, 1) // Get doesn't wait again: there is a value
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

// Close cancels the attempts, and waits for them to end. After that Get returns the values that are known.
func (c *Cache[T]) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}
